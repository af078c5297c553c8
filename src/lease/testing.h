// What the tests of this folder share: requests without a network, a configuration in a line, and
// a journal that is a counter. Included by test files only.
//
// Products can be made by their stages only; these are the stages of the tests' own program, which
// links no other folder.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lease/engine.h"

namespace hookline {

namespace receive {
class Receiver {
 public:
  static Frame make(PacketHandle p) { return Frame(PassKey<Receiver>(), std::move(p)); }
};
}  // namespace receive
namespace filter {
class FilterEngine {
 public:
  static Admitted make(Frame&& f) { return Admitted(PassKey<FilterEngine>(), std::move(f)); }
};
}  // namespace filter
namespace wire {
class Decoder {
 public:
  static Request make(Admitted&& a) { return Request(PassKey<Decoder>(), std::move(a)); }
};
}  // namespace wire
namespace store {
class Journal {
 public:
  static Committed make(Proposal&& p) { return Committed(PassKey<Journal>(), std::move(p)); }
};
}  // namespace store

namespace lease::testing {

inline Ipv4 ip(std::string_view text) { return Ipv4::parse(text).value(); }
inline AddressRange range(std::string_view first, std::string_view last) {
  return {ip(first), ip(last)};
}

inline Scope make_scope(std::string id, std::string_view subnet, std::vector<AddressRange> ranges) {
  Scope scope;
  scope.id = std::move(id);
  scope.subnet = Prefix::parse(subnet).value();
  scope.ranges = std::move(ranges);
  scope.times.default_s = 3600;
  scope.times.min_s = 300;
  scope.times.max_s = 86400;
  return scope;
}

inline Reservation reserve_mac(std::string_view mac, std::string_view address) {
  Reservation r;
  r.key = from_hex(mac).value();
  r.address = ip(address);
  return r;
}

// Numbers the scopes; those with the same superscope share a wire.
inline std::shared_ptr<Config> make_config(std::vector<Scope> scopes) {
  auto config = std::make_shared<Config>();
  config->scopes = std::move(scopes);
  std::vector<std::string> wires;
  for (uint32_t i = 0; i < config->scopes.size(); ++i) {
    Scope& s = config->scopes[i];
    s.index = i;
    s.key = static_cast<uint32_t>(std::hash<std::string>()(s.id));
    s.wire = static_cast<uint32_t>(wires.size());
    for (uint32_t w = 0; w < wires.size(); ++w) {
      if (!s.superscope.empty() && wires[w] == s.superscope) s.wire = w;
    }
    if (s.wire == wires.size()) wires.push_back(s.superscope);
  }
  config->wire_count = static_cast<uint32_t>(wires.size());
  return config;
}

inline io::Link make_link(uint32_t ifindex, std::string name, std::string_view address,
                          std::string_view network) {
  io::Link link;
  link.ifindex = ifindex;
  link.name = std::move(name);
  link.up = true;
  link.addresses.push_back({ip(address), Prefix::parse(network).value()});
  return link;
}

// One client's message, built up: Ask(MessageType::Discover).mac("…").option(50, …).
struct Ask {
  MessageType type;
  std::vector<uint8_t> hardware = {2, 0, 0, 0, 0, 1};
  uint8_t hardware_type = 1;
  Ipv4 ciaddr_, giaddr_, destination = kBroadcast;
  uint32_t ifindex = 1;
  uint32_t xid = 1;
  std::vector<std::pair<uint8_t, std::vector<uint8_t>>> options;

