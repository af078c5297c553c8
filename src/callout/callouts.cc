#include "callout/callouts.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "callout/server_options.h"

namespace hookline::callout {

namespace {

// BOOTP: op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr …
constexpr size_t kHardwareBytesMax = 16;

}  // namespace

// A traced packet's bytes, as they were before a host's hook.
struct Callouts::Before {
  size_t index = 0;
  std::vector<uint8_t> bytes;
};

Callouts::Callouts(Endings& endings, Counters& counters, Observer* observer)
    : endings_(endings), counters_(counters), observer_(observer) {}

Callouts::~Callouts() = default;

void Callouts::start(Hosts hosts) {
  CHECK(hosts_.empty(), "the callouts before were stopped");
  CHECK(hosts.size() <= kCalloutHostsMax, "the loader keeps to the limit");
  if (hosts.empty()) return;
  hosts_ = std::move(hosts);
  formers_.reserve(kCalloutHostsMax);
  find_wanted();
  slots_.assign(kPacketsMax, {});
  queue_.reserve(kCalloutCallsMax);
  routes_.reserve(kCalloutCallsMax);
  calls_.reserve(kCalloutCallsMax);
  options_.resize(kTurnPacketsMax);
  control(Control::Start);
}

void Callouts::stop() {
  stop_without_waiting();
  while (!leaving_.empty()) {
    remember_faults(*leaving_.back());
    leaving_.pop_back();
  }
}

void Callouts::stop_without_waiting() {
  if (empty()) return;
  control(Control::Stop);
  retire_idle_formers();
  CHECK(formers_.empty(), "no packet is inside");
  while (!hosts_.empty()) {
    if (hosts_.back()->unload()) {
      remember_faults(*hosts_.back());
    } else {
      leaving_.push_back(std::move(hosts_.back()));
    }
    hosts_.pop_back();
  }
  wanted_ = 0;
}

bool Callouts::any_stopping() const {
  return std::any_of(leaving_.begin(), leaving_.end(),
                     [](const auto& host) { return !host->has_stopped(); });
}

// --- one after the other ---------------------------------------------------------------------

namespace {

void tell_control(Host& host, Control code) {
  Call call;
  call.code = static_cast<uint32_t>(code);
  if ((host.hooks() & hook_bit(Hook::Control)) != 0) host.run({&call, 1});
}

bool ends_slot(const Call& call) {
  return call.hook == Hook::PktDrop && call.code == kDropProcessed;
}

}  // namespace

bool Callouts::replace(size_t index, std::unique_ptr<Host>& host, bool is_paused) {
  CHECK(index < hosts_.size(), "a callout that is there");
  if (formers_.size() + leaving_.size() >= kCalloutHostsMax) return false;
  flush();
  Former former;
  former.index = index;
  former.slots.resize(slots_.size());
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].hosts <= index || former_of(index, static_cast<uint32_t>(slot)) != nullptr) {
      continue;
    }
    former.slots[slot] = true;
    ++former.packets;
  }
  former.host = std::exchange(hosts_[index], std::move(host));
  formers_.push_back(std::move(former));
  find_wanted();
  tell_control(*hosts_[index], Control::Start);
  if (is_paused) tell_control(*hosts_[index], Control::Pause);
  retire_idle_formers();
  return true;
}

void Callouts::find_wanted() {
  hooks_.assign(hosts_.size(), 0);
  for (size_t i = 0; i < hosts_.size(); ++i) hooks_[i] = hosts_[i]->hooks();
  for (const Former& former : formers_) {
    hooks_[former.index] = static_cast<HookSet>(hooks_[former.index] | former.host->hooks());
  }
  wanted_ = 0;
  for (const HookSet hooks : hooks_) wanted_ = static_cast<HookSet>(wanted_ | hooks);
}

Callouts::Former* Callouts::former_of(size_t host, uint32_t slot) {
  if (slot == kNoSlot) return nullptr;
  for (Former& former : formers_) {
    if (former.index == host && former.slots[slot]) return &former;
  }
  return nullptr;
}

