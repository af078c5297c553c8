// One job at a time, beside the packet thread: the journal's write and sync, so that OFFERs
// leave while the disk works. src/io/linux has a thread for it; the simulator runs jobs when they
// are waited for. Packet thread only, but for Job::run().
#pragma once

namespace hookline::io {

class Offload {
 public:
  class Job {
   public:
    virtual void run() = 0;  // on another thread

   protected:
    ~Job() = default;
  };

  virtual ~Offload() = default;
  // REQUIRES: ended(). The job must live until then; what it wrote is visible from then on. Does
  // not allocate.
  virtual void start(Job& job) = 0;
  virtual bool ended() const = 0;  // true when there is none
  virtual void wait() = 0;         // until it has ended; at once when there is none
};

}  // namespace hookline::io
