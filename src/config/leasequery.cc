// [leasequery]: who may ask, and where.
#include "config/leasequery.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/limits.h"

namespace hookline::config {

namespace {

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || at != end || port == 0) return std::nullopt;
  return port;
}

// "10.77.0.1:67", "10.77.0.1", ":67", "67".
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.find(':');
  std::string_view address = colon == std::string_view::npos ? text : text.substr(0, colon);
  std::string_view port = colon == std::string_view::npos ? "67" : text.substr(colon + 1);
  if (colon == std::string_view::npos && text.find('.') == std::string_view::npos) {
    address = {};
    port = text;
  }
  Endpoint out;
  if (!address.empty()) {
    const auto parsed = Ipv4::parse(address);
    if (!parsed || *parsed == kBroadcast) return std::nullopt;
    out.address = *parsed;
  }
  const auto number = parse_port(port);
  if (!number) return std::nullopt;
  out.port = *number;
  return out;
}

bool overlap(const Endpoint& a, const Endpoint& b) {
  return a.port == b.port && (!a.address || !b.address || a.address == b.address);
}

void decode_allow(const Reader& reader, Problems& problems, LeaseQueryConfig& out) {
  for (const Placed<std::string>& text : reader.texts("allow")) {
    const auto address = Ipv4::parse(text.value);
    const std::optional<Prefix> network =
        address ? std::optional(Prefix{*address, 32}) : Prefix::parse(text.value);
    if (network) {
      out.allow.push_back(*network);
    } else {
      problems.error(text.at, "allow: " + in_quotes(text.value) +
                                  ": expected an address or a network such as \"192.0.2.0/24\"");
    }
  }
}

void decode_listen(const Reader& reader, Problems& problems, LeaseQueryConfig& out) {
  for (const Placed<std::string>& text : reader.values("listen")) {
    const auto endpoint = parse_endpoint(text.value);
    const auto taken = [&](const Endpoint& other) { return overlap(other, *endpoint); };
    if (!endpoint) {
      problems.error(text.at, "listen: " + in_quotes(text.value) +
                                  ": expected an address, a port or both, such as "
                                  "\"10.77.0.1:67\"");
    } else if (std::ranges::any_of(out.listen, taken)) {
      problems.error(text.at, "listen: " + in_quotes(text.value) + " is listened at already");
    } else if (out.listen.size() == kQueryListenersMax) {
      problems.error(text.at, fmt::format("listen: more than {} addresses", kQueryListenersMax));
      return;
    } else {
      out.listen.push_back(*endpoint);
    }
  }
}

}  // namespace

LeaseQueryConfig decode_leasequery(const Reader& reader, Problems& problems) {
  LeaseQueryConfig out;
  decode_allow(reader, problems, out);
  decode_listen(reader, problems, out);
  if (!out.listen.empty() && out.allow.empty() && !reader.has("allow")) {
    problems.warning({}, "[leasequery] has listen and no allow: nobody may ask");
  }
  return out;
}

}  // namespace hookline::config
