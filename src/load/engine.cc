#include "load/engine.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace hookline::load {
namespace {

// Frames in one call are sent again this often after ENOBUFS, before they count as lost.
constexpr int kSendAttempts = 100;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

}  // namespace

Engine::Engine(const Options& options, const Addressing& addressing, MacAddress server_mac,
               Wire& wire)
    : options_(options), addressing_(addressing), wire_(wire), server_mac_(server_mac) {
  for (size_t form = 0; form < kForms; ++form) {
    templates_[form] = FrameTemplate(static_cast<Form>(form), addressing);
  }
  const uint32_t places = options.rate_per_s > 0 ? kWindowMax : std::max(options.window, 64u);
  slots_.resize(places);
  free_.reserve(places);
  for (uint32_t place = places; place-- > 0;) free_.push_back(place);
  xid_high_ = static_cast<uint32_t>(options.seed * 0x9E3779B97F4A7C15ULL >> 48);
  server_id_ = options.server;
  epoch_ns_ = wire.now_ns();
}

void Engine::run(const Phase& phase, Outcome& outcome) {
  phase_ = &phase;
  outcome_ = &outcome;
  next_turn_ = 0;
  now_ns_ = phase_start_ns_ = wire_.now_ns();
  phase_end_ns_ = phase.duration_ns == 0 ? kNever : phase_start_ns_ + phase.duration_ns;
  while (!over()) {
    const size_t got = wire_.receive(rx_);
    now_ns_ = wire_.now_ns();
    for (size_t i = 0; i < got; ++i) on_frame(rx_[i]);
    start_due();
    time_out();
    flush();
    if (got == 0 && !options_.spin) wire_.wait(next_event_ns());
  }
  abandon();
  const bool full = phase.duration_ns != 0 && now_ns_ >= phase_end_ns_;
  if (full) outcome.elapsed_ns = phase.duration_ns;
}

bool Engine::over() const {
  if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) return true;
  if (outstanding_ != 0) return false;
  return now_ns_ >= phase_end_ns_ ||
         (phase_->count != 0 && outcome_->counts.started >= phase_->count);
}

bool Engine::may_start() const {
  return now_ns_ < phase_end_ns_ &&
         (phase_->count == 0 || outcome_->counts.started < phase_->count);
}

// Open loop: exchange number i is due at i / rate, whatever became of those before it, and its
// latency counts from then (no coordinated omission).
void Engine::start_due() {
  Counts& counts = outcome_->counts;
  if (phase_->rate_per_s <= 0) {
    while (outstanding_ < phase_->window && may_start()) {
      if (!start(now_ns_)) return;
    }
    return;
  }
  const double gap_ns = static_cast<double>(kNsPerSecond) / phase_->rate_per_s;
  while (may_start()) {
    const auto number = static_cast<double>(counts.started + counts.overruns);
    const int64_t due_ns = phase_start_ns_ + static_cast<int64_t>(number * gap_ns);
    if (due_ns > now_ns_) return;
    if (!start(due_ns)) ++counts.overruns;
  }
}

// False: no place is free, or no client is.
bool Engine::start(int64_t due_ns) {
  if (free_.empty()) return false;
  const bool leased = phase_->exchange == Exchange::Renew || phase_->exchange == Exchange::Inform;
  uint32_t client = 0;
  if (phase_->clients == 0) {
    client = next_client_++;
  } else {
    // A client whose lease was refused has nothing to renew: the next one's turn.
    uint32_t skipped = 0;
    do {
      if (skipped++ == phase_->clients) {
        phase_end_ns_ = now_ns_;
        return false;
      }
      client = next_turn_;
      next_turn_ = next_turn_ + 1 == phase_->clients ? 0 : next_turn_ + 1;
    } while (leased && !bindings_.address_of(client));
  }
  clients_seen_ = std::max(clients_seen_, client + 1);

  const uint32_t place = free_.back();
  free_.pop_back();
  Slot& slot = slots_[place];
  slot.previous_xid = slot.xid;
  slot.xid = (++xid_high_ << 16) | place;
  slot.client = client;
  slot.started_ns = due_ns;
  slot.tries = 0;
  slot.address = leased ? bindings_.address_of(client) : Ipv4{};
  slot.server_id = server_id_;
  slot.step = phase_->exchange == Exchange::Renew    ? Step::RenewAck
              : phase_->exchange == Exchange::Inform ? Step::InformAck
                                                     : Step::Offer;
  ++outstanding_;
  ++outcome_->counts.started;
  link_newest(place);
  transmit(place);
  return true;
}