// Hosts leave out hooks that they do not have.
void Callouts::run_on(size_t host, std::span<Call> calls) {
  if (formers_.empty()) return hosts_[host]->run(calls);
  while (!calls.empty()) {
    Former* const former = former_of(host, calls.front().slot);
    size_t count = 0;
    while (count < calls.size() && former_of(host, calls[count].slot) == former) {
      const Call& call = calls[count++];
      if (former == nullptr || !ends_slot(call)) continue;
      former->slots[call.slot] = false;
      --former->packets;
    }
    (former != nullptr ? *former->host : *hosts_[host]).run(calls.first(count));
    calls = calls.subspan(count);
  }
}

void Callouts::retire_idle_formers() {
  bool any = false;
  for (Former& former : formers_) {
    if (former.packets != 0) continue;
    any = true;
    tell_control(*former.host, Control::Stop);
    former.host->unload();
    leaving_.push_back(std::move(former.host));
  }
  if (!any) return;
  std::erase_if(formers_, [](const Former& former) { return former.host == nullptr; });
  find_wanted();
}

void Callouts::control(Control code) {
  if (empty()) return;
  Call call;
  call.code = static_cast<uint32_t>(code);
  if (wants(Hook::Control)) queue(call, {static_cast<uint8_t>(hosts_.size()), 0});
  flush();
}

// --- calls that have an answer --------------------------------------------------------------

Batch<Admitted> Callouts::new_packets(Batch<Admitted> admitted) {
  if (empty() || admitted.empty()) return admitted;
  flush();
  for (const Admitted& a : admitted) {
    const Packet& packet = a.packet();
    slots_[packet.slot] = {0, false, 0, packet.ingress.link->primary().value};
  }
  std::array<std::optional<Drop>, kTurnPacketsMax> refused{};
  for (size_t host = 0; host < hosts_.size(); ++host) new_packets_of(host, admitted, refused);
  Batch<Admitted> accepted;
  for (size_t i = 0; i < admitted.size(); ++i) {
    if (refused[i]) {
      endings_.drop(std::move(admitted[i]), *refused[i]);
    } else {
      accepted.push(std::move(admitted[i]));
    }
  }
  admitted.clear();
  return accepted;
}

void Callouts::new_packets_of(size_t host, Batch<Admitted>& admitted,
                              std::span<std::optional<Drop>> refused) {
  std::array<uint16_t, kTurnPacketsMax> places;
  calls_.clear();
  for (size_t i = 0; i < admitted.size(); ++i) {
    if (refused[i]) continue;
    Packet& packet = admitted[i].packet();
    Call call = packet_call(Hook::NewPkt, packet);
    call.buffer = packet.request_data();
    call.size = packet.request_size;
    remember_before(packet, calls_.size(), packet.request());
    places[calls_.size()] = static_cast<uint16_t>(i);
    calls_.push_back(call);
  }
  run_on(host, calls_);
  for (size_t n = 0; n < calls_.size(); ++n) {
    const Call& call = calls_[n];
    Packet& packet = admitted[places[n]].packet();
    SlotState& slot = slots_[packet.slot];
    slot.hosts = static_cast<uint8_t>(host + 1);
    if (!call.process_it) {
      refused[places[n]] = call.away ? Drop::CalloutAway : Drop::RefusedByCallout;
    }
    if (!call.changed) continue;
    CHECK(call.size != 0 && call.size <= kPacketBytesMax, "a host answers within bounds");
    packet.request_size = static_cast<uint16_t>(call.size);
    slot.stale = static_cast<uint16_t>((1u << host) - 1);  // all before this one
    observe(packet, n, Hook::NewPkt, host, packet.request());
  }
  before_.clear();
}

Batch<Reply> Callouts::replies(Batch<Reply> replies) {
  if (empty() || replies.empty()) return replies;
  flush();
  std::array<bool, kTurnPacketsMax> suppressed{};
  for (Reply& reply : replies) slots_[reply.packet().slot].sent = true;
  for (size_t host = 0; host < hosts_.size(); ++host) {
    if ((hooks_[host] & hook_bit(Hook::PktSend)) != 0) {
      replies_of(host, replies, suppressed);
    }
  }
  Batch<Reply> left;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (suppressed[i]) {
      counters_.replies_suppressed.add();
      endings_.complete(std::move(replies[i]).release());
    } else {
      left.push(std::move(replies[i]));
    }
  }
  replies.clear();
  return left;
}