  explicit Ask(MessageType t) : type(t) {}
  Ask& mac(std::string_view hex) { return hardware = from_hex(hex).value(), *this; }
  Ask& client(uint32_t n) {
    hardware = {2, 0xC1, 0, 0, 0, 0};
    store_be32(&hardware[2], n);
    return *this;
  }
  Ask& ciaddr(Ipv4 a) { return ciaddr_ = a, *this; }
  Ask& ciaddr(std::string_view a) { return ciaddr(ip(a)); }
  Ask& giaddr(std::string_view a) { return giaddr_ = ip(a), *this; }
  Ask& to(std::string_view a) { return destination = ip(a), *this; }
  Ask& link(uint32_t i) { return ifindex = i, *this; }
  Ask& option(uint8_t code, std::vector<uint8_t> value) {
    return options.emplace_back(code, std::move(value)), *this;
  }
  Ask& option(uint8_t code, Ipv4 a) {
    std::vector<uint8_t> v(4);
    a.store(v.data());
    return option(code, std::move(v));
  }
  Ask& option_text(uint8_t code, std::string_view text) {
    return option(code, std::vector<uint8_t>(text.begin(), text.end()));
  }
  Ask& option_u32(uint8_t code, uint32_t value) { return option(code, Ipv4{value}); }
  Ask& requested(std::string_view a) { return option(option::kRequestedAddress, ip(a)); }
  Ask& requested(Ipv4 a) { return option(option::kRequestedAddress, a); }
  Ask& server(std::string_view a) { return option(option::kServerIdentifier, ip(a)); }
  Ask& client_id(std::string_view hex) {
    return option(option::kClientIdentifier, from_hex(hex).value());
  }
};

// What became of a request.
struct Answer {
  enum class Kind { Immediate, Durable, Deferred, ToProbe, Dropped };
  Kind kind = Kind::Dropped;
  Drop drop = Drop::NoAddress;
  ReplyKind reply = ReplyKind::None;
  Ipv4 address;
  Ipv4 server_id;
  uint32_t lease_s = 0;
  uint32_t renew_s = 0;
  uint32_t rebind_s = 0;
  bool renewed = false;
  bool rapid_commit = false;
  std::string scope;
  const Reservation* reservation = nullptr;
  std::string why;
  LeaseRecord record;  // its views are good until the next request
  std::string hostname;
  std::vector<uint8_t> relay_info;
  LeaseFound found;
};

// An engine with all around it. Time only passes when told.
class World : public Endings {
 public:
  explicit World(std::shared_ptr<const Config> config, io::LinkTable link_table = default_links(),
                 uint64_t seed = 7, size_t packets = kTurnPacketsMax)
      : pool(packets), links(std::move(link_table)), engine(*this, seed) {
    const Result<void> done = engine.configure(std::move(config), links);
    CHECK(done.has_value(), "a configuration for a test is right");
  }
  ~World() {
    commit();
    for (Request& r : parked) complete(std::move(r).release());
  }

  static io::LinkTable default_links() {
    return {{make_link(1, "eth0", "10.0.0.1", "10.0.0.0/24"),
             make_link(2, "eth1", "192.0.2.1", "192.0.2.0/24")}};
  }

  Request request(const Ask& ask) {
    PacketHandle handle = pool.take();
    Packet& p = *handle;
    // Values lie where a packet's would: in the slot, as long as the packet lives.
    p.ingress = Ingress{};
    p.ingress.ifindex = ask.ifindex;
    p.ingress.destination = ask.destination;
    p.ingress.link = links.find(ask.ifindex);
    Message& m = p.message;
    m.type = ask.type;
    m.hardware_type = ask.hardware_type;
    m.hardware_size = static_cast<uint8_t>(ask.hardware.size());
    m.chaddr = {};
    std::copy(ask.hardware.begin(), ask.hardware.end(), m.chaddr.begin());
    m.xid = ask.xid;
    m.ciaddr = ask.ciaddr_;
    m.giaddr = ask.giaddr_;
    m.options.clear();
    size_t at = 0;
    for (const auto& [code, value] : ask.options) {
      std::copy(value.begin(), value.end(), p.joined.begin() + static_cast<ptrdiff_t>(at));
      m.options.set(code, Bytes(p.joined.data() + at, value.size()));
      at += value.size();
    }
    return wire::Decoder::make(
        filter::FilterEngine::make(receive::Receiver::make(std::move(handle))));
  }

  // Proposes one request and answers what is immediate. A proposal stays in `uncommitted`.
  Answer propose(const Ask& ask) {
    Batch<Request> batch;
    batch.push(request(ask));
    return take(engine.propose(std::move(batch), now()));
  }

  // The probe of `address` ended: the record, if any, is committed, and what waited for any probe
  // is proposed again, in order.
  std::vector<Answer> probed(Ipv4 address, bool in_use) {
    if (const auto record = engine.probed(address, in_use, now())) apply(*record);
    std::vector<Answer> answers;
    for (Request& r : std::exchange(parked, {})) {
      Batch<Request> batch;
      batch.push(std::move(r));
      answers.push_back(take(engine.propose(std::move(batch), now())));
    }
    return answers;
  }

