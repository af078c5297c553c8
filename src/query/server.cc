#include "query/server.h"

#include <algorithm>

#include "base/check.h"

namespace hookline::query {

namespace {

constexpr size_t kAcceptedPerTurn = 64;

std::vector<io::StreamAddress> addresses_of(const LeaseQueryConfig& config) {
  std::vector<io::StreamAddress> out;
  for (const Endpoint& endpoint : config.listen) out.push_back({endpoint.address, endpoint.port});
  return out;
}

Traffic traffic_of(const io::StreamPeer& peer, Now now, const io::LinkTable& links) {
  Traffic traffic;
  traffic.direction = Direction::Inbound;
  traffic.protocol = 6;
  traffic.local = peer.local.address;
  traffic.local_port = peer.local.port;
  traffic.remote = peer.remote.address;
  traffic.remote_port = peer.remote.port;
  traffic.now_ns = now.boot_ns;
  for (const io::Link& link : links.links) {
    if (!link.has(peer.local.address)) continue;
    traffic.ifindex = link.ifindex;
    traffic.interface_mac = link.mac;
  }
  return traffic;
}

}  // namespace

Server::Server(Parts parts) : parts_(parts) {}

Server::~Server() { parts_.engine.set_observer(nullptr); }

Result<void> Server::listen(const LeaseQueryConfig& config) {
  std::vector<io::StreamAddress> addresses = addresses_of(config);
  if (addresses == listening_) return {};
  if (auto done = parts_.port.listen(addresses); !done) return done;
  listening_ = std::move(addresses);
  if (!listening_.empty() && changes_ == nullptr) {
    changes_ = std::make_unique<Changes>();
    for (Connection& c : connections_) {
      c.in.prepare(kQueryFrameBytesMax);
      c.out.prepare(kQueryOutputBytes);
      c.search.prepare();
    }
    parts_.engine.set_observer(this);
  }
  return {};
}

void Server::adopted(std::shared_ptr<const Config> config, Now now) {
  config_ = std::move(config);
  // What became free before nobody has seen; and a reload may have forgotten leases.
  forgotten_s_ = now.lease_s;
  for (Connection& c : connections_) {
    if (c.phase != Phase::Admitting && c.phase != Phase::Open) continue;
    const bool allowed = may_ask(c.peer.remote.address);
    if (c.phase == Phase::Admitting) {
      if (!allowed) reset(c, &parts_.counters.not_allowed);
    } else if (!allowed) {
      parts_.counters.terminated.add();
      terminate(c, wire::QueryStatus::QueryTerminated, "not allowed any more", true);
    } else if (c.job == Job::Bulk) {
      parts_.counters.terminated.add();
      terminate(c, wire::QueryStatus::QueryTerminated, "the server was reconfigured", false);
    } else if (c.job == Job::CatchUp) {
      c.search.begin_all(c.seen_at_s);
    }
  }
}

bool Server::turn(Now now, const io::LinkTable& links) {
  if (changes_ == nullptr) return false;
  now_s_ = now.lease_s;
  bool waiting = false;
  mark_ready(waiting);
  if (waiting) accept_new(now, links);
  if (parts_.filter != nullptr) parts_.filter->pump(now);
  if (used_ == 0) return false;
  bool more = false;
  size_t budget = kQueryLeasesPerTurn;
  first_ = (first_ + 1) % connections_.size();
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& c = connections_[(first_ + i) % connections_.size()];
    if (c.phase != Phase::Free) more |= serve(c, now, budget);
  }
  return more;
}

void Server::stop(Now now) {
  if (changes_ == nullptr) return;
  for (Connection& c : connections_) {
    if (c.phase == Phase::Free) continue;
    if (c.phase == Phase::Open && c.job != Job::None && c.has_room()) {
      parts_.counters.terminated.add();
      terminate(c, wire::QueryStatus::QueryTerminated, "the server stops", true);
      size_t budget = 0;
      produce(c, now, budget);
    }
    if (c.phase != Phase::Free && c.phase != Phase::Admitting) flush(c, now);
    if (c.phase != Phase::Free) close(c, StreamFilter::End::Shutdown);
  }
  (void)parts_.port.listen({});
  listening_.clear();
}

