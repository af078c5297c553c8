#include "io/linux/helpers.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "io/exception.h"
#include "io/linux/child.h"
#include "io/linux/helper_spawner.h"

namespace hookline::io {

namespace {

constexpr int kOutputPipeBytes = 256 * 1024;
constexpr unsigned kFirstFdToClose = 3;

Result<Fd> make_memory(size_t bytes) {
  Fd memory(::memfd_create("hookline-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return system_failure("making shared memory");
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0) {
    return system_failure("making room in shared memory");
  }
  // A helper that made it shorter would end the server.
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return system_failure("sealing shared memory");
  }
  return memory;
}

// Both ends; the server's, which is `ours`, does not block.
std::optional<std::array<Fd, 2>> make_pipe(size_t ours) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return std::nullopt;
  std::array<Fd, 2> ends = {Fd(pipe[0]), Fd(pipe[1])};
  if (::fcntl(ends[ours].get(), F_SETFL, O_NONBLOCK) != 0) return std::nullopt;
  return ends;
}

// A short one; empty where there is none.
std::string read_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : -1;
  return {text.data(), size > 0 ? static_cast<size_t>(size) : 0};
}

}  // namespace

std::string HelperEnd::text() const {
  switch (how) {
    case How::Exited:
      return "it exited with status " + std::to_string(code);
    case How::Killed:
      if (is_exception_code(static_cast<uint32_t>(code))) {
        return "it ended with " + exception_text(static_cast<uint32_t>(code));
      }
      return "it was killed by " + signal_name(code);
    case How::Lost:
      break;
  }
  return "it is gone";
}

class LinuxHelper final : public HelperProcess {
 public:
  LinuxHelper(LinuxHelpers& helpers, uint32_t id, size_t bytes)
      : helpers_(helpers), id_(id), bytes_(bytes) {}
  LinuxHelper(const LinuxHelper&) = delete;
  LinuxHelper& operator=(const LinuxHelper&) = delete;
  ~LinuxHelper() override {
    {
      const std::lock_guard lock(helpers_.mutex_);
      if (!end_) helpers_.tell(SpawnerRequest::KillNow, id_);
      helpers_.helpers_.erase(id_);
    }
    if (memory_ != nullptr) ::munmap(memory_, bytes_);
  }

  uint8_t* memory() override { return memory_; }
  void wake() override {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = ::write(work_.get(), &one, sizeof one);
  }
  void wait(int64_t timeout_ns) override;
  std::optional<HelperEnd> ended() override {
    const std::lock_guard lock(helpers_.mutex_);
    if (!end_) helpers_.take_events();
    return end_;
  }
  bool is_cut_off() const override { return !call_back_; }
  std::optional<HelperActivity> activity() override;
  void kill() override {
    const std::lock_guard lock(helpers_.mutex_);
    if (!end_) helpers_.tell(SpawnerRequest::Kill, id_);
  }
  size_t read_output(MutableBytes to) override;

 private:
  friend class LinuxHelpers;
  // The helper's ends of what it shares with the server.
  Result<std::array<Fd, kSpawnerFds>> make();

  LinuxHelpers& helpers_;
  uint32_t id_;
  size_t bytes_;
  uint8_t* memory_ = nullptr;
  Fd work_, work_read_, call_back_, output_;
  int pid_ = 0;  // 0: not started yet
  std::optional<HelperEnd> end_;
};

Result<std::array<Fd, kSpawnerFds>> LinuxHelper::make() {
  auto memory = make_memory(bytes_);
  if (!memory) return tl::unexpected(memory.error());
  void* const at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, memory->get(), 0);
  if (at == MAP_FAILED) return system_failure("mapping shared memory");
  memory_ = static_cast<uint8_t*>(at);
  // A pipe each way, whose ends have flags of their own: nothing that the helper does to its ends
  // makes the server wait at the others. An eventfd is one thing with two owners.
  auto work = make_pipe(1);
  auto call_back = make_pipe(0);
  auto output = make_pipe(0);
  if (!work || !call_back || !output) return system_failure("preparing wake-ups");
  // The other end stays open here as well: writing to nobody would be a signal.
  work_ = std::move((*work)[1]);
  work_read_ = Fd(::fcntl((*work)[0].get(), F_DUPFD_CLOEXEC, 0));
  if (!work_read_) return system_failure("preparing wake-ups");
  call_back_ = std::move((*call_back)[0]);
  output_ = std::move((*output)[0]);
  ::fcntl(output_.get(), F_SETPIPE_SZ, kOutputPipeBytes);
  return std::array<Fd, kSpawnerFds>{std::move(*memory), std::move((*work)[0]),
                                     std::move((*call_back)[1]), std::move((*output)[1])};
}

