#include "io/linux/helper_spawner.h"

#include <cap-ng.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "io/helper_side.h"
#include "io/linux/helpers.h"

namespace hookline::io {

namespace {

constexpr int kLastWordsMs = 50;  // between being asked to end and being killed
// Threads that a callout makes get what the machine has left over, whoever made them: its hooks run
// on the first thread, and the server waits for that one only. They are looked for this often.
constexpr int kThreadsNice = 19;
constexpr int kThreadsLookMs = 100;

struct Child {
  uint32_t id = 0;
  pid_t pid = 0;
  Fd ended;
  int64_t kill_at_ms = 0;  // 0: never
};

int64_t now_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

// Nothing of the server's but these words.
std::vector<std::string> environment() {
  std::vector<std::string> out;
  for (const char* name : {"PATH", "LANG", "TZ", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr) out.push_back(std::string(name) + "=" + value);
  }
  return out;
}

[[noreturn]] void give_up(const char* what) {
  const char* const why = ::strerrordesc_np(errno);
  const std::string text = std::string("the helper was not started: ") + what + ": " +
                           (why != nullptr ? why : "?") + "\n";
  [[maybe_unused]] const ssize_t size = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(127);
}

void take_places(const std::array<Fd, kSpawnerFds>& fds, const Fd& program, int& program_fd) {
  constexpr int kAside = 32;
  std::array<int, kSpawnerFds> aside{};
  for (size_t i = 0; i < fds.size(); ++i) aside[i] = ::fcntl(fds[i].get(), F_DUPFD, kAside);
  program_fd = ::fcntl(program.get(), F_DUPFD_CLOEXEC, kAside);
  constexpr std::array kPlaces = {kHelperMemoryFd, kHelperWorkFd, kHelperCallBackFd,
                                  kHelperOutputFd};
  for (size_t i = 0; i < fds.size(); ++i) ::dup2(aside[i], kPlaces[i]);
  ::dup2(kHelperOutputFd, STDOUT_FILENO);
  ::dup2(kHelperOutputFd, STDERR_FILENO);
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  for (const int fd : aside) ::close(fd);
}

void limit(uint64_t memory_max_bytes) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // When the machine runs out of memory, helpers go before the server does.
  const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] const ssize_t size = ::write(score.get(), "1000", 4);
#ifndef HOOKLINE_SANITIZED
  if (memory_max_bytes == 0) return;
  const rlimit memory{memory_max_bytes, memory_max_bytes};
  if (::setrlimit(RLIMIT_DATA, &memory) != 0) give_up("limiting its memory");
#else
  static_cast<void>(memory_max_bytes);
#endif
}

void become(const Account& account) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
  capng_clear(CAPNG_SELECT_BOTH);
  if (::geteuid() == 0 && account.uid != 0) {
    const auto flags = static_cast<capng_flags_t>(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    if (capng_change_id(static_cast<int>(account.uid), static_cast<int>(account.gid), flags) != 0) {
      give_up("becoming its user");
    }
    return;
  }
  const bool is_root = ::geteuid() == 0;
  if (capng_apply(is_root ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0 && is_root) {
    give_up("dropping its capabilities");
  }
}

[[noreturn]] void be_helper(const SpawnerPlan& plan, const SpawnerRequest& request,
                            const std::array<Fd, kSpawnerFds>& fds, pid_t spawner) {
  ::setpgid(0, 0);
  int program = -1;
  take_places(fds, plan.program, program);
  limit(request.memory_max_bytes);
  become(plan.account);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a new user clears it
  if (::getppid() != spawner) ::_exit(1);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::syscall(SYS_close_range, kHelperOutputFd + 1, program - 1, 0);
  ::syscall(SYS_close_range, program + 1, ~0u, 0);
  std::vector<std::string> words = environment();
  std::vector<char*> env;
  env.reserve(words.size() + 1);
  for (std::string& word : words) env.push_back(word.data());
  env.push_back(nullptr);
  char name[] = "hookline-host";
  char* const arguments[] = {name, nullptr};
  ::fexecve(program, arguments, env.data());
  give_up("running its program");
}

class Spawner {
 public:
  explicit Spawner(SpawnerPlan plan) : plan_(std::move(plan)), pid_(::getpid()) {}

  // False: the server is gone.
  bool serve();

 private:
  bool take_request();
  void start(const SpawnerRequest& request, const std::array<Fd, kSpawnerFds>& fds);
  void kill(const SpawnerRequest& request);
  void reap(Child& child);
  void calm_threads();
  void tell(uint32_t id, uint32_t what, int code);
  int next_deadline_ms() const;

  SpawnerPlan plan_;
  pid_t pid_;
  std::vector<Child> children_;
  int64_t calmed_ms_ = 0;
};

void Spawner::tell(uint32_t id, uint32_t what, int code) {
  const SpawnerEvent event{id, what, code};
  [[maybe_unused]] const ssize_t size =
      ::send(plan_.socket.get(), &event, sizeof event, MSG_NOSIGNAL);
}

void Spawner::start(const SpawnerRequest& request, const std::array<Fd, kSpawnerFds>& fds) {
  const pid_t pid = children_.size() < kHelpersMax ? ::fork() : -1;
  if (pid < 0) return tell(request.id, SpawnerEvent::Exited, 127);
  if (pid == 0) be_helper(plan_, request, fds, pid_);
  Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  children_.push_back({request.id, pid, std::move(ended), 0});
  tell(request.id, SpawnerEvent::Started, pid);
}

void Spawner::kill(const SpawnerRequest& request) {
  for (Child& child : children_) {
    if (child.id != request.id) continue;
    const bool now = request.what == SpawnerRequest::KillNow;
    ::kill(child.pid, now ? SIGKILL : SIGABRT);
    if (!now && child.kill_at_ms == 0) child.kill_at_ms = now_ms() + kLastWordsMs;
  }
}

bool Spawner::take_request() {
  SpawnerRequest request;
  iovec data{&request, sizeof request};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kSpawnerFds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(plan_.socket.get(), &message, MSG_CMSG_CLOEXEC);
  if (size < 0 && errno == EINTR) return true;
  if (size <= 0) return false;
  std::array<Fd, kSpawnerFds> fds;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && i < fds.size(); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      fds[i] = Fd(fd);
    }
  }
  if (size != static_cast<ssize_t>(sizeof request)) return true;
  if (request.what == SpawnerRequest::Start) {
    start(request, fds);
  } else {
    kill(request);
  }
  return true;
}

