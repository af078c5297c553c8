#include "control/protocol.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>

#include "control/text.h"

namespace hookline::control {

namespace json = boost::json;

namespace {

constexpr size_t kIdBytesMax = 64;

struct KindName {
  ErrorKind kind;
  std::string_view name;
};
constexpr std::array<KindName, 6> kKindNames = {{{ErrorKind::Invalid, "invalid"},
                                                 {ErrorKind::NoSpace, "no-space"},
                                                 {ErrorKind::Busy, "busy"},
                                                 {ErrorKind::Missing, "missing"},
                                                 {ErrorKind::Corrupt, "corrupt"},
                                                 {ErrorKind::Io, "io"}}};

bool is_id(const json::value& value) {
  if (value.is_string()) return value.get_string().size() <= kIdBytesMax;
  return value.is_null() || value.is_int64() || value.is_uint64();
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

tl::unexpected<Error> invalid(std::string text) {
  return fail(ErrorKind::Invalid, std::move(text));
}

// The text of an argument; empty when it is absent.
Result<std::string_view> text_argument(const json::object& args, std::string_view name) {
  const json::value* value = args.if_contains(json::string_view(name.data(), name.size()));
  if (value == nullptr) return std::string_view{};
  if (!value->is_string() || value->get_string().empty()) {
    return invalid(fmt::format("'{}' has to be a text that is not empty", name));
  }
  return view(value->get_string());
}

json::object by_type(const std::array<Counter, kMessageTypeCount>& counters) {
  json::object object;
  for (size_t i = 0; i < counters.size(); ++i) {
    if (counters[i].value() == 0) continue;
    object[message_type_name(static_cast<MessageType>(i))] = counters[i].value();
  }
  return object;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

json::array interfaces_json(const Status& status) {
  json::array rows;
  for (const InterfaceRow& row : status.interfaces) {
    json::array addresses;
    for (Ipv4 address : row.addresses) addresses.emplace_back(address.text());
    rows.push_back({{"name", printable(as_bytes(row.name))},
                    {"index", row.ifindex},
                    {"up", row.up},
                    {"mac", row.mac.text()},
                    {"addresses", std::move(addresses)}});
  }
  return rows;
}

json::array texts_json(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.emplace_back(printable(as_bytes(text)));
  return out;
}

json::object counters_json(const Counters& counters) {
  uint64_t dropped = 0;
  for (const Counter& drop : counters.drops) dropped += drop.value();
  return {{"received", by_type(counters.received)},
          {"sent", by_type(counters.sent)},
          {"frames_received", counters.frames_received.value()},
          {"packets_entered", counters.packets_entered.value()},
          {"packets_completed", counters.packets_completed.value()},
          {"dropped", dropped},
          {"send_failures", counters.send_failures.value()},
          {"leases_granted", counters.leases_granted.value()},
          {"leases_renewed", counters.leases_renewed.value()},
          {"leases_released", counters.leases_released.value()},
          {"leases_declined", counters.leases_declined.value()},
          {"leases_conflicted", counters.leases_conflicted.value()},
          {"leases_expired", counters.leases_expired.value()},
          {"commits", counters.commits.value()},
          {"records_committed", counters.records_committed.value()},
          {"commit_seconds", static_cast<double>(counters.commit_ns.value()) / 1e9},
          {"turns", counters.turns.value()}};
}

json::object queries_json(const Status& status, const QueryCounters& queries) {
  return {{"listening", texts_json(status.query_listeners)},
          {"connections", queries.opened.value() - queries.closed.value()},
          {"subscribers", queries.active.value() - queries.active_ended.value()},
          {"answers", queries.answers.value()}};
}

}  // namespace

std::string_view error_kind_name(ErrorKind kind) {
  for (const KindName& known : kKindNames) {
    if (known.kind == kind) return known.name;
  }
  return "io";
}

ErrorKind error_kind_of(std::string_view name) {
  for (const KindName& known : kKindNames) {
    if (known.name == name) return known.kind;
  }
  return ErrorKind::Io;
}

Result<void> check_members(const json::object& args,
                           std::initializer_list<std::string_view> known) {
  for (const auto& member : args) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string expected;
    for (std::string_view k : known)
      expected += fmt::format("{}'{}'", expected.empty() ? "" : ", ", k);
    return invalid(fmt::format("'{}' is not known here; expected {}", printable(as_bytes(name)),
                               expected.empty() ? "nothing" : expected));
  }
  return {};
}

Result<CallRequest> parse_request(std::string_view line, json::value& id) {
  id = nullptr;
  json::parse_options options;
  options.max_depth = kRequestDepthMax;
  json::error_code error;
  json::value value = json::parse(json::string_view(line.data(), line.size()), error, {}, options);
  if (error) return invalid(fmt::format("not a line of JSON: {}", error.message()));
  if (!value.is_object()) return invalid("a request is a JSON object");
  json::object& object = value.get_object();
  if (const json::value* given = object.if_contains("id")) {
    if (!is_id(*given))
      return invalid("'id' has to be a whole number or a text of at most 64 bytes");
    id = *given;
  }
  const json::value* version = object.if_contains("v");
  if (version == nullptr || !version->is_int64() || version->get_int64() != kProtocolVersion) {
    return invalid(fmt::format("'v' has to be {}: this server speaks that version of the protocol",
                               kProtocolVersion));
  }
  if (auto known = check_members(object, {"v", "id", "call", "args"}); !known) {
    return tl::unexpected(known.error());
  }
  const json::value* call = object.if_contains("call");
  if (call == nullptr || !call->is_string()) return invalid("'call' has to name a call");
  CallRequest request{id, std::string(view(call->get_string())), {}};
  if (json::value* args = object.if_contains("args")) {
    if (!args->is_object()) return invalid("'args' has to be a JSON object");
    request.args = std::move(args->get_object());
  }
  return request;
}

std::string result_line(const json::value& id, json::value result, bool more) {
  json::object object = {{"v", kProtocolVersion}, {"id", id}, {"ok", true}};
  if (more) object["more"] = true;
  object["result"] = std::move(result);
  return json::serialize(object) + "\n";
}

std::string error_line(const json::value& id, const Error& error) {
  // Errors may quote what others wrote, a path or a configuration: make it valid text, keep lines.
  std::string text;
  for (size_t start = 0; start <= error.text.size();) {
    const size_t end = std::min(error.text.find('\n', start), error.text.size());
    std::string_view part = std::string_view(error.text).substr(start, end - start);
    const bool ascii =
        std::all_of(part.begin(), part.end(), [](char c) { return c >= 32 && c < 127; });
    text += ascii ? std::string(part) : printable(as_bytes(part));
    if (end < error.text.size()) text += '\n';
    start = end + 1;
  }
  const json::object object = {{"v", kProtocolVersion},
                               {"id", id},
                               {"ok", false},
                               {"error", {{"kind", error_kind_name(error.kind)}, {"text", text}}}};
  return json::serialize(object) + "\n";
}

Result<LeaseFilter> parse_lease_filter(const json::object& args) {
  if (auto known = check_members(args, {"scope", "address", "hw_address", "client_id", "state"});
      !known) {
    return tl::unexpected(known.error());
  }
  LeaseFilter filter;
  const auto scope = text_argument(args, "scope");
  const auto address = text_argument(args, "address");
  const auto hardware = text_argument(args, "hw_address");
  const auto client = text_argument(args, "client_id");
  const auto state = text_argument(args, "state");
  for (const auto* argument : {&scope, &address, &hardware, &client, &state}) {
    if (!*argument) return tl::unexpected(argument->error());
  }
  if (!scope->empty()) filter.scope = std::string(*scope);
  if (!address->empty() && !(filter.address = Ipv4::parse(*address))) {
    return invalid("'address' has to be an IPv4 address, as 10.77.0.100");
  }
  if (!hardware->empty() && !(filter.hardware_address = parse_hardware_address(*hardware))) {
    return invalid("'hw_address' has to be a hardware address, as 02:00:00:00:00:07");
  }
  if (!client->empty() && !(filter.client_id = parse_id(*client))) {
    return invalid("'client_id' has to be text or hex:… of at most 255 bytes");
  }
  if (!state->empty() && !(filter.state = parse_lease_state(*state))) {
    return invalid("'state' has to be active, released, expired, declined or free");
  }
  return filter;
}

Result<Ipv4> parse_address(const json::object& args) {
  if (auto known = check_members(args, {"address"}); !known) return tl::unexpected(known.error());
  const auto text = text_argument(args, "address");
  if (!text) return tl::unexpected(text.error());
  const auto address = Ipv4::parse(*text);
  if (!address) return invalid("'address' has to be an IPv4 address, as 10.77.0.100");
  return *address;
}

json::value to_json(const Status& status, const Counters& counters) {
  json::object leases;
  for (size_t i = 0; i < kLeaseStateCount; ++i) {
    leases[lease_state_name(static_cast<LeaseState>(i))] = status.leases[i];
  }
  const JournalStatus& journal = status.journal;
  return json::object{
      {"version", status.version},
      {"pid", status.pid},
      {"now", time_text(status.now_s)},
      {"started", time_text(status.started_s)},
      {"uptime_s", status.uptime_s},
      {"state", serving_state_name(status.state)},
      {"why", text_or_null(printable(as_bytes(status.why)))},
      {"interfaces", interfaces_json(status)},
      {"scopes", status.scopes},
      {"leases", std::move(leases)},
      {"offers", status.offers},
      {"packets_in_flight", status.packets_in_flight},
      {"journal",
       {{"directory", printable(as_bytes(journal.directory))},
        {"bytes", journal.bytes},
        {"segments", journal.segments},
        {"sequence", journal.sequence},
        {"last_snapshot", time_text(journal.last_snapshot_s)},
        {"failed", text_or_null(printable(as_bytes(journal.failed)))}}},
      {"config",
       {{"path", printable(as_bytes(status.config_path))},
        {"loaded", time_text(status.config_loaded_s)}}},
      {"callouts",
       {{"loaded", texts_json(status.callouts)},
        {"away", texts_json(status.callouts_away)},
        {"missing", texts_json(status.callouts_missing)}}},
      {"drivers",
       {{"loaded", texts_json(status.drivers)}, {"missing", texts_json(status.drivers_missing)}}},
      {"leasequery", queries_json(status, counters.queries)},
      {"counters", counters_json(counters)}};
}

json::value to_json(const LeaseRow& row) {
  return json::object{{"address", row.address.text()},
                      {"state", lease_state_name(row.state)},
                      {"scope", text_or_null(row.scope)},
                      {"hw_type", row.hardware_type},
                      {"hw_address", text_or_null(id_text(row.hardware_address))},
                      {"client_id", text_or_null(id_text(row.client_id))},
                      {"hostname", text_or_null(printable(row.hostname))},
                      {"start", time_text(row.start_s)},
                      {"expiry", time_text(row.expiry_s)},
                      {"last_transaction", time_text(row.last_transaction_s)},
                      {"circuit_id", text_or_null(id_text(row.circuit_id))},
                      {"remote_id", text_or_null(id_text(row.remote_id))},
                      {"bootp", row.bootp}};
}

json::value to_json(const ScopeRow& row) {
  return json::object{{"id", row.id},
                      {"subnet", row.subnet.text()},
                      {"superscope", text_or_null(row.superscope)},
                      {"total", row.total},
                      {"active", row.active},
                      {"offered", row.offered},
                      {"declined", row.declined},
                      {"reserved", row.reserved},
                      {"free", row.free},
                      {"released", row.released},
                      {"expired", row.expired},
                      {"outside", row.outside},
                      {"used_percent", std::round(row.used_percent() * 10) / 10}};
}

json::value to_json(const CalloutRow& row) {
  // To a tenth of a microsecond: finer than the clock is exact.
  const auto us = [](uint64_t ns) { return std::round(static_cast<double>(ns) / 100) / 10; };
  return json::object{{"callout", printable(as_bytes(row.callout))},
                      {"path", printable(as_bytes(row.path))},
                      {"host", row.host},
                      {"state", row.state},
                      {"version", row.version},
                      {"hook", row.hook},
                      {"calls", row.calls},
                      {"total_us", us(row.total_ns)},
                      {"p50_us", us(row.p50_ns)},
                      {"p99_us", us(row.p99_ns)},
                      {"max_us", us(row.max_ns)},
                      {"slow", row.slow},
                      {"refused", row.refused},
                      {"suppressed", row.suppressed},
                      {"breaches", row.breaches},
                      {"faults", row.faults}};
}

json::value to_json(const CalloutFaultRow& row) {
  return json::object{{"time", time_text(row.wall_s)},
                      {"callout", printable(as_bytes(row.callout))},
                      {"hook", row.hook},
                      {"what", printable(as_bytes(row.what))},
                      {"request", to_hex(row.request)}};
}

json::value drops_json(const Counters& counters) {
  json::array rows;
  for (const DropInfo& info : kDrops) {
    rows.push_back(
        {{"reason", info.counter},
         {"count", counters.drops[static_cast<size_t>(info.drop)].value()},
         {"dhcp_code", info.dhcp_code == 0 ? json::value() : json::value(info.dhcp_code)},
         {"text", info.text}});
  }
  return rows;
}

}  // namespace hookline::control