  // What became of one request.
  Answer take(Proposed proposed) {
    Answer answer;
    answer.drop = last_drop;
    if (!proposed.immediate.empty()) {
      answer = describe(proposed.immediate[0].packet(), Answer::Kind::Immediate);
      complete(std::move(proposed.immediate[0]).release());
    } else if (!proposed.durable.empty()) {
      answer = describe(proposed.durable[0].packet(), Answer::Kind::Durable);
      uncommitted.push_back(std::move(proposed.durable[0]));
    } else if (!proposed.deferred.empty()) {
      answer.kind = Answer::Kind::Deferred;
      complete(std::move(proposed.deferred[0]).release());
    } else if (!proposed.to_probe.empty()) {
      answer = describe(proposed.to_probe[0].packet(), Answer::Kind::ToProbe);
      parked.push_back(std::move(proposed.to_probe[0]));
    }
    return answer;
  }

  // The same, committed at once.
  Answer ask(const Ask& what) {
    Answer answer = propose(what);
    commit();
    return answer;
  }

  void commit() {
    for (Proposal& p : uncommitted) {
      p.packet().grant.record.sequence = ++sequence;
      Committed committed = store::Journal::make(std::move(p));
      engine.apply(committed);
      complete(std::move(committed).release());
    }
    uncommitted.clear();
  }

  void fail_commit() {
    for (Proposal& p : uncommitted) {
      engine.withdraw(p.packet());
      complete(std::move(p).release());
    }
    uncommitted.clear();
  }

  // Takes out and applies what has run out; how many.
  size_t expire() {
    size_t count = 0;
    std::vector<LeaseRecord> out(kExpiriesPerTurnMax);
    // A call may spend itself on leases that only move down the wheel.
    for (int idle = 0; idle < 8;) {
      const size_t n = engine.take_expired(now(), out);
      for (size_t i = 0; i < n; ++i) apply(out[i]);
      count += n;
      idle = n == 0 ? idle + 1 : 0;
    }
    return count;
  }

  void apply(LeaseRecord record) {
    record.sequence = ++sequence;
    engine.apply(record);
  }

  // A reload, to its end.
  void reload(std::shared_ptr<const Config> config) {
    CHECK(engine.configure(std::move(config), links).has_value(), "it is right");
    while (engine.settle_some(3)) {
    }
  }

  // DISCOVER, OFFER, REQUEST, ACK; the address, or none.
  Ipv4 lease(const Ask& discover) {
    const Answer offer = ask(discover);
    if (offer.reply != ReplyKind::Offer) return {};
    Ask request = discover;
    request.type = MessageType::Request;
    std::erase_if(request.options,
                  [](const auto& o) { return o.first == option::kRequestedAddress; });
    request.requested(offer.address).option(option::kServerIdentifier, offer.server_id);
    const Answer ack = ask(request);
    return ack.reply == ReplyKind::Ack ? ack.address : Ipv4{};
  }

  Now now() const { return {int64_t{time_s} * kNsPerSecond, time_s}; }

  using Endings::drop;
  void drop(PacketHandle packet, Drop reason) override {
    last_drop = reason;
    ++drops;
    pool.give_back(std::move(packet));
  }
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle packet) override { pool.give_back(std::move(packet)); }

  static Answer describe(const Packet& p, Answer::Kind kind) {
    const Grant& g = p.grant;
    Answer a;
    a.kind = kind;
    a.reply = g.reply;
    a.address = g.address;
    a.server_id = g.server_id;
    a.lease_s = g.lease_s;
    a.renew_s = g.renew_s;
    a.rebind_s = g.rebind_s;
    a.renewed = g.renewed;
    a.rapid_commit = g.rapid_commit;
    a.scope = g.scope != nullptr ? g.scope->id : "";
    a.reservation = g.reservation;
    a.why = g.why;
    a.record = g.record;
    a.hostname = as_text(g.record.hostname);
    a.found = g.found;
    a.relay_info.assign(g.record.relay_info.begin(), g.record.relay_info.end());
    return a;
  }

  LeaseSeconds time_s = 1'800'000'000;
  uint64_t sequence = 0;
  Drop last_drop = Drop::NoAddress;
  size_t drops = 0;
  PacketPool pool;
  io::LinkTable links;
  Engine engine;
  std::vector<Proposal> uncommitted;
  std::vector<Request> parked;
};

}  // namespace lease::testing
}  // namespace hookline