void Server::lease_changed(Ipv4 address) {
  if (!parts_.engine.find(address)) forgotten_s_ = now_s_;
  if (subscribers_ != 0) changes_->add(address);
}

// --- connections -------------------------------------------------------------------------------

bool Server::may_ask(Ipv4 peer) const {
  const auto& allow = config_->leasequery.allow;
  return std::any_of(allow.begin(), allow.end(),
                     [&](const Prefix& network) { return network.contains(peer); });
}

void Server::mark_ready(bool& waiting) {
  std::array<io::StreamReady, kQueryConnectionsMax + 1> events;
  const size_t count = parts_.port.ready(events);
  for (size_t i = 0; i < count; ++i) {
    const io::StreamReady& event = events[i];
    if (event.number == io::kStreamListener) {
      waiting = true;
      continue;
    }
    Connection* c = by_number_[event.number];
    if (c == nullptr) continue;
    // The kernel says so until it is closed: nobody may wait for a callout with it.
    const bool stuck = c->flow != nullptr && c->flow->room(Direction::Inbound) == 0;
    if (event.broken && (c->phase != Phase::Lingering || stuck)) {
      reset(*c, nullptr);
      continue;
    }
    c->readable |= event.readable || event.broken;
    if (event.writable) c->blocked = false;
  }
}

void Server::accept_new(Now now, const io::LinkTable& links) {
  for (size_t i = 0; i < kAcceptedPerTurn; ++i) {
    const auto peer = parts_.port.accept();
    if (!peer) return;
    open(*peer, now, links);
  }
}

void Server::refuse(const io::StreamPeer& peer, Counter& counter, const char* why, Now now) {
  counter.add();
  parts_.port.reset(peer.number);
  if (!refusal_log_.allows(now.boot_ns)) return;
  parts_.log.warning("leasequery connection refused",
                     {{"from", peer.remote.address.text()},
                      {"why", why},
                      {"not_logged", refusal_log_.take_suppressed()}});
}

void Server::open(const io::StreamPeer& peer, Now now, const io::LinkTable& links) {
  QueryCounters& counters = parts_.counters;
  if (!may_ask(peer.remote.address)) {
    return refuse(peer, counters.not_allowed, "not in allow of [leasequery]", now);
  }
  const auto free = std::ranges::find(connections_, Phase::Free, &Connection::phase);
  if (free == connections_.end()) {
    return refuse(peer, counters.too_many, "too many connections", now);
  }
  Connection& c = *free;
  c.flow = nullptr;
  if (parts_.filter != nullptr) {
    c.flow = parts_.filter->open(traffic_of(peer, now, links));
    if (c.flow == nullptr) return refuse(peer, counters.too_many, "no room for a flow", now);
  }
  c.phase = c.flow != nullptr ? Phase::Admitting : Phase::Open;
  c.job = Job::None;
  c.peer = peer;
  c.in.clear();
  c.out.clear();
  c.readable = false;
  c.blocked = false;
  c.peer_ended = c.told_input_end = c.told_output_end = false;
  c.ends_connection = false;
  c.frame_began_ns = 0;
  c.moved_ns = c.sent_ns = now.boot_ns;
  by_number_[peer.number] = &c;
  ++used_;
  counters.opened.add();
}

void Server::close(Connection& c, StreamFilter::End how) {
  set_job(c, Job::None);
  if (c.flow != nullptr) parts_.filter->close(c.flow, how);
  c.flow = nullptr;
  by_number_[c.peer.number] = nullptr;
  parts_.port.close(c.peer.number);
  c.phase = Phase::Free;
  --used_;
  parts_.counters.closed.add();
}