std::optional<HelperActivity> LinuxHelper::activity() {
  int pid = 0;
  {
    const std::lock_guard lock(helpers_.mutex_);
    if (pid_ == 0 || end_) return std::nullopt;
    pid = pid_;
  }
  const std::string task = fmt::format("/proc/{0}/task/{0}", pid);
  const std::string stat = read_file(task + "/stat");
  const std::string times = read_file(task + "/schedstat");
  // "PID (NAME) STATE …", and a name may hold anything.
  const size_t state = stat.rfind(") ");
  HelperActivity activity;
  const auto parsed = std::from_chars(times.data(), times.data() + times.size(), activity.cpu_ns);
  if (state == std::string::npos || state + 2 >= stat.size() || parsed.ec != std::errc()) {
    return std::nullopt;
  }
  activity.is_runnable = stat[state + 2] == 'R';
  return activity;
}

void LinuxHelper::wait(int64_t timeout_ns) {
  std::array<pollfd, 3> fds = {pollfd{call_back_.get(), POLLIN, 0},
                               pollfd{helpers_.socket_.get(), POLLIN, 0},
                               pollfd{output_.get(), POLLIN, 0}};
  const timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  // Once it has ended, its pipe is at its end for ever.
  const nfds_t count = ended() ? 1 : 3;
  if (::ppoll(fds.data(), count, &timeout, nullptr) <= 0) return;
  if (fds[0].revents != 0) {
    std::array<uint8_t, 4096> calls;
    // It has closed its end: that is not heard again.
    if (::read(call_back_.get(), calls.data(), calls.size()) == 0) call_back_.reset();
  }
  if (fds[1].revents != 0) helpers_.look();
}

size_t LinuxHelper::read_output(MutableBytes to) {
  const ssize_t size = output_ ? ::read(output_.get(), to.data(), to.size()) : 0;
  if (size > 0) return static_cast<size_t>(size);
  // It has closed its end, which would be ready for ever; from here on it says nothing.
  if (size == 0 && output_) {
    const std::lock_guard lock(helpers_.mutex_);
    output_.reset();
  }
  return 0;
}

Result<std::unique_ptr<LinuxHelpers>> LinuxHelpers::open(const Options& options) {
  Fd program(::open(options.program.c_str(), O_RDONLY | O_CLOEXEC));
  if (!program) return system_failure(options.program);
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return system_failure("a socket for helpers");
  }
  Fd ours(sockets[0]);
  Fd theirs(sockets[1]);
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  if (!epoll || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, ours.get(), &event) != 0) {
    return system_failure("watching helpers");
  }
  const Account here{::geteuid(), ::getegid()};
  const Account account = find_account(options.user).value_or(here);
  std::fflush(nullptr);
  const pid_t server = ::getpid();
  const pid_t spawner = ::fork();
  if (spawner < 0) return system_failure("starting the spawner of helpers");
  if (spawner == 0) {
    // Out of the way of what is closed, which is everything else.
    const int socket = ::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 64);
    const int file = ::fcntl(program.get(), F_DUPFD_CLOEXEC, 64);
    const auto [low, high] = std::minmax(socket, file);
    ::close_range(kFirstFdToClose, static_cast<unsigned>(low) - 1, 0);
    if (high > low + 1) {
      ::close_range(static_cast<unsigned>(low) + 1, static_cast<unsigned>(high) - 1, 0);
    }
    ::close_range(static_cast<unsigned>(high) + 1, ~0u, 0);
    run_spawner({Fd(socket), Fd(file), account, server});
  }
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  return std::unique_ptr<LinuxHelpers>(new LinuxHelpers(std::move(ours), std::move(epoll)));
}

