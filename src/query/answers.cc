// Queries in, leases out. RFC 6926 section 8, RFC 7724 section 9.
#include <algorithm>

#include "query/server.h"

namespace hookline::query {

using wire::QueryMessage;
using wire::QueryStatus;

// --- queries -----------------------------------------------------------------------------------

// Queries cost something themselves, and a turn is short.
void Server::take_frames(Connection& c, Now now, size_t& budget) {
  while (c.takes_queries() && c.has_room() && budget != 0) {
    if (c.flow != nullptr) take_passed(c);
    const Bytes frame = next_frame(c, now);
    if (frame.empty()) return;
    take_query(c, frame.subspan(kFrameHeaderBytes), now);
    budget -= std::min(budget, cost_of_query(c));
    if (c.ends_connection) return;
    c.in.take(frame.size());
  }
}

// None: it has not come in whole, or it is none.
Bytes Server::next_frame(Connection& c, Now now) {
  const Bytes in = c.in.view();
  if (in.empty()) {
    c.frame_began_ns = 0;
    return {};
  }
  const size_t size = in.size() < kFrameHeaderBytes ? 0 : load_be16(in.data());
  if (in.size() >= kFrameHeaderBytes && (size < kDhcpHeaderBytes || size > kPacketBytesMax)) {
    malformed(c, 0, "a frame holds a DHCP message of 240 to 4096 bytes");
    return {};
  }
  if (in.size() < kFrameHeaderBytes || in.size() < kFrameHeaderBytes + size) {
    if (c.frame_began_ns == 0) c.frame_began_ns = now.boot_ns;
    return {};
  }
  c.frame_began_ns = 0;
  return in.first(kFrameHeaderBytes + size);
}

// In leases looked at.
size_t Server::cost_of_query(const Connection& c) const {
  constexpr size_t kLeast = 16;
  return kLeast + c.search.found() + (c.search.asks_each_wire() ? config_->wire_count : 0);
}

void Server::take_query(Connection& c, Bytes message, Now now) {
  wire::LeaseQuery query;
  const std::string_view wrong = wire::read_query(message, joined_, query);
  if (!wrong.empty()) return malformed(c, query.xid, wrong.data());
  if (c.active()) return malformed(c, query.xid, "an active leasequery is the only one");
  c.xid = query.xid;
  c.type = query.type;
  if (query.type == QueryMessage::Tls) {
    return status(c, QueryMessage::Tls, QueryStatus::TlsConnectionRefused, "no TLS here", now);
  }
  if (query.other_vpn) {
    parts_.counters.refused.add();
    const bool bulk = query.type == QueryMessage::Bulk;
    return status(c, bulk ? QueryMessage::Done : QueryMessage::Status, QueryStatus::NotAllowed,
                  "no virtual subnets here", now);
  }
  c.parameters.assign(query.parameters);
  return query.type == QueryMessage::Bulk ? begin_bulk(c, query, now) : begin_active(c, query, now);
}

void Server::begin_bulk(Connection& c, const wire::LeaseQuery& query, Now now) {
  parts_.counters.bulk[static_cast<size_t>(query.kind)].add();
  set_job(c, Job::Bulk);
  c.moved_ns = now.boot_ns;
  c.search.begin(query, parts_.engine);
  c.address = query.address;
  // About one address something is said even when nothing is known of it.
  c.address_told = query.kind != QueryKind::Address || parts_.engine.find(query.address);
}

// RFC 7724 section 9.2.
void Server::begin_active(Connection& c, const wire::LeaseQuery& query, Now now) {
  set_job(c, query.start ? Job::CatchUp : Job::Live);
  c.seen = changes_->end();
  c.seen_at_s = now.lease_s;
  if (!query.start) {
    return status(c, QueryMessage::Status, QueryStatus::ConnectionActive, "", now);
  }
  c.search.begin_all(*query.start);
  if (*query.start <= forgotten_s_) {
    status(c, QueryMessage::Status, QueryStatus::DataMissing,
           "addresses that became free since are not all known", now);
  }
}

// The sender can't be understood, so nothing more of it is read.
void Server::malformed(Connection& c, uint32_t xid, const char* text) {
  parts_.counters.malformed.add();
  if (!c.active()) c.type = QueryMessage::Bulk;
  c.xid = xid;
  terminate(c, QueryStatus::MalformedQuery, text, true);
}

// --- answers -----------------------------------------------------------------------------------

void Server::terminate(Connection& c, QueryStatus status, const char* text, bool ends) {
  if (c.active()) c.type = QueryMessage::Active;
  set_job(c, Job::Closing);
  c.last_status = status;
  c.last_text = text;
  c.ends_connection = ends;
  c.frame_began_ns = 0;
}

bool Server::has_frame(const Connection& c) {
  const Bytes in = c.in.view();
  return c.takes_queries() && in.size() >= kFrameHeaderBytes &&
         in.size() >= kFrameHeaderBytes + load_be16(in.data());
}

// True: there is more to do at once.
bool Server::produce(Connection& c, Now now, size_t& budget) {
  if (c.phase != Phase::Open) return false;
  if (c.job == Job::Bulk || c.job == Job::CatchUp) search(c, now, budget);
  if (c.job == Job::Live) tell_changes(c, now, budget);
  if (c.job == Job::Closing && c.has_room()) {
    const bool active = c.type == QueryMessage::Active;
    status(c, active ? QueryMessage::Status : QueryMessage::Done, c.last_status, c.last_text, now);
    set_job(c, Job::None);
    if (c.ends_connection) c.phase = Phase::Ending;
  }
  if (!c.has_room() || c.blocked) return false;
  return c.job == Job::Bulk || c.job == Job::CatchUp ||
         (c.job == Job::Live && c.seen != changes_->end()) || (budget == 0 && has_frame(c));
}

void Server::search(Connection& c, Now now, size_t& budget) {
  while (budget != 0 && c.has_room() && !c.search.done()) {
    const size_t fits = c.out.room() / (kFrameHeaderBytes + wire::kAnswerBytesMax);
    const size_t looked = c.search.step(parts_.engine, std::min(budget, fits), now.lease_s,
                                        [&](const LeaseRecord& record) { tell(c, record, now); });
    budget -= std::min(budget, looked);
  }
  if (c.search.done() && c.has_room()) search_ended(c, now);
}

void Server::search_ended(Connection& c, Now now) {
  if (c.job == Job::CatchUp) {
    set_job(c, Job::Live);
    return status(c, QueryMessage::Status, QueryStatus::CatchUpComplete, "", now);
  }
  if (!c.address_told) {
    c.address_told = true;
    tell_unrecorded(c, c.address, now);
    if (!c.has_room()) return;
  }
  status(c, QueryMessage::Done, std::nullopt, "", now);
  set_job(c, Job::None);
}

void Server::tell_changes(Connection& c, Now now, size_t& budget) {
  if (!changes_->has(c.seen)) return catch_up_anew(c, now);
  while (c.seen != changes_->end() && budget != 0 && c.has_room()) {
    const Ipv4 address = changes_->at(c.seen++);
    --budget;
    if (const auto record = parts_.engine.find(address)) {
      tell(c, *record, now);
    } else {
      tell_unrecorded(c, address, now);
    }
  }
  if (c.seen == changes_->end()) c.seen_at_s = now.lease_s;
  if (now.boot_ns - c.sent_ns >= kActiveQueryKeepaliveNs && c.out.empty()) {
    status(c, QueryMessage::Status, QueryStatus::ConnectionActive, "", now);
  }
}

// It reads too slowly: what it has missed is looked up again.
void Server::catch_up_anew(Connection& c, Now now) {
  if (!c.has_room()) return;
  parts_.counters.overruns.add();
  status(c, QueryMessage::Status, QueryStatus::DataMissing, "too many changes at once", now);
  c.seen = changes_->end();
  c.search.begin_all(c.seen_at_s);
  c.seen_at_s = now.lease_s;
  set_job(c, Job::CatchUp);
}

void Server::tell(Connection& c, const LeaseRecord& record, Now now) {
  const Standing standing = standing_of(record, now.lease_s);
  wire::LeaseAnswer answer;
  answer.xid = c.xid;
  answer.server_id = c.peer.local.address;
  answer.now = now.lease_s;
  answer.type = standing.type;
  answer.state = standing.state;
  answer.since = standing.since;
  answer.record = record;
  if (standing.type == MessageType::LeaseActive) {
    const Scope* scope = parts_.engine.scope_of(record.address);
    const LeaseTimes& times = scope != nullptr ? scope->times : config_->leases.times;
    const bool for_ever = record.expiry == kLeaseTimeInfinite;
    const uint32_t whole_s =
        for_ever ? kLeaseTimeInfinite : record.expiry - record.last_transaction;
    const uint32_t passed_s = now.lease_s - std::min(now.lease_s, record.last_transaction);
    const auto left = [&](uint32_t after_s) {
      if (after_s == kLeaseTimeInfinite) return after_s;
      return after_s - std::min(after_s, passed_s);
    };
    answer.lease_s = left(whole_s);
    answer.renew_s = left(times.renew.of(whole_s));
    answer.rebind_s = left(times.rebind.of(whole_s));
  }
  uint8_t* frame = c.out.reserve(kFrameHeaderBytes + wire::kAnswerBytesMax);
  const size_t size = wire::write_answer(answer, c.parameters.view(), frame + kFrameHeaderBytes);
  finish_frame(c, frame, size, now);
  parts_.counters.answers.add();
}

// RFC 4388 section 6.4.2: unassigned, or none of ours.
void Server::tell_unrecorded(Connection& c, Ipv4 address, Now now) {
  wire::LeaseAnswer answer;
  answer.xid = c.xid;
  answer.server_id = c.peer.local.address;
  answer.now = now.lease_s;
  answer.record.address = address;
  answer.type =
      parts_.engine.gives_out(address) ? MessageType::LeaseUnassigned : MessageType::LeaseUnknown;
  uint8_t* frame = c.out.reserve(kFrameHeaderBytes + wire::kAnswerBytesMax);
  const size_t size = wire::write_answer(answer, c.parameters.view(), frame + kFrameHeaderBytes);
  finish_frame(c, frame, size, now);
  parts_.counters.answers.add();
}

void Server::status(Connection& c, QueryMessage type, std::optional<QueryStatus> status,
                    const char* text, Now now) {
  uint8_t* frame = c.out.reserve(kFrameHeaderBytes + wire::kAnswerBytesMax);
  const size_t size = wire::write_status(type, c.xid, c.peer.local.address, now.lease_s, status,
                                         text, frame + kFrameHeaderBytes);
  finish_frame(c, frame, size, now);
}

void Server::finish_frame(Connection& c, uint8_t* frame, size_t message_bytes, Now now) {
  store_be16(frame, static_cast<uint16_t>(message_bytes));
  c.out.put(kFrameHeaderBytes + message_bytes);
  c.sent_ns = now.boot_ns;
}

}  // namespace hookline::query
