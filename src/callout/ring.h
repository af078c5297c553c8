// The memory that the server and one helper process share: calls of hooks go one way, answers come
// back in the same places, in order. One protocol for every helper, whatever it is built for: only
// fixed-size integers, and places by offset.
//
// The server writes `submitted` and the questions, the helper `finished` and the answers. Record n
// stands at n modulo kRecords; `submitted` and `finished` count records and wrap around. Whoever is
// about to sleep says so first, looks once more, and only then sleeps; who makes progress wakes
// whom it sees asleep.
//
// The helper can write anywhere here at any time. The server therefore keeps its own copy of what
// it asked, reads each word of an answer once, and believes none of them (ring_client.h).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/limits.h"
#include "callout/host.h"
#include "io/helper_side.h"

namespace hookline::callout::ring {

inline constexpr uint32_t kMagic = 0x484C5232;  // "HLR2"; another layout is another number
inline constexpr uint32_t kRecords = 1024;      // a power of two
static_assert(kRecords >= 2 * kCalloutCallsMax, "a whole run fits beside what is still under way");

struct Question {
  uint8_t hook;
  uint8_t refresh;      // Call::refresh: the packet's bytes stand in the record's area
  uint8_t has_options;  // Call::options is set, and joined_size bytes stand behind the packet's
  uint8_t hardware_size;
  uint32_t slot;
  uint32_t code;
  uint32_t address;
  uint32_t alt_address;
  uint32_t addr_type;
  uint32_t lease_s;
  uint32_t size;
  uint32_t joined_size;
  std::array<uint8_t, 16> hardware;
  ServerOptions options;
};

// The first line of a cache, which is all that most answers are.
struct AnswerHead {
  uint32_t size;  // of the packet, where it was changed
  uint32_t ns;    // that the hook took
  uint8_t process_it;
  uint8_t changed;
  uint8_t context_set;  // NewPkt set a PktContext
  uint8_t breach;       // 0: none; else Breach, plus 1
  uint32_t text_size;   // what describes the breach
};
struct Answer : AnswerHead {
  std::array<char, 112> text;
};

struct alignas(64) Record {
  Question question;
  alignas(64) Answer answer;
};

// A packet's bytes, and the joined options behind them. The last 128 bytes keep neighbours from
// falling on the same lines of a cache.
inline constexpr size_t kAreaBytes = 2 * kPacketBytesMax + 128;

// Most packets are short. Those stand here, close together, on the way to the helper: a record's
// area each would be a page each to find the address of. What comes back changed is in the area.
inline constexpr size_t kBriefBytes = 384;

enum class Stage : uint32_t { Loading, Serving, Failed };

// What came of loading.
struct Outcome {
  uint32_t hooks;  // HookSet
  uint32_t exception;
  uint32_t wine;       // not 0: Wine's helper
  uint32_t text_size;  // Serving: the callout's file; Failed: why
  std::array<char, 1008> text;
};

// Beside FaultNote: the packet that the hook was busy with.
struct FaultPacket {
  uint32_t size;
  std::array<uint8_t, kPacketBytesMax> bytes;
};

struct Header {
  uint32_t magic;
  uint32_t slots;        // of the packet pool
  uint32_t setup_bytes;  // behind the areas: setup.h
  uint32_t spin_ns;      // how long the helper looks for more work before it sleeps
  std::atomic<uint32_t> stopping;
  alignas(64) std::atomic<uint32_t> submitted;
  std::atomic<uint32_t> server_sleeps;
  std::atomic<uint32_t> wanted;  // when this many are finished the server wants to be woken
  alignas(64) std::atomic<uint32_t> finished;
  std::atomic<uint32_t> helper_sleeps;
  std::atomic<uint32_t> stage;  // Stage
  alignas(64) Outcome outcome;
  alignas(64) io::FaultNote fault;
  FaultPacket fault_packet;
};

inline constexpr size_t kRecordsAt = (sizeof(Header) + 4095) / 4096 * 4096;
inline constexpr size_t kBriefAt = kRecordsAt + kRecords * sizeof(Record);
inline constexpr size_t kAreasAt = (kBriefAt + kRecords * kBriefBytes + 4095) / 4096 * 4096;
inline constexpr size_t kSetupAt = kAreasAt + kRecords * kAreaBytes;

static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<uint32_t>) == 4);

// A copy of what the other side may be changing meanwhile, each word read once.
template <class T>
T read_once(const T& shared) {
  static_assert(sizeof(T) % sizeof(uint32_t) == 0 && alignof(T) >= alignof(uint32_t));
  T copy;
  const volatile auto* const from = reinterpret_cast<const volatile uint32_t*>(&shared);
  for (size_t at = 0; at < sizeof copy; at += sizeof *from) {
    const uint32_t word = from[at / sizeof word];
    std::memcpy(reinterpret_cast<uint8_t*>(&copy) + at, &word, sizeof word);
  }
  return copy;
}

// One side's view.
class View {
 public:
  // `memory` is kSetupAt bytes or more, aligned to 64.
  explicit View(uint8_t* memory) : memory_(memory) {}
  Header& header() const { return *reinterpret_cast<Header*>(memory_); }
  Record& record(uint32_t n) const {
    return reinterpret_cast<Record*>(memory_ + kRecordsAt)[n % kRecords];
  }
  // Where the question's packet of `size` bytes stands.
  uint8_t* asked(uint32_t n, uint32_t size) const {
    return size <= kBriefBytes ? memory_ + kBriefAt + n % kRecords * kBriefBytes : packet(n);
  }
  uint8_t* packet(uint32_t n) const { return memory_ + kAreasAt + n % kRecords * kAreaBytes; }
  uint8_t* joined(uint32_t n) const { return packet(n) + kPacketBytesMax; }
  uint8_t* setup() const { return memory_ + kSetupAt; }

 private:
  uint8_t* memory_;
};

}  // namespace hookline::callout::ring