void Spawner::reap(Child& child) {
  if (child.kill_at_ms != 0 && now_ms() >= child.kill_at_ms) ::kill(child.pid, SIGKILL);
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED | WNOWAIT | WNOHANG) != 0 ||
      info.si_pid != child.pid) {
    return;
  }
  ::kill(-child.pid, SIGKILL);  // what it may have started
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    tell(child.id, SpawnerEvent::Killed, WTERMSIG(status));
  } else {
    tell(child.id, SpawnerEvent::Exited, WEXITSTATUS(status));
  }
  child.pid = 0;
}

void Spawner::calm_threads() {
  if (now_ms() - calmed_ms_ < kThreadsLookMs) return;
  calmed_ms_ = now_ms();
  for (const Child& child : children_) {
    const std::string folder = "/proc/" + std::to_string(child.pid) + "/task";
    const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir(folder.c_str()), ::closedir);
    while (const dirent* const task = tasks ? ::readdir(tasks.get()) : nullptr) {
      const int id = std::atoi(task->d_name);
      if (id > 0 && id != child.pid) {
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(id), kThreadsNice);
      }
    }
  }
}

int Spawner::next_deadline_ms() const {
  int64_t least = children_.empty() ? -1 : kThreadsLookMs;
  for (const Child& child : children_) {
    if (child.kill_at_ms == 0 && child.ended) continue;
    // Without a descriptor for its end it is looked at now and then.
    const int64_t left = child.ended ? std::max<int64_t>(child.kill_at_ms - now_ms(), 1) : 5;
    if (least < 0 || left < least) least = left;
  }
  return static_cast<int>(least);
}

bool Spawner::serve() {
  std::vector<pollfd> fds{{plan_.socket.get(), POLLIN, 0}};
  for (const Child& child : children_) fds.push_back({child.ended.get(), POLLIN, 0});
  if (::poll(fds.data(), fds.size(), next_deadline_ms()) < 0 && errno != EINTR) return false;
  for (Child& child : children_) reap(child);
  calm_threads();
  std::erase_if(children_, [](const Child& child) { return child.pid == 0; });
  return fds[0].revents == 0 || take_request();
}

// Of the server's privileges only those that are needed to become the helpers' user and to end
// them.
void keep_little() {
  if (::geteuid() != 0) return;
  capng_clear(CAPNG_SELECT_BOTH);
  const auto sets = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
  for (const unsigned capability : {CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_KILL, CAP_SYS_NICE}) {
    capng_update(CAPNG_ADD, static_cast<capng_type_t>(sets | CAPNG_BOUNDING_SET), capability);
  }
  capng_apply(CAPNG_SELECT_BOTH);
}

}  // namespace

void run_spawner(SpawnerPlan plan) {
  ::prctl(PR_SET_NAME, "hookline-spawn");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.server) ::_exit(0);
  // They are meant for the server, which ends its helpers itself.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  keep_little();
  Spawner spawner(std::move(plan));
  while (spawner.serve()) {
  }
  ::_exit(0);  // and the helpers with it
}

}  // namespace hookline::io
