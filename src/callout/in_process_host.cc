#include "callout/in_process_host.h"

#include <cstring>
#include <exception>
#include <utility>

#include "base/check.h"
#include "base/time.h"

namespace hookline::callout {

namespace {

static_assert(static_cast<uint32_t>(Control::Start) == DHCP_CONTROL_START);
static_assert(static_cast<uint32_t>(Control::Stop) == DHCP_CONTROL_STOP);
static_assert(static_cast<uint32_t>(Control::Pause) == DHCP_CONTROL_PAUSE);
static_assert(static_cast<uint32_t>(Control::Continue) == DHCP_CONTROL_CONTINUE);
static_assert(static_cast<uint32_t>(Prob::Conflict) == DHCP_PROB_CONFLICT);
static_assert(static_cast<uint32_t>(Prob::Decline) == DHCP_PROB_DECLINE);
static_assert(static_cast<uint32_t>(Prob::Release) == DHCP_PROB_RELEASE);
static_assert(static_cast<uint32_t>(Prob::Nacked) == DHCP_PROB_NACKED);
static_assert(kDropProcessed == DHCP_DROP_PROCESSED && kSendPacket == DHCP_SEND_PACKET);
static_assert(kGiveAddressNew == DHCP_GIVE_ADDRESS_NEW && kGiveAddressOld == DHCP_GIVE_ADDRESS_OLD);
static_assert(kClientBootp == DHCP_CLIENT_BOOTP && kClientDhcp == DHCP_CLIENT_DHCP);

// In front of, between and behind the buffers of a slot: what a callout must not touch.
constexpr size_t kGuardBytes = 64;
constexpr uint8_t kGuardByte = 0xA5;
constexpr uint64_t kGuardWord = 0xA5A5A5A5A5A5A5A5;
constexpr std::array<uint8_t, kGuardBytes> kGuard = [] {
  std::array<uint8_t, kGuardBytes> guard{};
  guard.fill(kGuardByte);
  return guard;
}();
constexpr size_t kRequestAt = kGuardBytes;
constexpr size_t kReplyAt = kRequestAt + kPacketBytesMax + kGuardBytes;
constexpr size_t kJoinedAt = kReplyAt + kPacketBytesMax + kGuardBytes;
constexpr size_t kSlotBytes = kJoinedAt + kPacketBytesMax;

void lay_guards(uint8_t* slot) {
  std::memcpy(slot, kGuard.data(), kGuardBytes);
  std::memcpy(slot + kReplyAt - kGuardBytes, kGuard.data(), kGuardBytes);
  std::memcpy(slot + kJoinedAt - kGuardBytes, kGuard.data(), kGuardBytes);
}

bool is_guard(const uint8_t* at) {
  std::array<uint64_t, 2> words;
  std::memcpy(words.data(), at, sizeof words);
  return words[0] == kGuardWord && words[1] == kGuardWord;
}

HookSet hooks_of(const DHCP_CALLOUT_TABLE& table) {
  HookSet set = 0;
  const auto add = [&](Hook hook, bool is_set) {
    if (is_set) set = static_cast<HookSet>(set | hook_bit(hook));
  };
  add(Hook::Control, table.DhcpControlHook != nullptr);
  add(Hook::NewPkt, table.DhcpNewPktHook != nullptr);
  add(Hook::PktDrop, table.DhcpPktDropHook != nullptr);
  add(Hook::PktSend, table.DhcpPktSendHook != nullptr);
  add(Hook::AddressDel, table.DhcpAddressDelHook != nullptr);
  add(Hook::AddressOffer, table.DhcpAddressOfferHook != nullptr);
  add(Hook::HandleOptions, table.DhcpHandleOptionsHook != nullptr);
  add(Hook::DeleteClient, table.DhcpDeleteClientHook != nullptr);
  return set;
}

}  // namespace

InProcessHost::InProcessHost(LoadedCallout callout, Options options, io::Clock& clock,
                             io::Memory& memory, Logger& log)
    : callout_(std::move(callout)),
      options_(options),
      clock_(clock),
      memory_(memory),
      log_(log),
      hooks_(hooks_of(callout_.table)),
      buffers_(new uint8_t[options.slots * kSlotBytes]),
      contexts_(options.slots) {}

InProcessHost::~InProcessHost() = default;

uint8_t* InProcessHost::buffers_of(uint32_t slot) {
  CHECK(slot < contexts_.size(), "a slot of the packet pool");
  return buffers_.get() + slot * kSlotBytes;
}

void InProcessHost::run(std::span<Call> calls) {
  uint64_t before = clock_.ticks();
  for (Call& call : calls) {
    run_one(call);
    if ((hooks_ & hook_bit(call.hook)) == 0) continue;
    const uint64_t after = clock_.ticks();
    note_time(call.hook, clock_.ns_of(after - before));
    before = after;
  }
}

void InProcessHost::run_one(Call& call) {
  if (call.refresh) {
    std::memcpy(buffers_of(call.slot) + kRequestAt, call.buffer, call.size);
    contexts_[call.slot].size = call.size;
  }
  if (call.hook == Hook::NewPkt) return new_packet(call);
  if ((hooks_ & hook_bit(call.hook)) == 0) return;
  switch (call.hook) {
    case Hook::Control:
      guarded(call.hook, [&] { callout_.table.DhcpControlHook(call.code, nullptr); });
      return;
    case Hook::DeleteClient:
      return delete_client(call);
    case Hook::NewPkt:
      return;
    case Hook::PktDrop:
      packet_drop(call);
      break;
    case Hook::PktSend:
      packet_send(call);
      break;
    case Hook::AddressDel:
      address_del(call);
      break;
    case Hook::AddressOffer:
      address_offer(call);
      break;
    case Hook::HandleOptions:
      handle_options(call);
      break;
  }
  check_guards(call.hook, call.slot);
}

void InProcessHost::new_packet(Call& call) {
  uint8_t* const buffers = buffers_of(call.slot);
  uint8_t* const request = buffers + kRequestAt;
  Context& context = contexts_[call.slot];
  if (!context.guarded) lay_guards(buffers);
  context = {nullptr, call.size, true};
  std::memcpy(request, call.buffer, call.size);
  if (callout_.table.DhcpNewPktHook == nullptr) return;

  LPBYTE at = request;
  DWORD size = call.size;
  BOOL process_it = TRUE;
  LPVOID pkt_context = nullptr;
  const bool returned = guarded(call.hook, [&] {
    callout_.table.DhcpNewPktHook(&at, &size, call.address, nullptr, &pkt_context, &process_it);
  });
  check_guards(call.hook, call.slot);
  if (!returned) {
    std::memcpy(request, call.buffer, call.size);
    return;
  }
  context.pkt_context = pkt_context;
  if (pkt_context != nullptr) ++contexts_set_;
  if (process_it == FALSE) {  // what it did to the bytes does not matter any more
    call.process_it = false;
    ++refused_;
    return;
  }
  take_answer(call, request, at, size);
  context.size = call.size;
}

void InProcessHost::packet_send(Call& call) {
  uint8_t* const reply = buffers_of(call.slot) + kReplyAt;
  std::memcpy(reply, call.buffer, call.size);
  LPBYTE at = reply;
  DWORD size = call.size;
  const bool returned = guarded(call.hook, [&] {
    callout_.table.DhcpPktSendHook(&at, &size, kSendPacket, call.address, nullptr,
                                   contexts_[call.slot].pkt_context);
  });
  if (returned) take_answer(call, reply, at, size);
}

void InProcessHost::take_answer(Call& call, uint8_t* buffer, const uint8_t* at, uint32_t size) {
  if (size == 0 && call.hook == Hook::PktSend) {
    call.size = 0;
    call.changed = true;
    ++suppressed_;
    return;
  }
  const bool size_is_good = size != 0 && size <= kPacketBytesMax;
  if (!size_is_good) {
    breach(call.hook, Breach::BadSize, fmt::format("set PacketSize to {}", size));
  } else if (at != buffer) {
    // By way of scratch_: its new buffer may overlap the one that it was given.
    if (memory_.read(at, {scratch_.data(), size})) {
      std::memcpy(buffer, scratch_.data(), size);
      at = buffer;
    } else {
      breach(call.hook, Breach::BadPointer,
             fmt::format("swapped in a packet at {}, which can't be read",
                         static_cast<const void*>(at)));
    }
  }
  if (!size_is_good || at != buffer) {
    std::memcpy(buffer, call.buffer, call.size);
    return;
  }
  if (size == call.size && std::memcmp(buffer, call.buffer, size) == 0) return;
  std::memcpy(call.buffer, buffer, size);
  call.size = size;
  call.changed = true;
  ++edited_;
}

void InProcessHost::packet_drop(const Call& call) {
  Context& context = contexts_[call.slot];
  LPBYTE at = buffers_of(call.slot) + kRequestAt;
  DWORD size = context.size;
  guarded(call.hook, [&] {
    callout_.table.DhcpPktDropHook(&at, &size, call.code, call.address, nullptr,
                                   context.pkt_context);
  });
  if (call.code == kDropProcessed) context.pkt_context = nullptr;
}

void InProcessHost::address_del(const Call& call) {
  const Context& context = contexts_[call.slot];
  guarded(call.hook, [&] {
    callout_.table.DhcpAddressDelHook(buffers_of(call.slot) + kRequestAt, context.size, call.code,
                                      call.address, call.alt_address, nullptr, context.pkt_context);
  });
}

void InProcessHost::address_offer(const Call& call) {
  const Context& context = contexts_[call.slot];
  guarded(call.hook, [&] {
    callout_.table.DhcpAddressOfferHook(buffers_of(call.slot) + kRequestAt, context.size, call.code,
                                        call.address, call.alt_address, call.addr_type,
                                        call.lease_s, nullptr, context.pkt_context);
  });
}

void InProcessHost::handle_options(const Call& call) {
  const Context& context = contexts_[call.slot];
  uint8_t* const buffers = buffers_of(call.slot);
  uint8_t* const joined = buffers + kJoinedAt;
  if (!call.joined.empty()) std::memcpy(joined, call.joined.data(), call.joined.size());
  DHCP_SERVER_OPTIONS options;
  fill_server_options(*call.options, buffers + kRequestAt, joined, options);
  guarded(call.hook, [&] {
    callout_.table.DhcpHandleOptionsHook(buffers + kRequestAt, context.size, nullptr,
                                         context.pkt_context, &options);
  });
}

void InProcessHost::delete_client(const Call& call) {
  std::array<uint8_t, 16> hardware = call.hardware;
  guarded(call.hook, [&] {
    callout_.table.DhcpDeleteClientHook(call.address, hardware.data(), call.hardware_size, 0, 0);
  });
}

// --- what goes wrong ------------------------------------------------------------------------

template <class Function>
bool InProcessHost::guarded(Hook hook, Function&& function) {
  try {
    function();
    return true;
  } catch (const std::exception& e) {
    note_exception(hook, e.what());
  } catch (...) {
    note_exception(hook, "not a std::exception");
  }
  return false;
}

void InProcessHost::note_exception(Hook hook, std::string_view what) {
  ++breaches_[static_cast<size_t>(hook)][static_cast<size_t>(Breach::Exception)];
  if (exception_logged_) return;
  exception_logged_ = true;
  log_.error("a callout caused an exception; it is ignored, and all further ones will be",
             {{"event", 1031}, {"dll", callout_.name}, {"hook", hook_name(hook)}, {"what", what}});
}

// What lies directly before and behind the buffer that the hook was given: writing past an end
// begins there.
void InProcessHost::check_guards(Hook hook, uint32_t slot) {
  uint8_t* const buffers = buffers_of(slot);
  const uint8_t* const buffer = buffers + (hook == Hook::PktSend ? kReplyAt : kRequestAt);
  if (is_guard(buffer - 16) && is_guard(buffer + kPacketBytesMax)) return;
  lay_guards(buffers);
  breach(hook, Breach::WroteOutside, "wrote outside the packet's 4096 bytes");
}

void InProcessHost::breach(Hook hook, Breach what, const std::string& text) {
  ++breaches_[static_cast<size_t>(hook)][static_cast<size_t>(what)];
  if (!may_log()) return;
  log_.warning("a callout broke its contract; the packet goes on as if it had not been called",
               {{"dll", callout_.name},
                {"hook", hook_name(hook)},
                {"what", text},
                {"lines_left_out", std::exchange(not_logged_, 0)}});
}

void InProcessHost::note_time(Hook hook, int64_t ns) {
  times_[static_cast<size_t>(hook)].add(ns);
  if (options_.slow_ns == 0 || ns <= options_.slow_ns) return;
  ++slow_[static_cast<size_t>(hook)];
  if (!may_log()) return;
  log_.warning("a callout is slow; every packet waits meanwhile",
               {{"dll", callout_.name},
                {"hook", hook_name(hook)},
                {"us", ns / 1000},
                {"lines_left_out", std::exchange(not_logged_, 0)}});
}

// One line a second: a callout that goes wrong does so with every packet.
bool InProcessHost::may_log() {
  const int64_t now_ns = clock_.read().boot_ns;
  if (logged_ns_ != 0 && now_ns - logged_ns_ < kNsPerSecond) {
    ++not_logged_;
    return false;
  }
  logged_ns_ = now_ns;
  return true;
}

HostStats InProcessHost::stats() const {
  HostStats stats;
  stats.name = callout_.name;
  stats.path = callout_.path;
  stats.hooks = hooks_;
  stats.refused = refused_;
  stats.edited = edited_;
  stats.suppressed = suppressed_;
  stats.contexts = contexts_set_;
  for (size_t i = 0; i < kHookCount; ++i) {
    const HookTimes& times = times_[i];
    stats.by_hook[i] = {times.count(),
                        times.total_ns(),
                        times.percentile_ns(500),
                        times.percentile_ns(990),
                        times.max_ns(),
                        slow_[i],
                        breaches_[i]};
  }
  return stats;
}

}  // namespace hookline::callout
