// libFuzzer: the server's end of the ring against a helper that writes whatever it likes, at any
// moment. Finds answers that get through with a size, flag or count that cannot be, and reads and
// writes outside the calls' own buffers.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/check.h"
#include "callout/ring_client.h"
#include "callout/testing_input.h"

namespace hookline::callout {
namespace {

using testing::Input;

struct Asked {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kPacketBytesMax);
  Call call;
};

// The pages of the ring are mapped once: a run touches few of them.
uint8_t* ring_memory() {
  static uint8_t* const memory = [] {
    constexpr size_t kBytes = ring::kSetupAt + 64;
    static std::vector<uint8_t> bytes(kBytes + 64);
    auto at = reinterpret_cast<uintptr_t>(bytes.data());
    return bytes.data() + (64 - at % 64) % 64;
  }();
  return memory;
}

void check_answer(const Asked& asked) {
  const Call& call = asked.call;
  CHECK(call.buffer == asked.bytes.data(), "the server's own buffer");
  CHECK(call.size <= kPacketBytesMax, "a host answers within bounds");
  CHECK(call.size != 0 || call.hook == Hook::PktSend, "only a reply may be suppressed");
}

// One word of what the helper can write: the counters, an answer, the fault note, or anywhere.
void scribble(Input& input) {
  uint8_t* const memory = ring_memory();
  const uint32_t where = input.number(1);
  const uint32_t what = input.number(4);
  const ring::View view(memory);
  size_t at = reinterpret_cast<uint8_t*>(&view.header().finished) - memory;
  if (where % 8 == 5) {
    const uint32_t last = view.header().submitted - 1 - where / 8 % 4;
    at = reinterpret_cast<uint8_t*>(&view.record(last).question) - memory + input.number(1) % 128;
  } else if (where % 4 == 1) {
    at =
        reinterpret_cast<uint8_t*>(&view.record(where / 4).answer) - memory + input.number(1) % 128;
  } else if (where % 4 == 2) {
    at = reinterpret_cast<uint8_t*>(&view.header().fault) - memory + input.number(1);
  } else if (where % 4 == 3) {
    at = input.number(4) % (ring::kSetupAt - 4);
  }
  std::memcpy(memory + at, &what, sizeof what);
}

// What nobody waits for, as much of it as the input says and there is room for.
void put_many(RingClient& client, uint32_t what, uint32_t count) {
  static std::array<uint8_t, kPacketBytesMax> bytes;
  static const ServerOptions options;
  for (; count != 0 && !client.is_full(); --count) {
    Call call;
    call.hook = static_cast<Hook>(what % kHookCount);
    call.slot = count % 7;
    call.refresh = (what & 8) != 0;
    call.buffer = bytes.data();
    call.size = count * 61 % (kPacketBytesMax + 1);
    if ((what & 16) != 0) {
      call.options = &options;
      call.joined = Bytes(bytes).first(count * 127 % (kPacketBytesMax + 1));
    }
    client.put(call, false);
  }
  client.publish();
}

void put_one(RingClient& client, Asked& asked, uint32_t what, Input& input) {
  Call& call = asked.call;
  call.hook = static_cast<Hook>(what % kHookCount);
  call.slot = what % 7;
  call.buffer = asked.bytes.data();
  call.size = 1 + input.number(2) % kPacketBytesMax;
  const bool answered = call.hook == Hook::NewPkt || call.hook == Hook::PktSend;
  client.put(call, answered);
  client.publish();
}

// False: the host ends such a helper.
bool take_all(RingClient& client) {
  const auto done = client.finished();
  if (!done) return false;
  while (client.taken() != *done) {
    if (!client.take()) return false;
  }
  return true;
}

void use_ring(Input& input) {
  std::memset(ring_memory(), 0, ring::kBriefAt);
  const auto client = std::make_unique<RingClient>(ring_memory());
  ring::Header& header = ring::View(ring_memory()).header();
  std::vector<std::unique_ptr<Asked>> asked;
  while (!input.at_end()) {
    const uint32_t what = input.number(1);
    if (what % 8 == 0 && !client->is_full() && asked.size() < 64) {
      asked.push_back(std::make_unique<Asked>());
      put_one(*client, *asked.back(), what / 8, input);
    } else if (what % 8 == 1) {
      if (!take_all(*client)) return;
    } else if (what % 8 == 2) {
      put_many(*client, what / 8, input.number(2));
    } else if (what % 8 == 3) {
      header.finished = header.submitted - what / 8;  // nearly all of it
    } else {
      scribble(input);
    }
    client->current();
    client->packet_of(client->next() - 1 - what % 3);
    client->prepare_sleep(client->next());
    client->end_sleep();
    fault_place(header);
    for (const auto& one : asked) check_answer(*one);
    CHECK(client->next() - client->taken() <= ring::kRecords, "no more than there is room for");
  }
  while (client->give_up_one()) {
  }
}

}  // namespace
}  // namespace hookline::callout

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hookline::callout::Input input({data, size});
  hookline::callout::use_ring(input);
  return 0;
}
