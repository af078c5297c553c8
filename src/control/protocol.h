// The language of the control socket: one JSON object a line, each way.
//
//   → {"v":1,"id":7,"call":"leases","args":{"scope":"office"}}
//   ← {"v":1,"id":7,"ok":true,"more":true,"result":[…]}     any number of pages
//   ← {"v":1,"id":7,"ok":true,"result":[…]}                 the last one has no "more"
//   ← {"v":1,"id":7,"ok":false,"error":{"kind":"missing","text":"…"}}
//
// docs/operating.md lists the calls. Unknown members and arguments are refused, so that a misspelt
// filter never means "all".
#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "control/service.h"

namespace hookline::control {

inline constexpr int64_t kProtocolVersion = 1;
inline constexpr int kRequestDepthMax = 4;
// Rows or bytes of one page: large enough to be cheap, small enough to keep memory bounded.
inline constexpr size_t kPageRowsMax = 256;
inline constexpr size_t kPageTextBytesMax = 64 * 1024;

struct CallRequest {
  boost::json::value id;  // a number, a short string, or null: goes back as it came
  std::string call;
  boost::json::object args;
};

// `line` is hostile. On an error `id` is what could be read of it.
Result<CallRequest> parse_request(std::string_view line, boost::json::value& id);

// Lines, each with its '\n'.
std::string result_line(const boost::json::value& id, boost::json::value result, bool more);
std::string error_line(const boost::json::value& id, const Error& error);

std::string_view error_kind_name(ErrorKind kind);
ErrorKind error_kind_of(std::string_view name);  // Io for a name of a later version

Result<LeaseFilter> parse_lease_filter(const boost::json::object& args);
Result<Ipv4> parse_address(const boost::json::object& args);
struct IoctlRequest {
  std::string name;
  uint32_t code = 0;
  std::vector<uint8_t> input;
};
Result<IoctlRequest> parse_ioctl(const boost::json::object& args);
// Refuses members that are not in `known`.
Result<void> check_members(const boost::json::object& args,
                           std::initializer_list<std::string_view> known);

boost::json::value to_json(const Status& status, const Counters& counters);
boost::json::value to_json(const LeaseRow& row);
boost::json::value to_json(const ScopeRow& row);
boost::json::value to_json(const CalloutRow& row);
boost::json::value to_json(const CalloutFaultRow& row);
// One row for each driver, sublayer, callout, filter, layer and injection handle, in this order;
// "kind" says which it is.
boost::json::array filter_rows(const FilterView& view);
boost::json::value to_json(const IoctlAnswer& answer);
boost::json::value drops_json(const Counters& counters);

}  // namespace hookline::control
