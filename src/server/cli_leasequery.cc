#include "server/cli_leasequery.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <random>
#include <vector>

#include "control/service.h"
#include "control/text.h"
#include "io/linux/stream_client.h"
#include "query/connection.h"
#include "server/cli_errors.h"
#include "wire/bulk_query.h"
#include "wire/decoder.h"
#include "wire/fixed_fields.h"

namespace hookline::cli {

namespace {

using wire::QueryMessage;
using wire::QueryStatus;

constexpr int kConnectMs = 10'000;
constexpr int kAnswerMs = 300'000;  // RFC 6926 section 6.3: BULK_LQ_DATA_TIMEOUT
constexpr int kActiveMs = 120'000;  // RFC 7724 section 6.3: ACTIVE_LQ_RCV_TIMEOUT
constexpr int kUdpMs = 1'000;
constexpr int kUdpTries = 4;
constexpr size_t kReadBytes = 256 * 1024;

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// --- what is asked ------------------------------------------------------------------------------

// A query, and the bytes that it has views into.
struct Asked {
  wire::LeaseQuery query;
  std::vector<uint8_t> id;
  std::vector<uint8_t> parameters;
  io::StreamAddress server;
  Ipv4 from;
};

std::optional<io::StreamAddress> parse_server(std::string_view text) {
  io::StreamAddress out{{}, 67};
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [at, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc{} || at != port.data() + port.size() || out.port == 0) {
      return std::nullopt;
    }
  }
  const auto address = Ipv4::parse(text.substr(0, colon));
  if (!address) return std::nullopt;
  out.address = *address;
  return out;
}

std::optional<int64_t> parse_utc(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  char end = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c", &year, &month, &day, &hour, &minute,
                  &second, &end) != 7 ||
      end != 'Z') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return int64_t{days} * 86400 + hour * 3600 + minute * 60 + second;
}

// "1700000000", "2026-11-22T08:00:00Z", or so long ago: "90s", "5m", "8h", "2d".
std::optional<LeaseSeconds> parse_time(const std::string& text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(at, static_cast<size_t>(end - at));
  std::optional<int64_t> time;
  if (error == std::errc{} && number >= 0 && number < 0xFFFFFFFF) {
    if (unit.empty()) time = number;
    if (unit == "s") time = now_s() - number;
    if (unit == "m") time = now_s() - 60 * number;
    if (unit == "h") time = now_s() - 3600 * number;
    if (unit == "d") time = now_s() - 86400 * number;
  }
  if (!time) time = parse_utc(text);
  if (!time || *time < 0 || *time > 0xFFFFFFFF) return std::nullopt;
  return static_cast<LeaseSeconds>(*time);
}

Result<void> read_id(const std::string& text, QueryKind kind, Asked& out) {
  const auto id = control::parse_id(text, 253);
  if (!id) return fail(ErrorKind::Invalid, text + ": expected a text, or hex: and octets");
  out.id = *id;
  out.query.kind = kind;
  return {};
}

Result<void> read_kind(const LeaseQueryArguments& a, Asked& out) {
  const int given = !a.address.empty() + !a.mac.empty() + !a.client_id.empty() +
                    !a.relay_id.empty() + !a.remote_id.empty() + a.all + a.active;
  if (given != 1) {
    return fail(ErrorKind::Invalid,
                "one of --address, --mac, --client-id, --relay-id, --remote-id, --all and --active "
                "has to be given");
  }
  if (!a.client_id.empty()) return read_id(a.client_id, QueryKind::ClientId, out);
  if (!a.relay_id.empty()) return read_id(a.relay_id, QueryKind::RelayId, out);
  if (!a.remote_id.empty()) return read_id(a.remote_id, QueryKind::RemoteId, out);
  if (!a.address.empty()) {
    const auto address = Ipv4::parse(a.address);
    if (!address) return fail(ErrorKind::Invalid, a.address + ": expected an IPv4 address");
    out.query.kind = QueryKind::Address;
    out.query.address = *address;
  }
  if (!a.mac.empty()) {
    const auto mac = control::parse_hardware_address(a.mac);
    if (!mac) return fail(ErrorKind::Invalid, a.mac + ": expected a MAC address");
    out.query.kind = QueryKind::Hardware;
    out.query.hardware_type = 1;
    out.id = *mac;
  }
  return {};
}