void Callouts::replies_of(size_t host, Batch<Reply>& replies, std::span<bool> suppressed) {
  std::array<uint16_t, kTurnPacketsMax> places;
  calls_.clear();
  for (size_t i = 0; i < replies.size(); ++i) {
    Packet& packet = replies[i].packet();
    if (suppressed[i] || host >= slots_[packet.slot].hosts) continue;
    Call call = packet_call(Hook::PktSend, packet);
    call.code = kSendPacket;
    call.buffer = packet.reply_data();
    call.size = packet.reply_size;
    remember_before(packet, calls_.size(), packet.reply());
    places[calls_.size()] = static_cast<uint16_t>(i);
    calls_.push_back(call);
  }
  run_on(host, calls_);
  for (size_t n = 0; n < calls_.size(); ++n) {
    const Call& call = calls_[n];
    if (!call.changed) continue;
    Packet& packet = replies[places[n]].packet();
    CHECK(call.size <= kPacketBytesMax, "a host answers within bounds");
    packet.reply_size = static_cast<uint16_t>(call.size);
    packet.reply_edited = true;
    suppressed[places[n]] = call.size == 0;
    if (!call.away) observe(packet, n, Hook::PktSend, host, packet.reply());
  }
  before_.clear();
}

// --- calls that only tell -------------------------------------------------------------------

void Callouts::options(Batch<Request>& requests) {
  if (!wants(Hook::HandleOptions) || requests.empty()) return;
  flush();
  size_t n = 0;
  for (Request& request : requests) {
    const Packet& packet = request.packet();
    if (slots_[packet.slot].hosts == 0) continue;
    Call call = packet_call(Hook::HandleOptions, packet);
    describe_options(packet, options_[n], call.joined);
    call.options = &options_[n++];
    queue_packet(call, packet);
  }
  flush();  // options_ is used again
}

void Callouts::address_deleted(const Packet& packet, Prob why, Ipv4 address) {
  if (!wants(Hook::AddressDel)) return;
  Call call = packet_call(Hook::AddressDel, packet);
  call.code = static_cast<uint32_t>(why);
  call.alt_address = address.value;
  queue_packet(call, packet);
}

void Callouts::address_offered(const Packet& packet) {
  if (!wants(Hook::AddressOffer)) return;
  const Grant& grant = packet.grant;
  Call call = packet_call(Hook::AddressOffer, packet);
  call.code = grant.renewed ? kGiveAddressOld : kGiveAddressNew;
  call.alt_address = grant.address.value;
  call.addr_type = grant.reply == ReplyKind::Bootp ? kClientBootp : kClientDhcp;
  call.lease_s = grant.lease_s;
  queue_packet(call, packet);
}

void Callouts::client_deleted(const LeaseRecord& binding) {
  if (!wants(Hook::DeleteClient)) return;
  Call call;
  call.hook = Hook::DeleteClient;
  call.address = binding.address.value;
  const size_t size = std::min(binding.hardware_address.size(), kHardwareBytesMax);
  std::copy_n(binding.hardware_address.begin(), size, call.hardware.begin());
  call.hardware_size = static_cast<uint8_t>(size);
  queue(call, {static_cast<uint8_t>(hosts_.size()), 0});
}

void Callouts::ended(const Packet& packet, std::optional<Drop> reason) {
  if (empty()) return;
  SlotState& slot = slots_[packet.slot];
  if (slot.hosts == 0) return;
  Call call = packet_call(Hook::PktDrop, packet);
  if (reason && !slot.sent && wants(Hook::PktDrop)) {
    call.code = drop_info(*reason).dhcp_code;
    queue_packet(call, packet);
  }
  call.code = kDropProcessed;
  queue_packet(call, packet);
  slot = {};
}

// --- the queue ------------------------------------------------------------------------------

Call Callouts::packet_call(Hook hook, const Packet& packet) const {
  Call call;
  call.hook = hook;
  call.slot = packet.slot;
  call.address = slots_[packet.slot].address;
  return call;
}

