// What a file is, by its headers (the ELF specification; Microsoft's PE format).
#include <fmt/core.h>

#include <algorithm>

#include "io/library.h"

namespace hookline::io {

namespace {

constexpr size_t kElfHeaderBytes = 64;
constexpr size_t kSegmentBytes = 56;  // of a 64-bit program header
constexpr uint16_t kSharedObject = 3;
constexpr uint32_t kSegmentLoad = 1;
constexpr size_t kShownBytesMax = 16;

struct Machine {
  uint16_t elf;
  std::string_view name;
};

constexpr Machine kMachines[] = {
    {3, "i386"}, {8, "MIPS"},    {20, "PowerPC"}, {21, "ppc64"},   {22, "s390x"},
    {40, "ARM"}, {62, "x86-64"}, {183, "arm64"},  {243, "RISC-V"}, {258, "LoongArch"}};

#if defined(__x86_64__)
constexpr uint16_t kThisMachine = 62;
#elif defined(__aarch64__)
constexpr uint16_t kThisMachine = 183;
#else
#error "name this machine's number in ELF"
#endif

uint64_t little(Bytes bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i > 0; --i) value = value << 8 | bytes[at + i - 1];
  return value;
}

std::string machine_name(uint16_t machine) {
  for (const Machine& known : kMachines) {
    if (known.elf == machine) return std::string(known.name);
  }
  return fmt::format("machine {}", machine);
}

std::string what_it_begins_with(Bytes head) {
  std::string shown;
  const auto is_text = [](uint8_t c) { return (c >= 32 && c < 127) || c == '\n' || c == '\t'; };
  const Bytes first = head.first(std::min(head.size(), kShownBytesMax));
  if (!std::all_of(first.begin(), first.end(), is_text)) return "the bytes " + to_hex(first, ' ');
  for (const uint8_t c : first) shown += c < 32 ? ' ' : static_cast<char>(c);
  return "the text \"" + shown + "\"";
}

std::string describe_pe(Bytes head) {
  const std::string_view next = "host = \"wine\" runs it, or compile its source with hookline-cc";
  if (head.size() < 0x40) return "a DOS program";
  const uint64_t at = little(head, 0x3C, 4);
  if (at > head.size() || head.size() - at < 26 || little(head, at, 4) != 0x4550) {
    // The header may lie further on; the magic number alone says enough.
    return fmt::format("a DOS or Windows program, not a Linux library: {}", next);
  }
  const uint64_t machine = little(head, at + 4, 2);
  const bool dll = (little(head, at + 22, 2) & 0x2000) != 0;
  const std::string_view kind = machine == 0x8664   ? "x86-64"
                                : machine == 0x14C  ? "32-bit"
                                : machine == 0xAA64 ? "arm64"
                                                    : "foreign";
  // The optional header's 15th data directory is that of .NET.
  const uint64_t directories = at + 24 + (little(head, at + 24, 2) == 0x20B ? 112 : 96);
  const bool managed =
      head.size() >= directories + 15 * 8 && little(head, directories + 14 * 8, 4) != 0;
  return fmt::format("a {}{} Windows {}, not a Linux library: {}", managed ? "managed (.NET) " : "",
                     kind, dll ? "DLL" : "program", next);
}

// Every segment lies in the file.
bool is_whole(Bytes head, uint64_t size) {
  const uint64_t table = little(head, 32, 8);
  const uint64_t count = little(head, 56, 2);
  if (little(head, 54, 2) != kSegmentBytes || count == 0) return false;
  if (table > head.size() || count * kSegmentBytes > head.size() - table) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t segment = table + i * kSegmentBytes;
    if (little(head, segment, 4) != kSegmentLoad) continue;
    const uint64_t offset = little(head, segment + 8, 8);
    const uint64_t bytes = little(head, segment + 32, 8);
    if (offset > size || bytes > size - offset) return false;
  }
  return true;
}

std::optional<std::string> why_no_elf_library(Bytes head, uint64_t size) {
  if (head.size() < 20) return "a library that was cut off";
  if (head[5] != 1) return "a library for a big-endian machine, not for this one";
  const auto machine = static_cast<uint16_t>(little(head, 18, 2));
  if (head[4] != 2 || machine != kThisMachine) {
    return fmt::format("a {}-bit library for {}; this server needs 64-bit {}",
                       head[4] == 1 ? 32 : 64, machine_name(machine), machine_name(kThisMachine));
  }
  if (little(head, 16, 2) != kSharedObject) {
    return "an object file or program, not a shared library: link it with -shared";
  }
  if (head.size() < kElfHeaderBytes || !is_whole(head, size)) return "a library that was cut off";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> why_no_library(Bytes head, uint64_t size) {
  const std::string_view text = as_text(head);
  if (head.empty()) return "an empty file";
  if (text.starts_with("\177ELF")) return why_no_elf_library(head, size);
  if (text.starts_with("MZ")) return describe_pe(head);
  return "not a library: it begins with " + what_it_begins_with(head);
}

}  // namespace hookline::io
