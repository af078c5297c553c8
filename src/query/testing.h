// What the tests of this folder share: TCP without a network, callouts that let everything pass or
// hold it up, and an engine full of leases. Included by test files only.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "line/stages.h"
#include "query/server.h"
#include "wire/decoder.h"

namespace hookline::query::testing {

inline Ipv4 ip(std::string_view text) { return Ipv4::parse(text).value(); }

// Peers are driven by the test: connect(), send(), take().
class FakeStreamPort final : public io::StreamPort {
 public:
  struct Connection {
    io::StreamPeer peer;
    std::vector<uint8_t> to_server, from_server;
    size_t window = 1 << 26;  // bytes that the peer takes without reading
    bool peer_ended = false, peer_reset = false;
    bool server_ended = false, closed = false, was_reset = false;
    bool reading = true, writing = false;
    bool in_use = false;
  };

  explicit FakeStreamPort(size_t connections_max = kQueryConnectionsMax)
      : connections_(connections_max + 1) {}

  // The peer's side. The number of the attempt, for take() and the rest.
  size_t connect(std::string_view from = "10.77.0.2") {
    attempts.push_back(std::make_shared<Connection>());
    attempts.back()->peer.local = {ip("10.77.0.1"), 67};
    attempts.back()->peer.remote = {ip(from), static_cast<uint16_t>(40000 + attempts.size())};
    waiting_.push_back(attempts.back());
    return attempts.size() - 1;
  }
  void send(size_t attempt, Bytes bytes) {
    auto& to = attempts[attempt]->to_server;
    to.insert(to.end(), bytes.begin(), bytes.end());
  }
  std::vector<uint8_t> take(size_t attempt) {
    return std::exchange(attempts[attempt]->from_server, {});
  }
  Connection& at(size_t attempt) { return *attempts[attempt]; }

  // io::StreamPort
  Result<void> listen(std::span<const io::StreamAddress> addresses) override {
    if (fail_listening) return fail(ErrorKind::Busy, "taken");
    listening_.assign(addresses.begin(), addresses.end());
    return {};
  }
  std::vector<io::StreamAddress> listening() const override { return listening_; }
  std::optional<io::StreamPeer> accept() override {
    if (waiting_.empty()) return std::nullopt;
    const auto free = std::ranges::find(connections_, nullptr);
    CHECK(free != connections_.end(), "one number more than connections");
    *free = waiting_.front();
    waiting_.erase(waiting_.begin());
    (*free)->peer.number = static_cast<uint32_t>(free - connections_.begin());
    (*free)->in_use = true;
    return (*free)->peer;
  }
  size_t ready(std::span<io::StreamReady> out) override {
    size_t count = 0;
    if (!waiting_.empty()) out[count++] = {io::kStreamListener, true, false, false};
    for (uint32_t i = 0; i < connections_.size() && count < out.size(); ++i) {
      const auto& c = connections_[i];
      if (c == nullptr) continue;
      const bool readable = c->reading && (!c->to_server.empty() || c->peer_ended);
      const bool writable = c->writing && c->from_server.size() < c->window;
      if (readable || writable || c->peer_reset) {
        out[count++] = {i, readable, writable, c->peer_reset};
      }
    }
    return count;
  }
  void watch(uint32_t number, bool reading, bool writing) override {
    connections_[number]->reading = reading;
    connections_[number]->writing = writing;
  }
  io::Transfer read(uint32_t number, MutableBytes into) override {
    using Outcome = io::Transfer::Outcome;
    Connection& c = *connections_[number];
    if (c.peer_reset) return {Outcome::Failed, 0, 104};
    if (c.to_server.empty()) {
      return {c.peer_ended ? Outcome::Ended : Outcome::WouldBlock, 0, 0};
    }
    const size_t size = std::min({into.size(), c.to_server.size(), segment});
    std::copy_n(c.to_server.begin(), size, into.begin());
    c.to_server.erase(c.to_server.begin(), c.to_server.begin() + static_cast<ptrdiff_t>(size));
    return {Outcome::Done, size, 0};
  }
  io::Transfer write(uint32_t number, Bytes bytes) override {
    using Outcome = io::Transfer::Outcome;
    Connection& c = *connections_[number];
    if (c.peer_reset) return {Outcome::Ended, 0, 0};
    if (c.from_server.size() >= c.window) return {Outcome::WouldBlock, 0, 0};
    const size_t size = std::min({bytes.size(), c.window - c.from_server.size(), segment});
    c.from_server.insert(c.from_server.end(), bytes.begin(),
                         bytes.begin() + static_cast<ptrdiff_t>(size));
    return {Outcome::Done, size, 0};
  }
  void finish_writing(uint32_t number) override { connections_[number]->server_ended = true; }
  void close(uint32_t number) override {
    connections_[number]->closed = true;
    connections_[number] = nullptr;
  }
  void reset(uint32_t number) override {
    connections_[number]->was_reset = true;
    connections_[number] = nullptr;
  }

