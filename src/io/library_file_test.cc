#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "io/library.h"

namespace hookline::io {
namespace {

using File = std::vector<uint8_t>;

void put(File& file, size_t at, uint64_t value, size_t bytes) {
  if (file.size() < at + bytes) file.resize(at + bytes);
  for (size_t i = 0; i < bytes; ++i) file[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

// A shared library with one segment of 200 bytes, for x86-64.
File elf() {
  File file = {0x7F, 'E', 'L', 'F', 2, 1, 1};
  put(file, 16, 3, 2);
#if defined(__x86_64__)
  put(file, 18, 62, 2);
#else
  put(file, 18, 183, 2);
#endif
  put(file, 32, 64, 8);     // program headers
  put(file, 54, 56, 2);     // of this size
  put(file, 56, 1, 2);      // so many
  put(file, 64, 1, 4);      // PT_LOAD
  put(file, 64 + 8, 0, 8);  // from the beginning
  put(file, 64 + 32, 200, 8);
  file.resize(200);
  return file;
}

File pe(uint16_t machine, uint16_t magic, bool managed) {
  File file = {'M', 'Z'};
  put(file, 0x3C, 0x80, 4);
  put(file, 0x80, 0x4550, 4);
  put(file, 0x84, machine, 2);
  put(file, 0x80 + 22, 0x2000, 2);
  put(file, 0x80 + 24, magic, 2);
  put(file, 0x80 + 24 + (magic == 0x20B ? 112 : 96) + 14 * 8, managed ? 0x2008 : 0, 8);
  return file;
}

std::string why(const File& file) {
  return why_no_library(file, file.size()).value_or("a library");
}

TEST(LibraryFileTest, ALibraryOfThisMachine) { EXPECT_EQ(why(elf()), "a library"); }

TEST(LibraryFileTest, OtherMachines) {
  File file = elf();
  put(file, 18, 40, 2);
  put(file, 4, 1, 1);
  EXPECT_NE(why(file).find("a 32-bit library for ARM; this server needs 64-bit"),
            std::string::npos);
  put(file, 18, 9999, 2);
  EXPECT_NE(why(file).find("for machine 9999"), std::string::npos);
  put(file, 5, 2, 1);
  EXPECT_NE(why(file).find("big-endian"), std::string::npos);
}

TEST(LibraryFileTest, NoSharedLibrary) {
  File file = elf();
  put(file, 16, 1, 2);
  EXPECT_NE(why(file).find("-shared"), std::string::npos);
}

TEST(LibraryFileTest, CutOff) {
  const File whole = elf();
  for (size_t size = 4; size < whole.size(); ++size) {
    EXPECT_EQ(why(File(whole.begin(), whole.begin() + size)), "a library that was cut off") << size;
  }
  File file = elf();
  put(file, 64 + 8, UINT64_MAX, 8);
  EXPECT_EQ(why(file), "a library that was cut off");
  file = elf();
  put(file, 32, UINT64_MAX - 8, 8);
  EXPECT_EQ(why(file), "a library that was cut off");
}

TEST(LibraryFileTest, WindowsFiles) {
  EXPECT_TRUE(
      why(pe(0x8664, 0x20B, false)).starts_with("a x86-64 Windows DLL, not a Linux library"));
  EXPECT_TRUE(why(pe(0x14C, 0x10B, false)).starts_with("a 32-bit Windows DLL"));
  EXPECT_TRUE(why(pe(0x14C, 0x10B, true)).starts_with("a managed (.NET) 32-bit Windows DLL"));
  EXPECT_NE(why(pe(0x8664, 0x20B, false)).find("hookline-cc"), std::string::npos);
  EXPECT_EQ(why({'M', 'Z'}), "a DOS program");
}

TEST(LibraryFileTest, SomethingElse) {
  EXPECT_EQ(why({}), "an empty file");
  EXPECT_EQ(why({'a', ' ', 't', 'e', 'x', 't', '\n'}),
            "not a library: it begins with the text \"a text \"");
  EXPECT_EQ(why({0, 1, 2}), "not a library: it begins with the bytes 00 01 02");
}

// Whatever a file holds, looking at it is safe.
RC_GTEST_PROP(LibraryFileTest, AnyBytes, (File file, bool windows)) {
  File start = windows ? pe(0x8664, 0x20B, false) : elf();
  for (size_t i = 0; i + 1 < file.size(); i += 2) start[file[i] % start.size()] = file[i + 1];
  (void)why_no_library(start, start.size());
  (void)why_no_library(file, file.size());
}

}  // namespace
}  // namespace hookline::io
