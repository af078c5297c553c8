#include "io/windows/faults.h"

#include <winternl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "base/utf16.h"

namespace hookline::io {

namespace {

constexpr size_t kModulesMax = 128;

struct Module {
  uint64_t begin = 0, end = 0;
  std::array<char, sizeof Fault::module> name{};
  uint32_t name_size = 0;
};

std::array<Module, kModulesMax> modules;
size_t module_count = 0;
DWORD hook_thread = 0;

}  // namespace

// Not by EnumProcessModules(): Wine does that through another process, which may not look in here.
void remember_modules(DWORD thread) {
  hook_thread = thread;
  module_count = 0;
  const LIST_ENTRY& list = ::NtCurrentTeb()->ProcessEnvironmentBlock->Ldr->InMemoryOrderModuleList;
  for (const LIST_ENTRY* at = list.Flink; at != &list && module_count < kModulesMax;
       at = at->Flink) {
    const auto& entry = *CONTAINING_RECORD(at, LDR_DATA_TABLE_ENTRY, InMemoryOrderLinks);
    const auto* const base = static_cast<const uint8_t*>(entry.DllBase);
    const auto& dos = *reinterpret_cast<const IMAGE_DOS_HEADER*>(base);
    const auto& headers = *reinterpret_cast<const IMAGE_NT_HEADERS*>(base + dos.e_lfanew);
    Module& module = modules[module_count++];
    module = {};
    module.begin = reinterpret_cast<uint64_t>(base);
    module.end = module.begin + headers.OptionalHeader.SizeOfImage;
    const std::u16string_view path(reinterpret_cast<const char16_t*>(entry.FullDllName.Buffer),
                                   entry.FullDllName.Length / sizeof(char16_t));
    const size_t slash = path.rfind(u'\\');
    const std::string name =
        to_utf8(slash == std::u16string_view::npos ? path : path.substr(slash + 1)).value_or("?");
    module.name_size = static_cast<uint32_t>(std::min(name.size(), module.name.size()));
    std::copy_n(name.begin(), module.name_size, module.name.begin());
  }
}

void describe_fault(const EXCEPTION_RECORD& record, Fault& out) {
  out = {};
  out.signal = record.ExceptionCode;
  const bool touched = record.ExceptionCode == EXCEPTION_ACCESS_VIOLATION ||
                       record.ExceptionCode == EXCEPTION_IN_PAGE_ERROR;
  if (touched && record.NumberParameters >= 2) out.address = record.ExceptionInformation[1];
  out.code_address = reinterpret_cast<uint64_t>(record.ExceptionAddress);
  out.other_thread = ::GetCurrentThreadId() != hook_thread;
  for (size_t i = 0; i < module_count; ++i) {
    const Module& module = modules[i];
    if (out.code_address < module.begin || out.code_address >= module.end) continue;
    out.module_offset = out.code_address - module.begin;
    std::memcpy(out.module.data(), module.name.data(), module.name_size);
    out.module_size = module.name_size;
  }
}

}  // namespace hookline::io