Result<void> read_times(const LeaseQueryArguments& a, Asked& out) {
  const auto read = [](const std::string& text, std::optional<LeaseSeconds>& into) {
    if (text.empty()) return true;
    into = parse_time(text);
    return into.has_value();
  };
  const char* const expected = ": expected seconds since 1970, 2026-11-22T08:00:00Z, or 2h (ago)";
  if (!read(a.start, out.query.start)) return fail(ErrorKind::Invalid, a.start + expected);
  if (!read(a.end, out.query.end)) return fail(ErrorKind::Invalid, a.end + expected);
  if (!read(a.since, out.query.start)) return fail(ErrorKind::Invalid, a.since + expected);
  if (!a.since.empty() && !a.active) {
    return fail(ErrorKind::Invalid, "--since is for --active; --start for the others");
  }
  if (a.active && (!a.start.empty() || !a.end.empty())) {
    return fail(ErrorKind::Invalid, "--active has no --start and no --end, but --since");
  }
  return {};
}

Result<void> read_arguments(const LeaseQueryArguments& a, Asked& out) {
  const auto server = parse_server(a.server);
  if (!server) return fail(ErrorKind::Invalid, a.server + ": expected ADDRESS or ADDRESS:PORT");
  out.server = *server;
  if (!a.from.empty()) {
    const auto from = Ipv4::parse(a.from);
    if (!from) return fail(ErrorKind::Invalid, a.from + ": expected an IPv4 address");
    out.from = *from;
  }
  if (auto done = read_kind(a, out); !done) return done;
  if (auto done = read_times(a, out); !done) return done;
  const bool by_tcp_only = a.all || a.active || !a.relay_id.empty() || !a.remote_id.empty() ||
                           out.query.start || out.query.end;
  if (a.udp && by_tcp_only) {
    return fail(ErrorKind::Invalid, "--udp asks by --address, --mac or --client-id only");
  }
  out.query.type = a.active ? QueryMessage::Active : QueryMessage::Bulk;
  out.query.id = out.id;
  out.query.xid = std::random_device{}();
  out.parameters = {option::kLeaseTime,      option::kHostName,
                    option::kRelayAgentInfo, option::kLastTransactionTime,
                    option::kBaseTime,       option::kStartTimeOfState,
                    option::kLeaseState,     option::kClientIdentifier};
  out.query.parameters = out.parameters;
  return {};
}

// --- what is answered ---------------------------------------------------------------------------

// One lease, as the answer says it.
struct Told {
  Ipv4 address;
  std::string_view state;
  Bytes hardware, client_id, hostname, circuit_id, remote_id;
  int64_t since_s = 0, expiry_s = 0, last_seen_s = 0;  // 0: not told
};

std::string_view state_of(const Message& m) {
  if (m.type == MessageType::LeaseUnknown) return "unknown";
  const Bytes state = m.options.find(option::kLeaseState);
  if (state.size() == 1) return wire::query_state_name(static_cast<wire::QueryState>(state[0]));
  return m.type == MessageType::LeaseActive ? "active" : "unassigned";
}

Told told_by(const Message& m) {
  Told told;
  const int64_t base = m.options.u32(option::kBaseTime).value_or(static_cast<uint32_t>(now_s()));
  const auto before = [&](uint8_t code) {
    const auto ago = m.options.u32(code);
    return ago ? base - *ago : 0;
  };
  told.address = m.ciaddr;
  told.state = state_of(m);
  told.hardware = m.hardware_address();
  told.client_id = m.options.find(option::kClientIdentifier);
  told.hostname = m.options.find(option::kHostName);
  const Bytes relay = m.options.find(option::kRelayAgentInfo);
  told.circuit_id = wire::relay_suboption_of(relay, relay_suboption::kCircuitId);
  told.remote_id = wire::relay_suboption_of(relay, relay_suboption::kRemoteId);
  told.since_s = before(option::kStartTimeOfState);
  told.last_seen_s = before(option::kLastTransactionTime);
  if (const auto left = m.options.u32(option::kLeaseTime)) {
    told.expiry_s = *left == kLeaseTimeInfinite ? control::kForever : base + *left;
  }
  return told;
}

std::string time_or_dash(int64_t time_s) { return time_s == 0 ? "-" : control::time_text(time_s); }
std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

class Printer {
 public:
  Printer(const LeaseQueryArguments& arguments, Streams streams)
      : arguments_(arguments), streams_(streams) {}