Form Engine::form_of(Step step) const {
  switch (step) {
    case Step::Ack:
      return Form::Select;
    case Step::RenewAck:
      return Form::Renew;
    case Step::InformAck:
      return Form::Inform;
    case Step::Offer:
    case Step::Free:
      break;
  }
  return Form::Discover;
}

void Engine::transmit(uint32_t place) {
  Slot& slot = slots_[place];
  slot.sent_ns = now_ns_;
  ++slot.tries;
  if (tx_size_ == kBatch) flush();
  const Fill fill{slot.xid, client_mac(slot.client, options_.seed), server_mac_, slot.address,
                  slot.server_id};
  MutableBytes buffer = tx_buffers_[tx_size_];
  const size_t size = templates_[static_cast<size_t>(form_of(slot.step))].write(fill, buffer);
  tx_[tx_size_++] = buffer.first(size);
  ++outcome_->counts.sent;
}

void Engine::flush() {
  size_t done = 0;
  for (int attempt = 0; done < tx_size_; ++attempt) {
    const size_t taken = wire_.send(std::span(tx_).subspan(done, tx_size_ - done));
    done += taken;
    if (taken != 0) attempt = 0;
    if (attempt == kSendAttempts) {
      outcome_->counts.send_errors += tx_size_ - done;
      break;
    }
  }
  tx_size_ = 0;
}

void Engine::on_frame(const RxPacket& packet) {
  Counts& counts = outcome_->counts;
  ++counts.received;
  Reply reply;
  std::string_view fault = read_reply(packet.frame, packet.checksum_partial, reply);
  const uint32_t place = reply.xid & 0xFFFF;
  if (fault.empty() && place >= slots_.size()) {
    ++counts.unexpected;
    return;
  }
  if (fault.empty()) {
    const Slot& slot = slots_[place];
    if (slot.step == Step::Free || slot.xid != reply.xid) {
      const bool was_ours = slot.xid == reply.xid || slot.previous_xid == reply.xid;
      ++(was_ours ? counts.late : counts.unexpected);
      return;
    }
    fault = fault_of(slot, reply);
  }
  if (!fault.empty()) {
    ++counts.malformed;
    if (outcome_->fault.empty()) outcome_->fault = fault;
    return;
  }
  Slot& slot = slots_[place];
  const bool offer_wanted = slot.step == Step::Offer;
  if (reply.type == MessageType::Offer && offer_wanted) {
    ++counts.offers;
    on_offer(place, reply);
  } else if (reply.type == MessageType::Ack && !offer_wanted) {
    ++counts.acks;
    on_ack(place, reply);
  } else if (reply.type == MessageType::Nak &&
             (slot.step == Step::Ack || slot.step == Step::RenewAck)) {
    ++counts.naks;
    bindings_.forget(slot.client);
    free_place(place);
  } else {
    ++(reply.type == MessageType::Offer ? counts.late : counts.unexpected);
  }
}

// RFC 2131 table 3, RFC 6842, RFC 3046 section 2.2: what a reply must carry.
std::string_view Engine::fault_of(const Slot& slot, const Reply& reply) const {
  if (reply.chaddr != client_mac(slot.client, options_.seed)) return "chaddr is another client's";
  if (reply.giaddr != addressing_.relay) return "giaddr is not that of the request";
  if (!reply.server_id) return "no server identifier";
  if (reply.type == MessageType::Offer || reply.type == MessageType::Ack) {
    const bool grants = slot.step != Step::InformAck;
    if (grants != static_cast<bool>(reply.yiaddr)) {
      return grants ? "no yiaddr" : "yiaddr in the answer to INFORM";
    }
    if (grants != (reply.lease_s != 0)) {
      return grants ? "no lease time" : "lease time in the answer to INFORM";
    }
    const bool chosen = slot.step == Step::Ack || slot.step == Step::RenewAck;
    if (chosen && reply.yiaddr != slot.address) return "yiaddr is not what was requested";
  }
  if (addressing_.client_id && reply.client_id.size() != 7) return "client identifier missing";
  if (addressing_.option82 && reply.relay_info.size() != 14) return "option 82 not echoed";
  return {};
}

void Engine::on_offer(uint32_t place, const Reply& reply) {
  Slot& slot = slots_[place];
  outcome_->offer_latency.add(now_ns_ - slot.sent_ns);
  if (phase_->exchange == Exchange::Discover) {
    complete(place);
    return;
  }
  slot.step = Step::Ack;
  slot.tries = 0;
  slot.address = reply.yiaddr;
  slot.server_id = reply.server_id;
  if (!addressing_.relayed()) server_mac_ = reply.source_mac;
  ++outcome_->counts.requests;
  unlink(place);
  link_newest(place);
  transmit(place);
}