void Server::reset(Connection& c, Counter* counter) {
  if (counter != nullptr) counter->add();
  set_job(c, Job::None);
  if (c.flow != nullptr) parts_.filter->close(c.flow, StreamFilter::End::Reset);
  c.flow = nullptr;
  by_number_[c.peer.number] = nullptr;
  parts_.port.reset(c.peer.number);
  c.phase = Phase::Free;
  --used_;
  parts_.counters.closed.add();
}

// Keeps the number of subscribers true.
void Server::set_job(Connection& c, Job job) {
  const bool before = c.active();
  c.job = job;
  if (before && !c.active()) {
    --subscribers_;
    parts_.counters.active_ended.add();
  } else if (!before && c.active()) {
    ++subscribers_;
    parts_.counters.active.add();
  }
}

bool Server::input_over(const Connection& c) const {
  return c.peer_ended && (c.flow == nullptr || c.flow->finished(Direction::Inbound));
}

// What a callout says about the connection. False: nothing may be done with it now.
bool Server::admitted(Connection& c, Now now) {
  if (c.flow == nullptr) return true;
  if (c.phase == Phase::Admitting) {
    if (c.flow->admission() == Admission::Refused) {
      reset(c, &parts_.counters.blocked);
      return false;
    }
    if (c.flow->admission() == Admission::Pending) {
      // Nobody reads, so the kernel would tell again and again of what the peer has sent.
      parts_.port.watch(c.peer.number, false, false);
      check_times(c, now);
      return false;
    }
    c.phase = Phase::Open;
    c.moved_ns = now.boot_ns;
    watch(c);
  }
  if (!c.flow->must_reset()) return true;
  reset(c, &parts_.counters.blocked);
  return false;
}

bool Server::serve(Connection& c, Now now, size_t& budget) {
  if (!admitted(c, now)) return false;
  pull(c, now);
  bool more = false;
  while (c.phase != Phase::Free) {
    take_frames(c, now, budget);
    more = produce(c, now, budget);
    if (!flush(c, now)) break;  // nothing moved
  }
  if (c.phase == Phase::Free) return false;
  if (c.phase == Phase::Open && c.job == Job::None && input_over(c) && c.out.empty()) {
    c.phase = Phase::Ending;
  }
  if (c.phase == Phase::Open && c.active() && input_over(c)) {
    set_job(c, Job::None);
    c.phase = Phase::Ending;
  }
  if (c.phase == Phase::Ending) end_output(c);
  if (c.phase == Phase::Lingering && input_over(c)) {
    close(c, StreamFilter::End::Closed);
    return false;
  }
  check_times(c, now);
  if (c.phase == Phase::Free) return false;
  watch(c);
  return more;
}

// Level-triggered: what is not wanted now must not wake anybody.
void Server::watch(Connection& c) {
  const bool takes_input = c.flow != nullptr ? c.flow->room(Direction::Inbound) != 0
                                             : c.in.room() != 0 || c.phase == Phase::Lingering;
  const bool reading = !c.peer_ended && takes_input && c.job != Job::Bulk;
  parts_.port.watch(c.peer.number, reading, c.blocked);
}

void Server::check_times(Connection& c, Now now) {
  const auto passed = [&](int64_t since_ns, int64_t ns) { return now.boot_ns - since_ns >= ns; };
  Counter& counter = parts_.counters.timed_out;
  if (c.phase == Phase::Lingering || c.phase == Phase::Ending) {
    if (passed(c.moved_ns, c.phase == Phase::Lingering ? kQueryLingerNs : kActiveQuerySendNs)) {
      reset(c, c.phase == Phase::Lingering ? nullptr : &counter);
    }
    return;
  }
  if (c.frame_began_ns != 0 && passed(c.frame_began_ns, kQueryFrameNs)) return reset(c, &counter);
  const bool stuck = !c.out.empty() || c.blocked;
  if (c.active() && stuck && passed(c.moved_ns, kActiveQuerySendNs)) return reset(c, &counter);
  if (!c.active() && passed(c.moved_ns, kQueryIdleNs)) return reset(c, &counter);
}

}  // namespace hookline::query
