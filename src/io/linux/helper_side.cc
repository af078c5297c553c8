#include "io/linux/helper_side.h"

#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "io/linux/fd.h"

namespace hookline::io {

namespace {

constexpr std::array kFaultSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
constexpr size_t kModulesMax = 64;
constexpr size_t kHandlerStackBytes = 64 * 1024;

struct Module {
  uintptr_t base = 0, begin = 0, end = 0;
  std::array<char, sizeof Fault::module> name{};
  uint32_t name_size = 0;
};

// What the signal handler needs: it can be handed nothing.
struct FaultPlan {
  FaultNote* note = nullptr;
  void (*more)() = nullptr;
  long thread = 0;
  std::array<Module, kModulesMax> modules;
  size_t module_count = 0;
};
FaultPlan fault_plan;

int remember_module(dl_phdr_info* info, size_t, void*) {
  if (fault_plan.module_count == kModulesMax) return 1;
  Module& module = fault_plan.modules[fault_plan.module_count++];
  module = {};
  module.base = info->dlpi_addr;
  module.begin = ~uintptr_t{0};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    module.begin = std::min<uintptr_t>(module.begin, begin);
    module.end = std::max<uintptr_t>(module.end, begin + segment.p_memsz);
  }
  std::string_view name = info->dlpi_name != nullptr ? info->dlpi_name : "";
  name.remove_prefix(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1);
  if (name.empty()) name = "the host program";
  module.name_size = static_cast<uint32_t>(std::min(name.size(), module.name.size()));
  std::copy_n(name.begin(), module.name_size, module.name.begin());
  return 0;
}

uint64_t code_address(const void* context) {
#if defined(__x86_64__)
  return static_cast<uint64_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<const ucontext_t*>(context)->uc_mcontext.pc;
#endif
}

void ring_call_back() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(kHelperCallBackFd, &one, sizeof one);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  ::signal(signal, SIG_DFL);
  FaultNote& shared = *fault_plan.note;
  if (shared.written.load(std::memory_order_relaxed) == 0) {
    Fault& note = shared.fault;
    note.signal = static_cast<uint32_t>(signal);
    note.address = reinterpret_cast<uint64_t>(info->si_addr);
    if (signal == SIGABRT) note.address = 0;
    const uint64_t at = code_address(context);
    note.code_address = at;
    note.other_thread = ::syscall(SYS_gettid) != fault_plan.thread;
    for (size_t i = 0; i < fault_plan.module_count; ++i) {
      const Module& module = fault_plan.modules[i];
      if (at < module.begin || at >= module.end) continue;
      note.module_offset = at - module.base;
      std::memcpy(note.module.data(), module.name.data(), module.name_size);
      note.module_size = module.name_size;
    }
    shared.written.store(1, std::memory_order_release);
    if (fault_plan.more != nullptr) fault_plan.more();
    ring_call_back();
  }
  // It comes again when this returns, and ends the process.
  ::raise(signal);
}

class LinuxHelperSide final : public HelperSide {
 public:
  explicit LinuxHelperSide(MutableBytes memory) : memory_(memory) {}

  MutableBytes shared() override { return memory_; }

  bool wait() override {
    uint64_t count = 0;
    for (;;) {
      const ssize_t size = ::read(kHelperWorkFd, &count, sizeof count);
      if (size == static_cast<ssize_t>(sizeof count)) return true;
      if (size >= 0 || errno != EINTR) return false;
    }
  }

  void call_back() override { ring_call_back(); }

  // At most PIPE_BUF bytes are written whole, whoever else writes.
  void write_output(std::string_view line) override {
    const size_t size = std::min<size_t>(line.size(), 4096);
    while (::write(kHelperOutputFd, line.data(), size) < 0 && errno == EINTR) {
    }
  }

  void note_faults(FaultNote& note, void (*more)()) override {
    fault_plan.note = &note;
    fault_plan.more = more;
    fault_plan.thread = ::syscall(SYS_gettid);
    fault_plan.module_count = 0;
    ::dl_iterate_phdr(remember_module, nullptr);
    // A stack that overflowed has no room for the handler.
    static std::array<uint8_t, kHandlerStackBytes> stack;
    stack_t alternate{};
    alternate.ss_sp = stack.data();
    alternate.ss_size = stack.size();
    ::sigaltstack(&alternate, nullptr);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (const int signal : kFaultSignals) ::sigaction(signal, &action, nullptr);
  }

 private:
  MutableBytes memory_;
};

}  // namespace

Result<std::unique_ptr<HelperSide>> attach_helper() {
  struct stat facts {};
  if (::fstat(kHelperMemoryFd, &facts) != 0) return system_failure("the shared memory");
  const auto size = static_cast<size_t>(facts.st_size);
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, kHelperMemoryFd, 0);
  if (at == MAP_FAILED) return system_failure("mapping the shared memory");
  return std::make_unique<LinuxHelperSide>(MutableBytes(static_cast<uint8_t*>(at), size));
}

}  // namespace hookline::io
