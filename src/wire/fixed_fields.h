// Where the fields of a message stand: RFC 2131 section 2, figure 1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace hookline::wire {

inline constexpr size_t kOpAt = 0;
inline constexpr size_t kHtypeAt = 1;
inline constexpr size_t kHlenAt = 2;
inline constexpr size_t kHopsAt = 3;
inline constexpr size_t kXidAt = 4;
inline constexpr size_t kSecsAt = 8;
inline constexpr size_t kFlagsAt = 10;
inline constexpr size_t kCiaddrAt = 12;
inline constexpr size_t kYiaddrAt = 16;
inline constexpr size_t kSiaddrAt = 20;
inline constexpr size_t kGiaddrAt = 24;
inline constexpr size_t kChaddrAt = 28;
inline constexpr size_t kChaddrBytes = 16;
inline constexpr size_t kSnameAt = 44;
inline constexpr size_t kSnameBytes = 64;
inline constexpr size_t kFileAt = 108;
inline constexpr size_t kFileBytes = 128;
inline constexpr size_t kCookieAt = 236;
inline constexpr size_t kOptionsAt = 240;
static_assert(kFileAt + kFileBytes == kCookieAt);
static_assert(kCookieAt == kBootpFixedBytes && kOptionsAt == kDhcpHeaderBytes);

inline constexpr uint8_t kBootRequest = 1;
inline constexpr uint8_t kBootReply = 2;
inline constexpr uint32_t kMagicCookie = 0x63825363;
inline constexpr uint16_t kBroadcastFlag = 0x8000;

// Option overload, RFC 2132 section 9.3: which fields hold options.
inline constexpr uint8_t kOverloadFile = 1;
inline constexpr uint8_t kOverloadSname = 2;

}  // namespace hookline::wire