  void lease(const Message& m) {
    ++count_;
    if (m.type == MessageType::LeaseUnknown) unknown_ = true;
    if (arguments_.quiet) return;
    const Told told = told_by(m);
    arguments_.json ? json(told) : row(told);
  }
  void status(QueryStatus status, Bytes text) {
    const std::string_view name = wire::query_status_name(status);
    if (arguments_.json) {
      fmt::print(streams_.out, "{{\"status\":{},\"text\":{}}}\n", json_text(name),
                 json_text(control::printable(text)));
    } else {
      fmt::print(streams_.err, "{}{}{}\n", name, text.empty() ? "" : ": ",
                 control::printable(text));
    }
  }
  void end() {
    if (arguments_.quiet) fmt::print(streams_.out, "{}\n", count_);
    if (count_ == 0 && !arguments_.quiet && !arguments_.json) {
      fmt::print(streams_.out, "no leases\n");
    }
  }
  void flush() { std::fflush(streams_.out); }
  bool enough() const { return arguments_.count != 0 && count_ >= arguments_.count; }
  bool unknown() const { return unknown_; }

 private:
  void row(const Told& t) {
    if (!headed_) {
      headed_ = true;
      fmt::print(streams_.out, "{:15}  {:9}  {:17}  {:20}  {:16}  {:20}  {:20}  {:20}  {}\n",
                 "ADDRESS", "STATE", "HW-ADDRESS", "CLIENT-ID", "HOSTNAME", "SINCE", "EXPIRY",
                 "LAST-SEEN", "REMOTE-ID");
    }
    fmt::print(streams_.out, "{:15}  {:9}  {:17}  {:20}  {:16}  {:20}  {:20}  {:20}  {}\n",
               t.address.text(), t.state, or_dash(to_hex(t.hardware, ':')),
               or_dash(control::id_text(t.client_id)), or_dash(control::printable(t.hostname)),
               time_or_dash(t.since_s), time_or_dash(t.expiry_s), time_or_dash(t.last_seen_s),
               or_dash(control::printable(t.remote_id)));
  }
  void json(const Told& t) {
    std::string line =
        fmt::format("{{\"address\":\"{}\",\"state\":\"{}\"", t.address.text(), t.state);
    const auto add = [&](std::string_view key, std::string_view value) {
      if (!value.empty()) line += fmt::format(",\"{}\":{}", key, json_text(value));
    };
    const auto add_time = [&](std::string_view key, int64_t time_s) {
      if (time_s != 0) add(key, control::time_text(time_s));
    };
    add("hw_address", to_hex(t.hardware, ':'));
    add("client_id", control::id_text(t.client_id));
    add("hostname", control::printable(t.hostname));
    add_time("since", t.since_s);
    add_time("expiry", t.expiry_s);
    add_time("last_transaction", t.last_seen_s);
    add("circuit_id", control::id_text(t.circuit_id));
    add("remote_id", control::id_text(t.remote_id));
    fmt::print(streams_.out, "{}}}\n", line);
  }

  const LeaseQueryArguments& arguments_;
  Streams streams_;
  uint64_t count_ = 0;
  bool headed_ = false;
  bool unknown_ = false;
};

// --- over TCP -----------------------------------------------------------------------------------

class TcpQuery {
 public:
  TcpQuery(const Asked& asked, Printer& printer, Streams streams)
      : asked_(asked), printer_(printer), streams_(streams), in_(kReadBytes) {}

  int run() {
    auto client = io::StreamClient::connect(asked_.server, asked_.from, kConnectMs);
    if (!client) return failed(client.error(), streams_);
    std::array<uint8_t, query::kFrameHeaderBytes + wire::kAnswerBytesMax> frame;
    const size_t size = wire::write_query(asked_.query, frame.data() + query::kFrameHeaderBytes);
    store_be16(frame.data(), static_cast<uint16_t>(size));
    if (auto sent = client->write(Bytes(frame).first(query::kFrameHeaderBytes + size), kConnectMs);
        !sent) {
      return failed(sent.error(), streams_);
    }
    while (!status_) {
      read(*client);
      while (!status_ && take_frame()) {
      }
      if (asked_.query.type == QueryMessage::Active) printer_.flush();
    }
    return *status_;
  }

 private:
  void read(io::StreamClient& client) {
    if (begin_ != 0) std::copy(in_.begin() + begin_, in_.begin() + end_, in_.begin());
    end_ -= begin_;
    begin_ = 0;
    const bool active = asked_.query.type == QueryMessage::Active;
    const io::Transfer got = client.read(MutableBytes(in_).subspan(static_cast<size_t>(end_)),
                                         active ? kActiveMs : kAnswerMs);
    switch (got.outcome) {
      case io::Transfer::Outcome::Done:
        end_ += static_cast<ptrdiff_t>(got.size);
        return;
      case io::Transfer::Outcome::WouldBlock:
        status_ = failed("the server says nothing any more", streams_);
        return;
      case io::Transfer::Outcome::Ended:
      case io::Transfer::Outcome::Failed:
        status_ = failed(any_ ? "the server closed the connection before the end"
                              : "the server closed the connection: is this machine in its 'allow' "
                                "of [leasequery]?",
                         streams_);
        return;
    }
  }