void Engine::on_ack(uint32_t place, const Reply& reply) {
  const Slot& slot = slots_[place];
  outcome_->ack_latency.add(now_ns_ - slot.sent_ns);
  if (slot.step != Step::InformAck) {
    // The client's own clock for the lease starts with its request: RFC 2131 section 4.4.1.
    const uint64_t until_s = uint64_t{seconds(slot.sent_ns)} + reply.lease_s;
    const auto limit_s = static_cast<uint32_t>(std::min<uint64_t>(until_s, UINT32_MAX));
    if (!bindings_.bind(slot.client, reply.yiaddr, seconds(now_ns_), limit_s)) {
      ++outcome_->counts.duplicate_addresses;
    }
    server_id_ = reply.server_id;
  }
  complete(place);
}

void Engine::complete(uint32_t place) {
  if (now_ns_ < phase_end_ns_) {
    ++outcome_->counts.completed;
    outcome_->exchange_latency.add(now_ns_ - slots_[place].started_ns);
    outcome_->elapsed_ns = now_ns_ - phase_start_ns_;
  } else {
    ++outcome_->counts.drained;
  }
  free_place(place);
}

void Engine::free_place(uint32_t place) {
  unlink(place);
  slots_[place].step = Step::Free;
  --outstanding_;
  free_.push_back(place);
}

void Engine::time_out() {
  while (oldest_ != kNone && slots_[oldest_].sent_ns + options_.timeout_ns <= now_ns_) {
    const uint32_t place = oldest_;
    if (slots_[place].tries >= options_.tries) {
      ++outcome_->counts.failed;
      free_place(place);
      // Nobody is there: a run of a million exchanges must not wait for each of them.
      const Counts& counts = outcome_->counts;
      if (counts.completed == 0 && counts.failed >= phase_->window) phase_end_ns_ = now_ns_;
      continue;
    }
    ++outcome_->counts.retransmits;
    unlink(place);
    link_newest(place);
    transmit(place);
  }
}

void Engine::abandon() {
  while (oldest_ != kNone) {
    ++outcome_->counts.abandoned;
    free_place(oldest_);
  }
}

int64_t Engine::next_event_ns() const {
  int64_t next_ns = oldest_ == kNone ? kNever : slots_[oldest_].sent_ns + options_.timeout_ns;
  if (phase_->rate_per_s > 0 && may_start()) {
    const Counts& counts = outcome_->counts;
    const auto number = static_cast<double>(counts.started + counts.overruns);
    const double offset_ns = number * static_cast<double>(kNsPerSecond) / phase_->rate_per_s;
    next_ns = std::min(next_ns, phase_start_ns_ + static_cast<int64_t>(offset_ns));
  }
  // Never so long that `stop` or the end of the phase goes unnoticed.
  return std::min({next_ns, phase_end_ns_, now_ns_ + kNsPerSecond / 10});
}

void Engine::link_newest(uint32_t place) {
  slots_[place].older = newest_;
  slots_[place].newer = kNone;
  (newest_ == kNone ? oldest_ : slots_[newest_].newer) = place;
  newest_ = place;
}

void Engine::unlink(uint32_t place) {
  const Slot& slot = slots_[place];
  (slot.older == kNone ? oldest_ : slots_[slot.older].newer) = slot.newer;
  (slot.newer == kNone ? newest_ : slots_[slot.newer].older) = slot.older;
}

uint64_t Engine::release_all(double rate_per_s) {
  Outcome scratch;
  outcome_ = &scratch;
  uint64_t released = 0;
  const int64_t start_ns = wire_.now_ns();
  for (uint32_t client = 0; client < clients_seen_; ++client) {
    const Ipv4 address = bindings_.address_of(client);
    if (!address) continue;
    const double offset_ns = static_cast<double>(released) * 1e9 / rate_per_s;
    const int64_t due_ns = start_ns + static_cast<int64_t>(offset_ns);
    if (tx_size_ == kBatch || due_ns > wire_.now_ns()) flush();
    while (wire_.now_ns() < due_ns) {
      wire_.wait(due_ns);
      wire_.receive(rx_);
    }
    const Fill fill{(++xid_high_ << 16) | (client & 0xFFFF), client_mac(client, options_.seed),
                    server_mac_, address, server_id_};
    MutableBytes buffer = tx_buffers_[tx_size_];
    tx_[tx_size_++] =
        buffer.first(templates_[static_cast<size_t>(Form::Release)].write(fill, buffer));
    bindings_.forget(client);
    ++released;
  }
  flush();
  return released - scratch.counts.send_errors;
}

}  // namespace hookline::load
