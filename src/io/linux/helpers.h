// Helper processes by way of a spawner: a process that is forked off before the server has threads
// and gives up its privileges, since the server itself can start no programs any more. The spawner
// keeps what it needs to become the helpers' user, starts one program only, always as that user,
// and ends with the server; helpers end with it.
//
// A helper has no capabilities, no new privileges by exec, no descriptors but its own
// (helper_side.h) and what its plan allows. What else it may not do, it gives up itself before it
// loads anything (helper_sandbox.h).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "io/helper.h"
#include "io/linux/fd.h"

namespace hookline::io {

// At once, those that are being ended included.
inline constexpr size_t kHelpersMax = 64;

//
// One thread at a time uses a helper, and another may use another.
class LinuxHelpers final : public Helpers {
 public:
  struct Options {
    std::string program;  // what helpers run
    std::string user;     // whom they become; as drop_privileges() does it
  };
  // REQUIRES: this process has one thread. Fails when the program is not there.
  static Result<std::unique_ptr<LinuxHelpers>> open(const Options& options);
  // "/usr/sbin/hookline" and "hookline-host": the file of that name beside this program, or in
  // ../libexec/hookline.
  static std::string program_beside(const std::string& name);
  // The same, or why it can't be run.
  static Result<std::string> find_program(const std::string& name);
  // Ends all helpers.
  ~LinuxHelpers() override;

  Result<std::unique_ptr<HelperProcess>> start(
      const HelperPlan& plan, const std::function<void(uint8_t*)>& prepare) override;
  size_t processors() const override;
  // Readable when a helper has ended or written something. For LinuxPacketPort::watch(); who is
  // woken by it calls look().
  int fd() const { return epoll_.get(); }
  // Takes what the spawner has said.
  void look();

 private:
  friend class LinuxHelper;
  LinuxHelpers(Fd socket, Fd epoll) : socket_(std::move(socket)), epoll_(std::move(epoll)) {}
  void tell(uint32_t what, uint32_t id);
  Result<void> ask_for(const HelperPlan& plan, class LinuxHelper& helper, std::array<Fd, 4> fds);
  void take_events();  // REQUIRES: mutex_ is held

  Fd socket_;
  Fd epoll_;
  std::mutex mutex_;  // guards what is below, and what helpers are told of their ends
  uint32_t last_id_ = 0;
  std::map<uint32_t, class LinuxHelper*> helpers_;
};

}  // namespace hookline::io
