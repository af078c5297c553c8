// Windows files, made here byte by byte, whole and broken.
#include "io/pe_file.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

namespace hookline::io {
namespace {

// A DLL for x86-64: one section, at the same place in the file and in memory. It imports
// KERNEL32.dll (Sleep, number 7), dhcpsapi.dll (DhcpEnumSubnets) and, delayed, WLDAP32.dll
// (ldap_init); it exports DhcpServerCalloutEntry, its number 3.
class Maker {
 public:
  Maker() : bytes(0x1000, 0) {
    put(0, 0x5A4D, 2);
    put(0x3C, 0x80, 4);
    put(0x80, 0x4550, 4);
    put(0x84, 0x8664, 2);
    put(0x86, 1, 2);
    put(0x94, 240, 2);
    put(0x96, 0x2000, 2);
    put(0x98, 0x20B, 2);
    put(0x98 + 108, 16, 4);
    put(kDirectories + 0 * 8, 0x800, 4);
    put(kDirectories + 1 * 8, 0x400, 4);
    put(kDirectories + 13 * 8, 0x600, 4);
    put(kSection + 8, 0xC00, 4);
    put(kSection + 12, 0x400, 4);
    put(kSection + 16, 0xC00, 4);
    put(kSection + 20, 0x400, 4);
    import(0x400, 0x480, 0x500);
    import(0x414, 0x4A0, 0x520);
    text(0x500, "KERNEL32.dll");
    text(0x520, "dhcpsapi.dll");
    put(0x480, 0x540, 8);
    put(0x488, uint64_t{1} << 63 | 7, 8);
    text(0x542, "Sleep");
    put(0x4A0, 0x560, 8);
    text(0x562, "DhcpEnumSubnets");
    put(0x604, 0x680, 4);
    put(0x610, 0x6C0, 4);
    text(0x680, "WLDAP32.dll");
    put(0x6C0, 0x6E0, 8);
    text(0x6E2, "ldap_init");
    put(0x800 + 16, 3, 4);
    put(0x800 + 20, 1, 4);
    put(0x800 + 24, 1, 4);
    put(0x800 + 28, 0x840, 4);
    put(0x800 + 32, 0x850, 4);
    put(0x840, 0x900, 4);
    put(0x850, 0x860, 4);
    text(0x860, "DhcpServerCalloutEntry");
  }
  void put(size_t at, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
  }
  void text(size_t at, const char* value) {
    std::strcpy(reinterpret_cast<char*>(&bytes[at]), value);
  }
  void import(size_t at, uint32_t thunks, uint32_t name) {
    put(at, thunks, 4);
    put(at + 12, name, 4);
    put(at + 16, thunks, 4);
  }
  std::string why() const {
    const auto file = read_pe(bytes);
    if (!file) return file.error().text;
    return why_no_callout_dll(*file).value_or("");
  }

