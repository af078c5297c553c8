#include "callout/server_options.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "dhcpssdk.h"

namespace hookline::callout {

namespace {

constexpr size_t kChaddrAt = 28;
// Microsoft's clients that look for rogue servers: vendor option 43 with these sub-options.
constexpr uint8_t kRogueRequest = 94;
constexpr uint8_t kRogueDomain = 95;

class Places {
 public:
  Places(const Packet& packet, size_t& joined_size)
      : packet_(packet), options_(packet.message.options), joined_size_(joined_size) {}

  OptionPlace find(uint8_t code, size_t size_min = 0) const {
    if (!options_.has(code)) return {};
    const Bytes value = options_.find(code);
    return value.size() >= size_min ? of(value) : OptionPlace{};
  }

  OptionPlace of(Bytes value) const {
    OptionPlace place;
    place.size = static_cast<uint16_t>(value.size());
    const Bytes request = packet_.request();
    const uint8_t* const p = value.data();
    if (p >= request.data() && p + value.size() <= request.data() + request.size()) {
      place.in = OptionPlace::In::Request;
      place.offset = static_cast<uint16_t>(p - request.data());
      return place;
    }
    const uint8_t* const joined = packet_.joined.data();
    CHECK(p >= joined && p + value.size() <= joined + packet_.joined.size(),
          "an option stands in the packet, or among the joined ones");
    place.in = OptionPlace::In::Joined;
    place.offset = static_cast<uint16_t>(p - joined);
    joined_size_ = std::max<size_t>(joined_size_, place.offset + value.size());
    return place;
  }

 private:
  const Packet& packet_;
  const OptionViews& options_;
  size_t& joined_size_;
};

// RFC 4702: flags, two codes, the name.
void describe_client_name(const Places& places, const Message& m, ServerOptions& out) {
  const Bytes value = m.options.find(option::kClientFqdn);
  if (!value.empty()) out.dns_flags = value[0];
  if (value.size() >= 3) out.dns_name = places.of(value.subspan(3));
}

void describe_rogue_detection(const Places& places, const Message& m, ServerOptions& out) {
  const Bytes vendor = m.options.find(option::kVendorSpecific);
  if (!as_text(m.options.find(option::kVendorClass)).starts_with("MSFT")) return;
  for (size_t i = 0; i + 2 <= vendor.size();) {
    const uint8_t code = vendor[i];
    const size_t size = vendor[i + 1];
    if (code == option::kEnd || i + 2 + size > vendor.size()) return;
    if (code == kRogueRequest) out.ds_domain_name_requested = true;
    if (code == kRogueDomain) out.ds_domain_name = places.of(vendor.subspan(i + 2, size));
    i += 2 + size;
  }
}

}  // namespace

void describe_options(const Packet& packet, ServerOptions& out, Bytes& joined) {
  const Message& m = packet.message;
  size_t joined_size = 0;
  const Places places(packet, joined_size);
  out = ServerOptions{};
  out.message_type = places.find(option::kMessageType, 1);
  out.subnet_mask = places.find(option::kSubnetMask, 4);
  out.requested_address = places.find(option::kRequestedAddress, 4);
  out.request_lease_time = places.find(option::kLeaseTime, 4);
  out.overlay_fields = places.find(option::kOverload, 1);
  out.router_address = places.find(option::kRouters, 4);
  out.server = places.find(option::kServerIdentifier, 4);
  out.parameter_request_list = places.find(option::kParameterRequestList);
  out.machine_name = places.find(option::kHostName);
  out.class_identifier = places.find(option::kUserClass);
  out.vendor_class = places.find(option::kVendorClass);
  out.hardware_type = m.hardware_type;
  out.hardware_size = m.hardware_size;
  if (m.hardware_size != 0) {
    out.client_hardware_address = places.of(packet.request().subspan(kChaddrAt, m.hardware_size));
  }
  describe_client_name(places, m, out);
  describe_rogue_detection(places, m, out);
  joined = Bytes(packet.joined.data(), joined_size);
}

void fill_server_options(const ServerOptions& from, uint8_t* request, uint8_t* joined,
                         DHCP_SERVER_OPTIONS& out) {
  const auto at = [&](const OptionPlace& place) -> uint8_t* {
    if (place.in == OptionPlace::In::Absent) return nullptr;
    return (place.in == OptionPlace::In::Request ? request : joined) + place.offset;
  };
  const auto address = [&](const OptionPlace& place) {
    return reinterpret_cast<DHCP_IP_ADDRESS*>(at(place));
  };
  const auto text = [&](const OptionPlace& place) { return reinterpret_cast<CHAR*>(at(place)); };
  // With its padding: some readers take a BOOLEAN for four bytes.
  std::memset(&out, 0, sizeof out);
  out.MessageType = at(from.message_type);
  out.SubnetMask = address(from.subnet_mask);
  out.RequestedAddress = address(from.requested_address);
  out.RequestLeaseTime = address(from.request_lease_time);
  out.OverlayFields = at(from.overlay_fields);
  out.RouterAddress = address(from.router_address);
  out.Server = address(from.server);
  out.ParameterRequestList = at(from.parameter_request_list);
  out.ParameterRequestListLength = from.parameter_request_list.size;
  out.MachineName = text(from.machine_name);
  out.MachineNameLength = from.machine_name.size;
  out.ClientHardwareAddressType = from.hardware_type;
  out.ClientHardwareAddressLength = from.hardware_size;
  out.ClientHardwareAddress = at(from.client_hardware_address);
  out.ClassIdentifier = text(from.class_identifier);
  out.ClassIdentifierLength = from.class_identifier.size;
  out.VendorClass = at(from.vendor_class);
  out.VendorClassLength = from.vendor_class.size;
  out.DNSFlags = from.dns_flags;
  out.DNSName = at(from.dns_name);
  out.DNSNameLength = from.dns_name.size;
  out.DSDomainNameRequested = from.ds_domain_name_requested ? 1 : 0;
  out.DSDomainName = text(from.ds_domain_name);
  out.DSDomainNameLen = from.ds_domain_name.size;
}

}  // namespace hookline::callout
