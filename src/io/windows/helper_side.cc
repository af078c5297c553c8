#include "io/windows/helper_side.h"

#include <fmt/core.h>
#include <windows.h>

#include <algorithm>
#include <string>

#include "io/windows/faults.h"

namespace hookline::io {

namespace {

constexpr DWORD kWineAbort = 0x80000101;  // Wine's word for SIGABRT

struct Handles {
  HANDLE memory = nullptr, work = nullptr, call_back = nullptr, output = nullptr;
};

// What the handler of an exception needs: it can be handed nothing.
Handles handles;
FaultNote* fault_note = nullptr;
void (*fault_more)() = nullptr;

tl::unexpected<Error> windows_failure(const char* what) {
  return fail(ErrorKind::Io, fmt::format("{}: error {}", what, ::GetLastError()));
}

// Wine exports this from its ntdll: a descriptor of this process becomes a handle.
bool take_descriptor(int fd, DWORD access, HANDLE& out) {
  using ToHandle = LONG(CDECL*)(int fd, unsigned access, unsigned attributes, HANDLE* handle);
  const auto to_handle = reinterpret_cast<ToHandle>(reinterpret_cast<void*>(
      ::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "wine_server_fd_to_handle")));
  return to_handle != nullptr && to_handle(fd, access | SYNCHRONIZE, 0, &out) == 0;
}

void ring_call_back() {
  const uint64_t one = 1;
  DWORD done = 0;
  ::WriteFile(handles.call_back, &one, sizeof one, &done, nullptr);
}

void note_fault(const EXCEPTION_RECORD& record) {
  if (fault_note == nullptr || fault_note->written.load(std::memory_order_relaxed) != 0) return;
  describe_fault(record, fault_note->fault);
  fault_note->written.store(1, std::memory_order_release);
  if (fault_more != nullptr) fault_more();
  ring_call_back();
}

LONG WINAPI on_unhandled(EXCEPTION_POINTERS* pointers) {
  note_fault(*pointers->ExceptionRecord);
  ::TerminateProcess(::GetCurrentProcess(), pointers->ExceptionRecord->ExceptionCode);
  return EXCEPTION_EXECUTE_HANDLER;
}

// The server asks where it is, or the callout has aborted: nothing may handle that.
LONG CALLBACK on_first_chance(EXCEPTION_POINTERS* pointers) {
  if (pointers->ExceptionRecord->ExceptionCode != kWineAbort) return EXCEPTION_CONTINUE_SEARCH;
  return on_unhandled(pointers);
}

class WindowsHelperSide final : public HelperSide {
 public:
  explicit WindowsHelperSide(MutableBytes memory) : memory_(memory) {}

  MutableBytes shared() override { return memory_; }

  bool wait() override {
    uint64_t count = 0;
    DWORD size = 0;
    return ::ReadFile(handles.work, &count, sizeof count, &size, nullptr) && size == sizeof count;
  }

  void call_back() override { ring_call_back(); }

  void write_output(std::string_view line) override {
    DWORD done = 0;
    ::WriteFile(handles.output, line.data(),
                static_cast<DWORD>(std::min<size_t>(line.size(), 4096)), &done, nullptr);
  }

  void note_faults(FaultNote& note, void (*more)()) override {
    const bool first = fault_note == nullptr;
    fault_note = &note;
    fault_more = more;
    remember_modules(::GetCurrentThreadId());
    ::SetUnhandledExceptionFilter(on_unhandled);
    if (first) ::AddVectoredExceptionHandler(1, on_first_chance);
  }

 private:
  MutableBytes memory_;
};

}  // namespace

Result<std::unique_ptr<HelperSide>> attach_helper() {
  if (!take_descriptor(kHelperMemoryFd, GENERIC_READ | GENERIC_WRITE, handles.memory) ||
      !take_descriptor(kHelperWorkFd, GENERIC_READ, handles.work) ||
      !take_descriptor(kHelperCallBackFd, GENERIC_WRITE, handles.call_back) ||
      !take_descriptor(kHelperOutputFd, GENERIC_WRITE, handles.output)) {
    return fail(ErrorKind::Invalid, "this is not Wine, or it has no descriptors of a server");
  }
  LARGE_INTEGER size;
  if (!::GetFileSizeEx(handles.memory, &size)) return windows_failure("the shared memory");
  const HANDLE mapping =
      ::CreateFileMappingW(handles.memory, nullptr, PAGE_READWRITE, 0, 0, nullptr);
  if (mapping == nullptr) return windows_failure("sharing memory");
  void* const at = ::MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, 0);
  if (at == nullptr) return windows_failure("mapping the shared memory");
  return std::make_unique<WindowsHelperSide>(
      MutableBytes(static_cast<uint8_t*>(at), static_cast<size_t>(size.QuadPart)));
}

}  // namespace hookline::io
