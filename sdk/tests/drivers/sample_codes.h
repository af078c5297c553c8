// The control codes of sample.c as the host's side knows them.

#pragma once

#include <cstdint>

namespace sdk {

constexpr uint32_t sample_code(uint32_t function, uint32_t method) {
  return 0x8000U << 16 | function << 2 | method;
}
constexpr uint32_t kSampleCount = sample_code(0x800, 0);
constexpr uint32_t kSampleEcho = sample_code(0x801, 0);
constexpr uint32_t kSampleLater = sample_code(0x802, 0);
constexpr uint32_t kSampleNever = sample_code(0x803, 0);
constexpr uint32_t kSampleTwice = sample_code(0x805, 0);
constexpr uint32_t kSampleTooMuch = sample_code(0x806, 0);
constexpr uint32_t kSampleParameters = sample_code(0x804, 2);

}  // namespace sdk
