// One job at a time, beside the packet thread: the journal's write and sync, so that turns go on
// while the disk works. src/io/linux has a thread for it; the simulator ends jobs when its seed
// says so. Packet thread only, but for Job::run().
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
  virtual bool ended() const = 0;
  virtual void wait() = 0;  // until ended()
};

}  // namespace hookline::io