std::string LinuxHelpers::program_beside(const std::string& name) {
  std::array<char, 4096> self{};
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  std::string folder(self.data(), size > 0 ? static_cast<size_t>(size) : 0);
  folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/'));
  std::string beside = folder + "/" + name;
  if (::access(beside.c_str(), X_OK) == 0) return beside;
  std::string installed = folder;
  installed.append("/../libexec/hookline/").append(name);
  if (::access(installed.c_str(), X_OK) == 0) return installed;
  return beside;
}

Result<std::string> LinuxHelpers::find_program(const std::string& name) {
  std::string file = program_beside(name);
  if (::access(file.c_str(), X_OK) != 0) return system_failure(file);
  return file;
}

LinuxHelpers::~LinuxHelpers() = default;

size_t LinuxHelpers::processors() const {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<size_t>(CPU_COUNT(&set));
}

Result<std::unique_ptr<HelperProcess>> LinuxHelpers::start(
    const HelperPlan& plan, const std::function<void(uint8_t*)>& prepare) {
  uint32_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (helpers_.size() >= kHelpersMax) return fail(ErrorKind::NoSpace, "too many helpers");
    id = ++last_id_;
  }
  auto helper = std::make_unique<LinuxHelper>(*this, id, plan.shared_bytes);
  auto fds = helper->make();
  if (!fds) return tl::unexpected(fds.error());
  prepare(helper->memory());
  if (auto asked = ask_for(plan, *helper, std::move(*fds)); !asked) {
    return tl::unexpected(asked.error());
  }
  return helper;
}

// What comes of it may be read by another thread at once.
Result<void> LinuxHelpers::ask_for(const HelperPlan& plan, LinuxHelper& helper,
                                   std::array<Fd, kSpawnerFds> fds) {
  const std::lock_guard lock(mutex_);
  SpawnerRequest request{SpawnerRequest::Start, helper.id_, plan.memory_max_bytes};
  iovec data{&request, sizeof request};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kSpawnerFds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(kSpawnerFds * sizeof(int));
  for (size_t i = 0; i < fds.size(); ++i) {
    const int fd = fds[i].get();
    std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
  }
  if (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0) {
    helper.end_ = HelperEnd{};
    return system_failure("asking for a helper");
  }
  // Once for what is new: who has said too much already wakes nobody by what is left.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, helper.output_.get(), &event);
  helpers_[helper.id_] = &helper;
  return {};
}

void LinuxHelpers::tell(uint32_t what, uint32_t id) {
  const SpawnerRequest request{what, id, 0};
  [[maybe_unused]] const ssize_t size =
      ::send(socket_.get(), &request, sizeof request, MSG_NOSIGNAL);
}

void LinuxHelpers::look() {
  std::array<epoll_event, kHelpersMax> heard;
  ::epoll_wait(epoll_.get(), heard.data(), static_cast<int>(heard.size()), 0);
  const std::lock_guard lock(mutex_);
  take_events();
}

void LinuxHelpers::take_events() {
  SpawnerEvent event;
  for (;;) {
    const ssize_t size = ::recv(socket_.get(), &event, sizeof event, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;
    const auto found = helpers_.find(event.id);
    if (size == 0) {  // the spawner is gone, and the helpers with it
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
      for (const auto& [id, helper] : helpers_) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, helper->output_.get(), nullptr);
        helper->end_ = HelperEnd{};
      }
      return;
    }
    if (size != static_cast<ssize_t>(sizeof event) || found == helpers_.end()) continue;
    LinuxHelper& helper = *found->second;
    if (event.what == SpawnerEvent::Started) {
      helper.pid_ = event.code;
      continue;
    }
    // What it still said is read from the pipe, which would else be readable for ever.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, helper.output_.get(), nullptr);
    const auto how =
        event.what == SpawnerEvent::Killed ? HelperEnd::How::Killed : HelperEnd::How::Exited;
    helper.end_ = HelperEnd{how, event.code};
  }
}

}  // namespace hookline::io
