#include "io/windows/event_log.h"

#include <windows.h>

#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "base/utf16.h"

namespace hookline::io {

namespace {

constexpr DWORD kPrint = 0x40010006, kPrintWide = 0x4001000A;

struct EventLog {
  EventSink sink;
  std::mutex mutex;
  std::map<uintptr_t, std::string> sources;  // by handle
  uintptr_t last = 0;
};
EventLog* event_log = nullptr;  // what the replaced functions have instead of an object

std::string narrow(const wchar_t* text) {
  if (text == nullptr) return {};
  return to_utf8(reinterpret_cast<const char16_t*>(text)).value_or("?");
}

// From the code page of this process.
std::string narrow(const char* text) {
  if (text == nullptr) return {};
  const int size = ::MultiByteToWideChar(CP_ACP, 0, text, -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(size > 0 ? size : 1), L'\0');
  ::MultiByteToWideChar(CP_ACP, 0, text, -1, wide.data(), size);
  return narrow(wide.c_str());
}

HANDLE add_source(std::string name) {
  const std::scoped_lock lock(event_log->mutex);
  event_log->last += 4;
  event_log->sources[event_log->last] = std::move(name);
  return reinterpret_cast<HANDLE>(event_log->last);
}

template <class Char>
BOOL report(HANDLE handle, WORD type, DWORD event_id, WORD count, const Char** strings) {
  std::string source;
  {
    const std::scoped_lock lock(event_log->mutex);
    const auto found = event_log->sources.find(reinterpret_cast<uintptr_t>(handle));
    if (found == event_log->sources.end()) {
      ::SetLastError(ERROR_INVALID_HANDLE);
      return FALSE;
    }
    source = found->second;
  }
  std::string text;
  for (WORD i = 0; i < count; ++i) text += (i == 0 ? "" : "; ") + narrow(strings[i]);
  event_log->sink(type == EVENTLOG_SUCCESS ? EVENTLOG_INFORMATION_TYPE : type, source, event_id,
                  text.substr(0, text.find_first_of("\r\n")));
  return TRUE;
}

HANDLE WINAPI register_source_a(LPCSTR, LPCSTR source) { return add_source(narrow(source)); }
HANDLE WINAPI register_source_w(LPCWSTR, LPCWSTR source) { return add_source(narrow(source)); }

BOOL WINAPI deregister_source(HANDLE handle) {
  const std::scoped_lock lock(event_log->mutex);
  if (event_log->sources.erase(reinterpret_cast<uintptr_t>(handle)) != 0) return TRUE;
  ::SetLastError(ERROR_INVALID_HANDLE);
  return FALSE;
}

BOOL WINAPI report_a(HANDLE log, WORD type, WORD, DWORD event_id, PSID, WORD count, DWORD,
                     LPCSTR* strings, LPVOID) {
  return report(log, type, event_id, count, strings);
}

BOOL WINAPI report_w(HANDLE log, WORD type, WORD, DWORD event_id, PSID, WORD count, DWORD,
                     LPCWSTR* strings, LPVOID) {
  return report(log, type, event_id, count, strings);
}

// jmp *0(%rip), and behind it where to.
void replace(HMODULE module, const char* name, void* with) {
  void* const at = reinterpret_cast<void*>(::GetProcAddress(module, name));
  std::array<uint8_t, 14> jump = {0xFF, 0x25, 0, 0, 0, 0};
  DWORD before = 0;
  std::memcpy(jump.data() + 6, &with, sizeof with);
  if (at == nullptr || std::memcmp(at, jump.data(), jump.size()) == 0) return;
  if (!::VirtualProtect(at, jump.size(), PAGE_EXECUTE_READWRITE, &before)) return;
  std::memcpy(at, jump.data(), jump.size());
  ::VirtualProtect(at, jump.size(), before, &before);
  ::FlushInstructionCache(::GetCurrentProcess(), at, jump.size());
}

LONG CALLBACK on_debug_text(EXCEPTION_POINTERS* pointers) {
  const EXCEPTION_RECORD& record = *pointers->ExceptionRecord;
  const bool is_wide = record.ExceptionCode == kPrintWide;
  if (!is_wide && record.ExceptionCode != kPrint) return EXCEPTION_CONTINUE_SEARCH;
  if (record.NumberParameters < 2) return EXCEPTION_CONTINUE_SEARCH;
  const auto* const at = reinterpret_cast<const char*>(record.ExceptionInformation[1]);
  const std::string text = is_wide ? narrow(reinterpret_cast<const wchar_t*>(at)) : narrow(at);
  event_log->sink(kDebugText, "debug", 0, text.substr(0, text.find_first_of("\r\n")));
  return EXCEPTION_CONTINUE_EXECUTION;
}

template <class Function>
void* address_of(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void take_events(EventSink sink) {
  static EventLog log;
  log.sink = std::move(sink);
  event_log = &log;
  ::AddVectoredExceptionHandler(0, on_debug_text);
}

void redirect_events() {
  const HMODULE module = ::GetModuleHandleW(L"advapi32.dll");
  if (module == nullptr || event_log == nullptr) return;
  replace(module, "RegisterEventSourceA", address_of(register_source_a));
  replace(module, "RegisterEventSourceW", address_of(register_source_w));
  replace(module, "DeregisterEventSource", address_of(deregister_source));
  replace(module, "ReportEventA", address_of(report_a));
  replace(module, "ReportEventW", address_of(report_w));
}

}  // namespace hookline::io