  bool fail_listening = false;
  size_t segment = 1 << 20;  // the most that one read or write moves
  std::vector<std::shared_ptr<Connection>> attempts;

 private:
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Connection>> waiting_;
  std::vector<io::StreamAddress> listening_;
};

// Callouts that permit. What they hold up, and how, the test says.
class PassThrough final : public StreamFilter {
 public:
  class Flow final : public StreamFlow {
   public:
    explicit Flow(PassThrough& filter) : filter_(filter) {}
    uint64_t handle() const override { return 1; }
    Admission admission() const override { return filter_.admission; }
    size_t room(Direction d) const override {
      if (filter_.deferring) return 0;
      return filter_.room_max - std::min(filter_.room_max, way(d).held.size());
    }
    void put(Direction d, Bytes bytes) override {
      CHECK(bytes.size() <= room(d) && !way(d).ended, "as the contract says");
      way(d).held.insert(way(d).held.end(), bytes.begin(), bytes.end());
      way(d).total += bytes.size();
    }
    void finish(Direction d) override {
      CHECK(!way(d).ended, "once");
      way(d).ended = true;
    }
    Bytes passed(Direction d) const override {
      const auto& held = way(d).held;
      return Bytes(held).first(std::min(held.size(), filter_.piece));
    }
    void take(Direction d, size_t bytes) override {
      auto& held = way(d).held;
      CHECK(bytes <= held.size(), "as the contract says");
      held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>(bytes));
    }
    bool finished(Direction d) const override { return way(d).ended && way(d).held.empty(); }
    bool must_reset() const override { return filter_.resetting; }

    struct Way {
      std::vector<uint8_t> held;
      size_t total = 0;
      bool ended = false;
    };
    Way& way(Direction d) { return ways_[static_cast<size_t>(d)]; }
    const Way& way(Direction d) const { return ways_[static_cast<size_t>(d)]; }

   private:
    PassThrough& filter_;
    Way ways_[2];
  };

  StreamFlow* open(const Traffic& traffic) override {
    if (flows.size() == flows_max) return nullptr;
    last = traffic;
    flows.push_back(std::make_unique<Flow>(*this));
    return flows.back().get();
  }
  void close(StreamFlow* flow, End how) override {
    const auto found = std::ranges::find_if(flows, [&](const auto& f) { return f.get() == flow; });
    CHECK(found != flows.end(), "a flow is closed once");
    flows.erase(found);
    ends.push_back(how);
  }
  bool pump(Now) override { return true; }

  Admission admission = Admission::Open;
  bool deferring = false, resetting = false;
  size_t room_max = 4096;
  size_t piece = 1000;
  size_t flows_max = kTcpFlowsMax;
  Traffic last;
  std::vector<std::unique_ptr<Flow>> flows;
  std::vector<End> ends;
};

// What the server said, message by message.
struct Said {
  std::vector<uint8_t> bytes, joined;
  Message message;

  int type() const { return static_cast<int>(message.type); }
  Ipv4 address() const { return message.ciaddr; }
  // -1: it has none.
  int status() const {
    const Bytes value = message.options.find(wire::option::kQueryStatus);
    return value.empty() ? -1 : value[0];
  }
  int state() const {
    const Bytes value = message.options.find(option::kLeaseState);
    return value.size() != 1 ? -1 : value[0];
  }
};

class World : public Endings {
 public:
  explicit World(StreamFilter* filter = nullptr, size_t hosts_bits = 16)
      : config(make_config(hosts_bits)),
        engine(*this, 7),
        server({port, engine, filter, counters, log}) {
    CHECK(engine.configure(config, links).has_value(), "a configuration for a test is right");
    CHECK(server.listen(config->leasequery).has_value(), "the fake listens");
    server.adopted(config, now());
  }
  ~World() { server.stop(now()); }

  static std::shared_ptr<Config> make_config(size_t host_bits) {
    auto made = std::make_shared<Config>();
    Scope scope;
    scope.id = "office";
    scope.key = 42;
    scope.subnet = {ip("10.64.0.0"), static_cast<uint8_t>(32 - host_bits)};
    scope.ranges = {{{scope.subnet.base.value + 1}, {scope.subnet.last().value - 1}}};
    made->scopes.push_back(scope);
    made->wire_count = 1;
    made->leasequery.allow = {*Prefix::parse("10.77.0.0/24")};
    made->leasequery.listen = {{ip("10.77.0.1"), 67}};
    return made;
  }