// A host whose copy of the request is stale gets the server's with this call. The server's bytes
// stay only as long as the packet: what needs them is not left in the queue.
void Callouts::queue_packet(Call call, const Packet& packet) {
  SlotState& slot = slots_[packet.slot];
  if (slot.hosts == 0) return;
  const uint16_t stale = std::exchange(slot.stale, uint16_t{0});
  if (stale != 0) {
    call.buffer = const_cast<uint8_t*>(packet.request().data());  // a host only reads it
    call.size = packet.request_size;
  }
  queue(call, {slot.hosts, stale});
  if (stale != 0) flush();
}

void Callouts::queue(const Call& call, Route route) {
  if (queue_.size() == kCalloutCallsMax) flush();
  queue_.push_back(call);
  routes_.push_back(route);
}

void Callouts::flush() {
  if (queue_.empty()) return;
  if (hosts_.size() == 1) {
    run_on(0, queue_);  // nothing is stale, and all of it was wanted
  } else {
    for (size_t host = 0; host < hosts_.size(); ++host) run_queue_of(host);
  }
  queue_.clear();
  routes_.clear();
}

void Callouts::run_queue_of(size_t host) {
  const HookSet hooks = hooks_[host];
  calls_.clear();
  for (size_t i = 0; i < queue_.size(); ++i) {
    const Call& call = queue_[i];
    const Route& route = routes_[i];
    if (host >= route.hosts) continue;
    const bool stale = (route.stale >> host & 1) != 0;
    if ((hooks & hook_bit(call.hook)) == 0 && !stale && !ends_slot(call)) continue;
    calls_.push_back(call);
    calls_.back().refresh = stale;
  }
  if (!calls_.empty()) run_on(host, calls_);
}

void Callouts::turn_ended() {
  if (!leaving_.empty()) {
    std::erase_if(leaving_, [this](const auto& host) {
      if (!host->unload()) return false;
      remember_faults(*host);
      return true;
    });
  }
  if (empty()) return;
  flush();
  bool has_more_hooks = false;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    hosts_[i]->turn_ended();
    // One that was started again may be another build.
    has_more_hooks = has_more_hooks || (hosts_[i]->hooks() & ~hooks_[i]) != 0;
  }
  if (has_more_hooks) find_wanted();
  if (!formers_.empty()) {
    for (const Former& former : formers_) former.host->turn_ended();
    retire_idle_formers();
  }
}

int64_t Callouts::next_due_ns() const {
  int64_t due_ns = std::numeric_limits<int64_t>::max();
  for (const auto& host : hosts_) due_ns = std::min(due_ns, host->next_due_ns());
  for (const auto& host : leaving_) due_ns = std::min(due_ns, host->next_due_ns());
  for (const Former& former : formers_) due_ns = std::min(due_ns, former.host->next_due_ns());
  return due_ns;
}

// --- views ----------------------------------------------------------------------------------

void Callouts::remember_before(const Packet& packet, size_t index, Bytes bytes) {
  if (observer_ == nullptr || !packet.traced) return;
  before_.push_back({index, {bytes.begin(), bytes.end()}});
}

void Callouts::observe(const Packet& packet, size_t index, Hook hook, size_t host, Bytes after) {
  for (const Before& before : before_) {
    if (before.index != index) continue;
    observer_->changed(packet, hook, hosts_[host]->name(), before.bytes, after);
  }
}

std::vector<HostStats> Callouts::stats() const {
  std::vector<HostStats> stats;
  for (const auto& host : hosts_) stats.push_back(host->stats());
  return stats;
}

void Callouts::remember_faults(const Host& host) {
  for (FaultReport& fault : host.faults()) {
    if (past_faults_.size() == kCalloutFaultsMax) past_faults_.pop_front();
    past_faults_.push_back(std::move(fault));
  }
}

std::vector<FaultReport> Callouts::faults() const {
  std::vector<FaultReport> faults(past_faults_.begin(), past_faults_.end());
  const auto add = [&faults](const Host& host) {
    for (FaultReport& fault : host.faults()) faults.push_back(std::move(fault));
  };
  for (const auto& host : leaving_) add(*host);
  for (const Former& former : formers_) add(*former.host);
  for (const auto& host : hosts_) add(*host);
  return faults;
}

}  // namespace hookline::callout
