// The filter engine's state as rows.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <numeric>

#include "control/protocol.h"
#include "control/text.h"

namespace hookline::control {

namespace json = boost::json;

namespace {

std::string shown(std::string_view text) { return printable(as_bytes(text)); }

json::value shown_or_null(std::string_view text) {
  return text.empty() ? json::value() : json::value(shown(text));
}

json::value row_of(const DriverRow& driver, const std::string& running) {
  json::array devices;
  for (const std::string& name : driver.devices) devices.emplace_back(name);
  return json::object{{"kind", "driver"},
                      {"name", shown(driver.name)},
                      {"state", driver.state},
                      {"required", driver.required},
                      {"breaches", driver.breaches},
                      {"inside", driver.name == running},
                      {"devices", std::move(devices)},
                      {"path", shown(driver.path)},
                      {"why", shown_or_null(driver.why)}};
}

json::value row_of(const filter::Report::SubLayerLine& sublayer) {
  return json::object{{"kind", "sublayer"},
                      {"name", shown(sublayer.name)},
                      {"weight", sublayer.weight},
                      {"filters", sublayer.filters},
                      {"key", sublayer.key}};
}

json::value row_of(const filter::Report::CalloutLine& callout, std::string_view driver) {
  return json::object{{"kind", "callout"},
                      {"name", shown_or_null(callout.name)},
                      {"driver", shown_or_null(driver)},
                      {"layer", callout.layer.empty() ? json::value() : json::value(callout.layer)},
                      {"id", callout.id},
                      {"registered", callout.registered},
                      {"calls", callout.calls},
                      {"permitted", callout.permitted},
                      {"blocked", callout.blocked},
                      {"absorbed", callout.absorbed},
                      {"breaches", callout.breaches},
                      {"key", callout.key}};
}

json::value row_of(const filter::Report::FilterLine& filter) {
  return json::object{{"kind", "filter"},
                      {"name", shown(filter.name)},
                      {"layer", filter.layer},
                      {"sublayer", shown(filter.sublayer)},
                      {"action", filter.action},
                      {"callout", shown_or_null(filter.callout)},
                      {"weight", filter.weight},
                      {"hits", filter.hits},
                      {"permitted", filter.permitted},
                      {"blocked", filter.blocked},
                      {"absorbed", filter.absorbed},
                      {"forgotten", filter.forgotten},
                      {"id", filter.id},
                      {"key", filter.key}};
}

json::value row_of(const filter::Report::LayerLine& layer) {
  return json::object{{"kind", "layer"},
                      {"name", layer.name},
                      {"classified", layer.classified},
                      {"blocked", layer.blocked},
                      {"absorbed", layer.absorbed}};
}

json::value row_of(const filter::FlowReport& flows) {
  return json::object{{"kind", "flows"},
                      {"name", "flows"},
                      {"udp", flows.udp},
                      {"tcp", flows.tcp},
                      {"contexts", flows.contexts},
                      {"pended", flows.pended},
                      {"opened", flows.opened},
                      {"refused_flows", flows.blocked},
                      {"reauthorized", flows.reauthorized},
                      {"pended_in_all", flows.pended_in_all},
                      {"expired", flows.expired},
                      {"displaced", flows.displaced},
                      {"aborted", flows.aborted},
                      {"contexts_deleted", flows.contexts_deleted}};
}

json::value row_of(const filter::StreamReport& streams) {
  return json::object{{"kind", "streams"},
                      {"name", "streams"},
                      {"open", streams.open},
                      {"opened", streams.opened},
                      {"refused", streams.refused},
                      {"indications", streams.indications},
                      {"indicated_bytes", streams.indicated_bytes},
                      {"blocked_bytes", streams.blocked_bytes},
                      {"gathered", streams.gathered},
                      {"deferred", streams.deferred},
                      {"continued", streams.continued},
                      {"dropped", streams.dropped},
                      {"injected", streams.injected},
                      {"injected_bytes", streams.injected_bytes},
                      {"ended", streams.ended},
                      {"failed", streams.failed}};
}

json::value row_of(const inject::HandleReport& handle) {
  json::object row{
      {"kind", "injection"},
      {"name", fmt::format("{:x}", handle.handle)},
      {"driver", shown(handle.driver)},
      {"injected", std::accumulate(handle.injected.begin(), handle.injected.end(), uint64_t{0})},
      {"in_flight", handle.in_flight},
      {"refused", handle.refused},
      {"loops_cut", handle.loops_cut},
      {"too_many", handle.too_many},
      {"closing", handle.closing}};
  for (size_t i = 0; i < inject::kEndCount; ++i) {
    row[inject::end_name(static_cast<inject::End>(i))] = handle.ended[i];
  }
  for (size_t i = 0; i < inject::kKindCount; ++i) {
    row[inject::kind_name(static_cast<inject::Kind>(i))] = handle.injected[i];
  }
  return row;
}

}  // namespace

json::array filter_rows(const FilterView& view) {
  json::array rows;
  for (const DriverRow& driver : view.drivers) rows.push_back(row_of(driver, view.running));
  for (const auto& sublayer : view.filter.sublayers) rows.push_back(row_of(sublayer));
  for (const auto& callout : view.filter.callouts) {
    rows.push_back(row_of(callout, view.driver_of(callout)));
  }
  for (const auto& filter : view.filter.filters) rows.push_back(row_of(filter));
  for (const auto& layer : view.filter.layers) rows.push_back(row_of(layer));
  if (view.filter.flows.any()) rows.push_back(row_of(view.filter.flows));
  if (view.filter.streams.opened != 0) rows.push_back(row_of(view.filter.streams));
  for (const auto& handle : view.injections.handles) rows.push_back(row_of(handle));
  if (view.injections.replies.handle != 0) rows.push_back(row_of(view.injections.replies));
  return rows;
}

json::value to_json(const IoctlAnswer& answer) {
  return json::object{{"status", answer.status},
                      {"status_text", answer.status_text},
                      {"data", to_hex(answer.data)}};
}

Result<IoctlRequest> parse_ioctl(const json::object& args) {
  const auto wrong = [](const char* text) { return fail(ErrorKind::Invalid, text); };
  if (auto known = check_members(args, {"name", "code", "data"}); !known) {
    return tl::unexpected(known.error());
  }
  IoctlRequest request;
  const json::value* name = args.if_contains("name");
  if (name == nullptr || !name->is_string() || name->get_string().empty()) {
    return wrong("'name' has to be a driver's or a device's name");
  }
  request.name = name->get_string().c_str();
  const json::value* code = args.if_contains("code");
  if (code == nullptr || !code->is_int64() || code->get_int64() < 0 ||
      code->get_int64() > UINT32_MAX) {
    return wrong("'code' has to be a number from 0 to 4294967295");
  }
  request.code = static_cast<uint32_t>(code->get_int64());
  const json::value* data = args.if_contains("data");
  if (data == nullptr) return request;
  const auto bytes = data->is_string() ? from_hex(data->get_string().c_str()) : std::nullopt;
  if (!bytes) return wrong("'data' has to be bytes in hex");
  request.input = *bytes;
  return request;
}

}  // namespace hookline::control