  static Ipv4 address(uint32_t n) { return {ip("10.64.0.0").value + 1 + n}; }
  std::vector<uint8_t> mac(uint32_t n) {
    std::vector<uint8_t> out = {2, 0xC1, 0, 0, 0, 0};
    store_be32(&out[2], n);
    return out;
  }

  // Client n's lease of address n.
  LeaseRecord record(uint32_t n, LeaseState state = LeaseState::Active) {
    macs_.push_back(mac(n));
    LeaseRecord r;
    r.address = address(n);
    r.state = state;
    r.hardware_type = 1;
    r.hardware_address = macs_.back();
    r.scope_key = 42;
    r.start = time_s - 100;
    r.last_transaction = time_s - 10;
    r.expiry = state == LeaseState::Active ? time_s + 3590 : time_s - 5;
    r.sequence = ++sequence;
    return r;
  }
  void lease(uint32_t n, LeaseState state = LeaseState::Active) {
    engine.restore(record(n, state));
  }
  void apply(LeaseRecord r) {
    r.sequence = ++sequence;
    engine.apply(r);
  }

  // Turns until the first answers are out.
  void begin() {
    while (counters.answers.value() == 0) turn();
  }
  bool turn() { return server.turn(now(), links); }
  // Until nothing moves.
  void settle(size_t turns_max = 100'000) {
    for (size_t idle = 0; idle < 3 && turns_max > 0; --turns_max) idle = turn() ? 0 : idle + 1;
  }
  Now now() const { return {boot_ns, time_s}; }
  void pass(int64_t ns) {
    boot_ns += ns;
    time_s += static_cast<LeaseSeconds>(ns / kNsPerSecond);
  }

  static std::vector<uint8_t> framed(Bytes message) {
    std::vector<uint8_t> out(2);
    store_be16(out.data(), static_cast<uint16_t>(message.size()));
    out.insert(out.end(), message.begin(), message.end());
    return out;
  }
  static std::vector<uint8_t> framed(const wire::LeaseQuery& query) {
    std::array<uint8_t, wire::kAnswerBytesMax> message;
    return framed(Bytes(message).first(wire::write_query(query, message.data())));
  }
  static wire::LeaseQuery all(uint32_t xid = 7) {
    wire::LeaseQuery query;
    query.xid = xid;
    return query;
  }
  size_t ask(const wire::LeaseQuery& query, std::string_view from = "10.77.0.2") {
    const size_t peer = port.connect(from);
    port.send(peer, framed(query));
    return peer;
  }
  // Whole messages; what is left of bytes stays for the next call.
  std::vector<std::unique_ptr<Said>> said(size_t peer) {
    auto& rest = rests_[peer];
    const auto fresh = port.take(peer);
    rest.insert(rest.end(), fresh.begin(), fresh.end());
    std::vector<std::unique_ptr<Said>> out;
    size_t at = 0;
    while (rest.size() - at >= 2 && rest.size() - at - 2 >= load_be16(&rest[at])) {
      const size_t size = load_be16(&rest[at]);
      auto said = std::make_unique<Said>();
      said->bytes.assign(rest.begin() + at + 2, rest.begin() + at + 2 + size);
      said->joined.resize(size);
      CHECK(wire::read_message(said->bytes, said->joined, said->message),
            "an answer is well-formed");
      out.push_back(std::move(said));
      at += 2 + size;
    }
    rest.erase(rest.begin(), rest.begin() + at);
    return out;
  }
  size_t unread(size_t peer) { return rests_[peer].size(); }
  // What was kept for records and peers of before.
  void forget() {
    macs_.clear();
    rests_.clear();
  }

  using Endings::drop;
  void drop(PacketHandle, Drop) override {}
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle) override {}

  LeaseSeconds time_s = 1'800'000'000;
  int64_t boot_ns = kNsPerSecond;
  uint64_t sequence = 0;
  std::shared_ptr<Config> config;
  io::LinkTable links;
  QueryCounters counters;
  Logger log{stderr, LogLevel::Error};
  FakeStreamPort port;
  lease::Engine engine;
  Server server;

 private:
  std::vector<std::vector<uint8_t>> macs_;
  std::map<size_t, std::vector<uint8_t>> rests_;
};

}  // namespace hookline::query::testing