  static constexpr size_t kDirectories = 0x98 + 112, kSection = 0x98 + 240;
  std::vector<uint8_t> bytes;
};

TEST(PeFileTest, AWholeOne) {
  const auto file = read_pe(Maker().bytes);
  ASSERT_TRUE(file.has_value()) << file.error().text;
  EXPECT_EQ(file->machine, 0x8664);
  EXPECT_TRUE(file->is_dll);
  EXPECT_TRUE(file->is_64_bit);
  EXPECT_FALSE(file->is_managed);
  ASSERT_EQ(file->imports.size(), 3u);
  EXPECT_EQ(file->imports[0].dll, "KERNEL32.dll");
  EXPECT_EQ(file->imports[0].functions, (std::vector<std::string>{"Sleep", "#7"}));
  EXPECT_EQ(file->imports[2].dll, "WLDAP32.dll");
  EXPECT_TRUE(file->imports[2].delayed);
  EXPECT_EQ(file->exports.count("DhcpServerCalloutEntry"), 1u);
  EXPECT_EQ(file->exports.count("#3"), 1u);
  EXPECT_EQ(why_no_callout_dll(*file), std::nullopt);
}

TEST(PeFileTest, WhatCannotBeLoadedIsNamed) {
  Maker small;
  small.put(0x84, 0x14C, 2);
  small.put(0x98, 0x10B, 2);
  EXPECT_NE(small.why().find("32-bit"), std::string::npos);
  Maker arm;
  arm.put(0x84, 0xAA64, 2);
  EXPECT_NE(arm.why().find("ARM64"), std::string::npos);
  Maker managed;
  managed.put(Maker::kDirectories + 14 * 8, 0x700, 4);
  EXPECT_NE(managed.why().find(".NET"), std::string::npos);
  Maker program;
  program.put(0x96, 0, 2);
  EXPECT_NE(program.why().find("not a DLL"), std::string::npos);
  Maker text;
  text.put(0, 0x2321, 2);
  EXPECT_NE(text.why().find("not a Windows DLL"), std::string::npos);
  Maker dos;
  dos.put(0x80, 0, 4);
  EXPECT_NE(dos.why().find("DOS"), std::string::npos);
}

TEST(PeFileTest, WhatCannotBeMet) {
  const auto file = read_pe(Maker().bytes);
  ASSERT_TRUE(file.has_value());
  const std::unordered_set<std::string> kernel = {"Sleep"};
  const auto unmet = unmet_imports(
      *file, [&](const std::string& dll) { return dll == "kernel32.dll" ? &kernel : nullptr; });
  std::vector<std::string> texts;
  for (const PeUnmet& one : unmet) texts.push_back(one.text());
  EXPECT_EQ(texts, (std::vector<std::string>{"KERNEL32.dll: #7", "dhcpsapi.dll",
                                             "WLDAP32.dll (when it first uses it)"}));
}

TEST(PeFileTest, ASetOfFunctionsIsTheSystems) {
  Maker maker;
  maker.text(0x520, "api-ms-win-crt-runtime-l1-1-0.dll");
  const auto file = read_pe(maker.bytes);
  ASSERT_TRUE(file.has_value());
  const std::unordered_set<std::string> all = {"Sleep", "#7"};
  EXPECT_EQ(
      unmet_imports(*file,
                    [&](const std::string& dll) { return dll == "kernel32.dll" ? &all : nullptr; })
          .size(),
      1u);
}

TEST(PeFileTest, BrokenOnesAreRefused) {
  const auto refused = [](size_t at, uint64_t value, size_t size) {
    Maker maker;
    maker.put(at, value, size);
    const auto file = read_pe(maker.bytes);
    return !file && file.error().text.find("broken") != std::string::npos;
  };
  EXPECT_TRUE(refused(0x3C, 0xFFFFFFFF, 4));
  EXPECT_TRUE(refused(Maker::kDirectories + 8, 0xFFFFFFF0, 4));
  EXPECT_TRUE(refused(0x400, 0xFFFFFFF0, 4) || refused(0x410, 0xFFFFFFF0, 4));
  EXPECT_TRUE(refused(0x480, 0xFFFF, 8));
  EXPECT_TRUE(refused(0x86, 97, 2));
  EXPECT_TRUE(refused(0x800 + 20, 65'537, 4)) << kPeNamesMax;
  EXPECT_TRUE(refused(0x40C, 0x3FF, 4));
  // A name without an end.
  Maker endless;
  std::fill(endless.bytes.begin() + 0x860, endless.bytes.end(), 'a');
  EXPECT_FALSE(read_pe(endless.bytes).has_value()) << kPeNameBytesMax;
}

TEST(PeFileTest, TooManyDllsAreRefused) {
  const auto imports = [](size_t count) {
    Maker maker;
    maker.bytes.resize(0x1000 + 20 * (count + 1), 0);
    maker.put(Maker::kSection + 16, maker.bytes.size() - 0x400, 4);
    for (size_t i = 0; i < count; ++i) maker.import(0x1000 + i * 20, 0xFF0, 0x500);
    maker.put(Maker::kDirectories + 8, 0x1000, 4);
    return read_pe(maker.bytes);
  };
  EXPECT_TRUE(imports(kPeDllsMax - 1).has_value());
  EXPECT_FALSE(imports(kPeDllsMax + 1).has_value());
}

RC_GTEST_PROP(PeFileTest, NoBytesHurt, ()) {
  Maker maker;
  const auto changes = *rc::gen::inRange(1, 20);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<size_t>(0, maker.bytes.size());
    maker.bytes[at] = *rc::gen::arbitrary<uint8_t>();
  }
  maker.bytes.resize(*rc::gen::inRange<size_t>(0, maker.bytes.size() + 1));
  const auto file = read_pe(maker.bytes);
  if (file) {
    RC_ASSERT(file->imports.size() <= kPeDllsMax);
    RC_ASSERT(file->exports.size() <= 2 * kPeNamesMax);
  }
}

}  // namespace
}  // namespace hookline::io