  // False: there is no whole frame.
  bool take_frame() {
    const Bytes in =
        Bytes(in_).subspan(static_cast<size_t>(begin_), static_cast<size_t>(end_ - begin_));
    if (in.size() < query::kFrameHeaderBytes) return false;
    const size_t size = load_be16(in.data());
    if (in.size() < query::kFrameHeaderBytes + size) return false;
    begin_ += static_cast<ptrdiff_t>(query::kFrameHeaderBytes + size);
    any_ = true;
    take(in.subspan(query::kFrameHeaderBytes, size));
    return true;
  }

  void take(Bytes bytes) {
    joined_.resize(bytes.size());
    if (!wire::read_message(bytes, joined_, message_)) {
      status_ = failed("the server's answer is malformed", streams_);
      return;
    }
    if (message_.xid != asked_.query.xid &&
        static_cast<QueryMessage>(message_.type) != QueryMessage::Done)
      return;
    switch (message_.type) {
      case MessageType::LeaseActive:
      case MessageType::LeaseUnassigned:
      case MessageType::LeaseUnknown:
        printer_.lease(message_);
        if (printer_.enough()) status_ = kExitOk;
        return;
      default:
        break;
    }
    take_status(static_cast<QueryMessage>(message_.type));
  }

  void take_status(QueryMessage type) {
    const Bytes value = message_.options.find(wire::option::kQueryStatus);
    const QueryStatus status =
        value.empty() ? QueryStatus::Success : static_cast<QueryStatus>(value[0]);
    if (status != QueryStatus::Success) {
      printer_.status(status, value.empty() ? value : value.subspan(1));
    }
    if (type == QueryMessage::Done) {
      const bool good = status == QueryStatus::Success && !printer_.unknown();
      status_ = good ? kExitOk : kExitFailed;
    } else if (status == QueryStatus::QueryTerminated || status == QueryStatus::NotAllowed ||
               status == QueryStatus::MalformedQuery || status == QueryStatus::UnspecFail) {
      status_ = kExitFailed;
    }
  }

  const Asked& asked_;
  Printer& printer_;
  Streams streams_;
  std::vector<uint8_t> in_;
  ptrdiff_t begin_ = 0;
  ptrdiff_t end_ = 0;
  std::vector<uint8_t> joined_;
  Message message_;
  bool any_ = false;
  std::optional<int> status_;  // once it is over
};

// --- over UDP -----------------------------------------------------------------------------------

int query_by_udp(const Asked& asked, Printer& printer, Streams streams) {
  auto socket = io::RelaySocket::open(asked.server, asked.from);
  if (!socket) {
    return failed(socket.error().text +
                      ": answers to a leasequery over UDP go to a relay's port; without --udp, "
                      "TCP is used",
                  streams);
  }
  std::array<uint8_t, wire::kAnswerBytesMax> message;
  wire::LeaseQuery query = asked.query;
  query.type = static_cast<QueryMessage>(MessageType::LeaseQuery);
  const size_t size = wire::write_query(query, message.data());
  socket->address().store(message.data() + wire::kGiaddrAt);
  std::vector<uint8_t> answer(kPacketBytesMax);
  std::vector<uint8_t> joined(kPacketBytesMax);
  Message m;
  for (int i = 0; i < kUdpTries; ++i) {
    if (auto sent = socket->send(Bytes(message).first(size)); !sent) {
      return failed(sent.error(), streams);
    }
    const auto got = socket->receive(answer, kUdpMs);
    if (!got) return failed(got.error(), streams);
    if (*got == 0 || !wire::read_message(Bytes(answer).first(*got), joined, m)) continue;
    if (m.xid != query.xid) continue;
    printer.lease(m);
    return m.type == MessageType::LeaseUnknown ? kExitFailed : kExitOk;
  }
  return failed(fmt::format("no answer: is {} in the server's 'allow' of [leasequery]?",
                            socket->address().text()),
                streams);
}

}  // namespace

int lease_query(const LeaseQueryArguments& arguments, Streams streams) {
  Asked asked;
  if (auto done = read_arguments(arguments, asked); !done) {
    failed(done.error(), streams);
    return kExitUsage;
  }
  Printer printer(arguments, streams);
  const int status = arguments.udp ? query_by_udp(asked, printer, streams)
                                   : TcpQuery(asked, printer, streams).run();
  if (status == kExitOk) printer.end();
  return status;
}

}  // namespace hookline::cli
