#include "callout/hook_runner.h"

#include <fmt/format.h>

#include <cstring>
#include <exception>

#include "base/check.h"

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

HookRunner::HookRunner(const DHCP_CALLOUT_TABLE& table, size_t slots, io::Memory& memory,
                       HookWatcher& watcher, io::FaultTrap* trap)
    : table_(table),
      memory_(memory),
      watcher_(watcher),
      trap_(trap),
      hooks_(hooks_of(table)),
      buffers_(slots * kSlotBytes),
      contexts_(slots) {}

void HookRunner::make_real() {
  buffers_.make_real(buffers_.size());
  for (uint32_t slot = 0; slot < contexts_.size(); ++slot) {
    lay_guards(buffers_of(slot));
    contexts_[slot].guarded = true;
  }
}

uint8_t* HookRunner::buffers_of(uint32_t slot) {
  CHECK(slot < contexts_.size(), "a slot of the packet pool");
  return static_cast<uint8_t*>(buffers_.data()) + slot * kSlotBytes;
}

Bytes HookRunner::request_of(uint32_t slot) const {
  if (slot >= contexts_.size()) return {};
  return {static_cast<uint8_t*>(buffers_.data()) + slot * kSlotBytes + kRequestAt,
          contexts_[slot].size};
}

void HookRunner::run(Call& call) {
  if (call.refresh) {
    std::memcpy(buffers_of(call.slot) + kRequestAt, call.buffer, call.size);
    contexts_[call.slot].size = call.size;
  }
  if (call.hook == Hook::NewPkt) return new_packet(call);
  if ((hooks_ & hook_bit(call.hook)) == 0) return;
  switch (call.hook) {
    case Hook::Control:
      guarded(call.hook, [&] { table_.DhcpControlHook(call.code, nullptr); });
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

void HookRunner::new_packet(Call& call) {
  uint8_t* const buffers = buffers_of(call.slot);
  uint8_t* const request = buffers + kRequestAt;
  Context& context = contexts_[call.slot];
  if (!context.guarded) lay_guards(buffers);
  context = {nullptr, call.size, true};
  std::memcpy(request, call.buffer, call.size);
  if (table_.DhcpNewPktHook == nullptr) return;

  LPBYTE at = request;
  DWORD size = call.size;
  BOOL process_it = TRUE;
  LPVOID pkt_context = nullptr;
  const bool returned = guarded(call.hook, [&] {
    table_.DhcpNewPktHook(&at, &size, call.address, nullptr, &pkt_context, &process_it);
  });
  check_guards(call.hook, call.slot);
  if (!returned) {
    std::memcpy(request, call.buffer, call.size);
    return;
  }
  context.pkt_context = pkt_context;
  if (pkt_context != nullptr) watcher_.context_set();
  if (process_it == FALSE) {  // what it did to the bytes does not matter any more
    call.process_it = false;
    return;
  }
  take_answer(call, request, at, size);
  context.size = call.size;
}

void HookRunner::packet_send(Call& call) {
  uint8_t* const reply = buffers_of(call.slot) + kReplyAt;
  std::memcpy(reply, call.buffer, call.size);
  LPBYTE at = reply;
  DWORD size = call.size;
  const bool returned = guarded(call.hook, [&] {
    table_.DhcpPktSendHook(&at, &size, kSendPacket, call.address, nullptr,
                           contexts_[call.slot].pkt_context);
  });
  if (returned) take_answer(call, reply, at, size);
}

void HookRunner::take_answer(Call& call, uint8_t* buffer, const uint8_t* at, uint32_t size) {
  if (size == 0 && call.hook == Hook::PktSend) {
    call.size = 0;
    call.changed = true;
    return;
  }
  const bool size_is_good = size != 0 && size <= kPacketBytesMax;
  if (!size_is_good) {
    watcher_.breach(call.hook, Breach::BadSize, fmt::format("set PacketSize to {}", size));
  } else if (at != buffer) {
    // By way of scratch_: its new buffer may overlap the one that it was given.
    if (memory_.read(at, {scratch_.data(), size})) {
      std::memcpy(buffer, scratch_.data(), size);
      at = buffer;
    } else {
      watcher_.breach(call.hook, Breach::BadPointer,
                      fmt::format("swapped in a packet at {}, which can't be read",
                                  static_cast<const void*>(at)));
    }
  }
  if (!size_is_good || at != buffer) {
    std::memcpy(buffer, call.buffer, call.size);
    return;
  }
  if (size == call.size && std::memcmp(buffer, call.buffer, size) == 0) return;
  std::memcpy(call.answer != nullptr ? call.answer : call.buffer, buffer, size);
  call.size = size;
  call.changed = true;
}

void HookRunner::packet_drop(const Call& call) {
  Context& context = contexts_[call.slot];
  LPBYTE at = buffers_of(call.slot) + kRequestAt;
  DWORD size = context.size;
  guarded(call.hook, [&] {
    table_.DhcpPktDropHook(&at, &size, call.code, call.address, nullptr, context.pkt_context);
  });
  if (call.code == kDropProcessed) context.pkt_context = nullptr;
}

void HookRunner::address_del(const Call& call) {
  const Context& context = contexts_[call.slot];
  guarded(call.hook, [&] {
    table_.DhcpAddressDelHook(buffers_of(call.slot) + kRequestAt, context.size, call.code,
                              call.address, call.alt_address, nullptr, context.pkt_context);
  });
}

void HookRunner::address_offer(const Call& call) {
  const Context& context = contexts_[call.slot];
  guarded(call.hook, [&] {
    table_.DhcpAddressOfferHook(buffers_of(call.slot) + kRequestAt, context.size, call.code,
                                call.address, call.alt_address, call.addr_type, call.lease_s,
                                nullptr, context.pkt_context);
  });
}

void HookRunner::handle_options(const Call& call) {
  const Context& context = contexts_[call.slot];
  uint8_t* const buffers = buffers_of(call.slot);
  uint8_t* const joined = buffers + kJoinedAt;
  if (!call.joined.empty()) std::memcpy(joined, call.joined.data(), call.joined.size());
  DHCP_SERVER_OPTIONS options;
  fill_server_options(*call.options, buffers + kRequestAt, joined, options);
  guarded(call.hook, [&] {
    table_.DhcpHandleOptionsHook(buffers + kRequestAt, context.size, nullptr, context.pkt_context,
                                 &options);
  });
}

void HookRunner::delete_client(const Call& call) {
  std::array<uint8_t, 16> hardware = call.hardware;
  guarded(call.hook, [&] {
    table_.DhcpDeleteClientHook(call.address, hardware.data(), call.hardware_size, 0, 0);
  });
}

// --- what goes wrong ------------------------------------------------------------------------

template <class Function>
bool HookRunner::guarded(Hook hook, Function function) {
  try {
    if (trap_ == nullptr) {
      function();
      return true;
    }
    std::string what;
    const auto call = [](void* argument) { (*static_cast<Function*>(argument))(); };
    if (trap_->run(call, &function, what)) return true;
    watcher_.breach(hook, Breach::Exception, what);
  } catch (const std::exception& e) {
    watcher_.breach(hook, Breach::Exception, e.what());
  } catch (...) {
    watcher_.breach(hook, Breach::Exception, "not a std::exception");
  }
  return false;
}

// What lies directly before and behind the buffer that the hook was given: writing past an end
// begins there.
void HookRunner::check_guards(Hook hook, uint32_t slot) {
  uint8_t* const buffers = buffers_of(slot);
  const uint8_t* const buffer = buffers + (hook == Hook::PktSend ? kReplyAt : kRequestAt);
  if (is_guard(buffer - 16) && is_guard(buffer + kPacketBytesMax)) return;
  lay_guards(buffers);
  watcher_.breach(hook, Breach::WroteOutside, "wrote outside the packet's 4096 bytes");
}

}  // namespace hookline::callout
