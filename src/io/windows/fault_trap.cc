#include "io/windows/fault_trap.h"

#include <fmt/core.h>
#include <malloc.h>
#include <windows.h>

#include "io/exception.h"
#include "io/windows/faults.h"

// A scope of structured exceptions, for which this compiler has no words. It calls
// function(argument); 0: it returned, 1: hookline_trap_filter() said that it ends here.
extern "C" int hookline_trap_call(void (*function)(void*), void* argument);
extern "C" LONG hookline_trap_filter(EXCEPTION_POINTERS* pointers, void* frame);

asm(R"(
  .text
  .globl hookline_trap_call
  .def hookline_trap_call; .scl 2; .type 32; .endef
  .seh_proc hookline_trap_call
hookline_trap_call:
  pushq %rbp
  .seh_pushreg %rbp
  subq $32, %rsp
  .seh_stackalloc 32
  .seh_endprologue
.Ltrap_begin:
  movq %rcx, %rax
  movq %rdx, %rcx
  call *%rax
  nop
.Ltrap_end:
  xorl %eax, %eax
  jmp .Ltrap_out
.Ltrap_fault:
  movl $1, %eax
.Ltrap_out:
  addq $32, %rsp
  popq %rbp
  ret
  .seh_handler __C_specific_handler, @except
  .seh_handlerdata
  .long 1
  .rva .Ltrap_begin, .Ltrap_end, hookline_trap_filter, .Ltrap_fault
  .text
  .seh_endproc
)");

namespace hookline::io {

namespace {

constexpr DWORD kGnuThrow = 0x20474343;
constexpr DWORD kThreadName = 0x406D1388;
constexpr DWORD kPrint = 0x40010006, kPrintWide = 0x4001000A;
constexpr DWORD kWineStub = 0x80000100;

// What the filter saw. Not by thread: a variable of a thread is allocated when it is first used.
struct Caught {
  Fault fault;
  const char* stub_dll = nullptr;
  const char* stub_name = nullptr;
};
Caught caught;

std::string words() {
  const Fault& fault = caught.fault;
  std::string text = exception_text(fault.signal);
  if (caught.stub_dll != nullptr) return text + ": " + caught.stub_dll + "." + caught.stub_name;
  if (fault.signal == EXCEPTION_ACCESS_VIOLATION) {
    text += fmt::format(": address 0x{:x}", fault.address);
  }
  if (fault.module_size == 0) return text + fmt::format(", at 0x{:x}", fault.code_address);
  return text + fmt::format(", at {}+0x{:x}",
                            std::string_view(fault.module.data(), fault.module_size),
                            fault.module_offset);
}

}  // namespace

bool WindowsFaultTrap::run(void (*function)(void*), void* argument, std::string& what) {
  if (hookline_trap_call(function, argument) == 0) return true;
  // Windows leaves room to get here, Debian's Wine does not: there it is the end of the process.
  // The page that was hit is a guard no longer.
  if (caught.fault.signal == EXCEPTION_STACK_OVERFLOW) ::_resetstkoflw();
  what = words();
  return false;
}

}  // namespace hookline::io

LONG hookline_trap_filter(EXCEPTION_POINTERS* pointers, void*) {
  using namespace hookline::io;
  const EXCEPTION_RECORD& record = *pointers->ExceptionRecord;
  switch (record.ExceptionCode) {
    case kGnuThrow:
      return EXCEPTION_CONTINUE_SEARCH;
    case kThreadName:
    case kPrint:
    case kPrintWide:
      return EXCEPTION_CONTINUE_EXECUTION;
    default:
      break;
  }
  caught = {};
  describe_fault(record, caught.fault);
  if (record.ExceptionCode == kWineStub && record.NumberParameters >= 2) {
    caught.stub_dll = reinterpret_cast<const char*>(record.ExceptionInformation[0]);
    const ULONG_PTR name = record.ExceptionInformation[1];
    caught.stub_name = name >> 16 == 0 ? "(by number)" : reinterpret_cast<const char*>(name);
  }
  return EXCEPTION_EXECUTE_HANDLER;
}
