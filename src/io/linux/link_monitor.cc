#include "io/linux/link_monitor.h"

#include <fnmatch.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace hookline::io {
namespace {

constexpr uint32_t kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_NEIGH;
constexpr uint16_t kUsableStates =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

// By type; null: absent.
using Attributes = std::array<const nlattr*, 64>;

Attributes attributes_between(const void* first, const void* end) {
  Attributes found{};
  const auto* attribute = static_cast<const nlattr*>(first);
  const auto left = [&] {
    return static_cast<int>(static_cast<const char*>(end) -
                            reinterpret_cast<const char*>(attribute));
  };
  for (; mnl_attr_ok(attribute, left()); attribute = mnl_attr_next(attribute)) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type < found.size()) found[type] = attribute;
  }
  return found;
}

Attributes attributes_of(const nlmsghdr& message, size_t header_bytes) {
  return attributes_between(mnl_nlmsg_get_payload_offset(&message, header_bytes),
                            mnl_nlmsg_get_payload_tail(&message));
}

Attributes attributes_in(const nlattr* parent) {
  if (parent == nullptr) return {};
  const auto* const first = static_cast<const char*>(mnl_attr_get_payload(parent));
  return attributes_between(first, first + mnl_attr_get_payload_len(parent));
}

bool has_header(const nlmsghdr& message, size_t header_bytes) {
  return mnl_nlmsg_get_payload_len(&message) >= header_bytes;
}

std::optional<Ipv4> ipv4_of(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != 4) return std::nullopt;
  return Ipv4::load(static_cast<const uint8_t*>(mnl_attr_get_payload(attribute)));
}

std::optional<MacAddress> mac_of(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != 6) return std::nullopt;
  MacAddress mac;
  std::memcpy(mac.octets.data(), mnl_attr_get_payload(attribute), mac.octets.size());
  return mac;
}

std::optional<uint32_t> u32_of(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != 4) return std::nullopt;
  return mnl_attr_get_u32(attribute);
}

std::string text_of(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* const text = static_cast<const char*>(mnl_attr_get_payload(attribute));
  return {text, ::strnlen(text, mnl_attr_get_payload_len(attribute))};
}

// An interface of whatever kind, before it is known whether it is served.
struct KnownLink {
  Link link;
  bool is_ethernet = false;
  bool is_port = false;  // of a bridge or bond
  size_t primaries = 0;  // how many addresses are; they come first
  uint32_t parent = 0;   // of a VLAN interface
  uint16_t vlan = 0;
};

KnownLink read_link(const nlmsghdr& message) {
  const auto* const header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes attributes = attributes_of(message, sizeof *header);
  KnownLink known;
  known.link.ifindex = static_cast<uint32_t>(header->ifi_index);
  known.link.name = text_of(attributes[IFLA_IFNAME]);
  known.link.mac = mac_of(attributes[IFLA_ADDRESS]).value_or(MacAddress{});
  known.link.mtu = u32_of(attributes[IFLA_MTU]).value_or(known.link.mtu);
  known.link.up = (header->ifi_flags & IFF_UP) != 0 && (header->ifi_flags & IFF_RUNNING) != 0;
  known.is_ethernet = header->ifi_type == ARPHRD_ETHER && (header->ifi_flags & IFF_LOOPBACK) == 0;
  const Attributes info = attributes_in(attributes[IFLA_LINKINFO]);
  known.is_port =
      attributes[IFLA_MASTER] != nullptr && text_of(info[IFLA_INFO_SLAVE_KIND]) != "vrf";
  if (text_of(info[IFLA_INFO_KIND]) == "vlan") {
    const nlattr* const id = attributes_in(info[IFLA_INFO_DATA])[IFLA_VLAN_ID];
    known.parent = u32_of(attributes[IFLA_LINK]).value_or(0);
    if (id != nullptr && mnl_attr_get_payload_len(id) == 2) known.vlan = mnl_attr_get_u16(id);
  }
  return known;
}

void add_address(const nlmsghdr& message, std::vector<KnownLink>& links) {
  const auto* const header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes attributes = attributes_of(message, sizeof *header);
  // On a point-to-point link IFA_LOCAL is ours and IFA_ADDRESS the other end's.
  const auto subnet = ipv4_of(attributes[IFA_ADDRESS]);
  const auto local = ipv4_of(attributes[IFA_LOCAL]);
  if ((!local && !subnet) || header->ifa_prefixlen > 32) return;
  Prefix network{{}, header->ifa_prefixlen};
  network.base = {subnet.value_or(local.value_or(Ipv4{})).value & network.mask()};
  const LinkAddress address{local ? *local : *subnet, network};
  for (KnownLink& known : links) {
    if (known.link.ifindex != header->ifa_index) continue;
    if ((header->ifa_flags & IFA_F_SECONDARY) != 0) {
      known.link.addresses.push_back(address);
    } else {
      auto& all = known.link.addresses;
      all.insert(all.begin() + static_cast<ptrdiff_t>(known.primaries++), address);
    }
    return;
  }
}

bool same(const Link& a, const Link& b) {
  const auto same_address = [](const LinkAddress& x, const LinkAddress& y) {
    return x.address == y.address && x.network == y.network;
  };
  return a.ifindex == b.ifindex && a.name == b.name && a.mac == b.mac && a.mtu == b.mtu &&
         a.up == b.up && a.vlans == b.vlans &&
         std::equal(a.addresses.begin(), a.addresses.end(), b.addresses.begin(), b.addresses.end(),
                    same_address);
}

bool same(const LinkTable& a, const LinkTable& b) {
  return std::equal(a.links.begin(), a.links.end(), b.links.begin(), b.links.end(),
                    [](const Link& x, const Link& y) { return same(x, y); });
}

uint64_t neighbour_key(uint32_t ifindex, Ipv4 address) {
  return uint64_t{ifindex} << 32 | address.value;
}

// Precise enough for a trust of seconds, and no system call.
int64_t coarse_now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

bool is_pattern(const std::string& name) { return name.find_first_of("*?[") != std::string::npos; }

}  // namespace

Result<std::unique_ptr<LinuxLinkMonitor>> LinuxLinkMonitor::open(
    std::vector<std::string> interfaces, int64_t neighbour_trust_ns) {
  // Notifications first: what changes during the first reading is seen by the next changed().
  auto notifications = NetlinkSocket::open(kGroups);
  if (!notifications) return tl::unexpected(notifications.error());
  auto requests = NetlinkSocket::open(0);
  if (!requests) return tl::unexpected(requests.error());
  std::unique_ptr<LinuxLinkMonitor> monitor(
      new LinuxLinkMonitor(std::move(interfaces), std::move(*notifications), std::move(*requests)));
  monitor->neighbour_trust_ns_ = neighbour_trust_ns;
  monitor->changed();
  if (!monitor->failure_.empty()) return fail(ErrorKind::Io, monitor->failure_);
  return monitor;
}

LinuxLinkMonitor::LinuxLinkMonitor(std::vector<std::string> interfaces, NetlinkSocket notifications,
                                   NetlinkSocket requests)
    : interfaces_(std::move(interfaces)),
      notifications_(std::move(notifications)),
      requests_(std::move(requests)),
      table_(std::make_unique<LinkTable>()) {
  neighbours_.reserve(kNeighboursMax);
  routes_.reserve(kRoutesMax);
}

void LinuxLinkMonitor::set_interfaces(std::vector<std::string> interfaces) {
  interfaces_ = std::move(interfaces);
  links_stale_ = true;
}

std::vector<std::string> LinuxLinkMonitor::missing() const {
  std::vector<std::string> names;
  for (const std::string& name : interfaces_) {
    const bool found = std::any_of(table_->links.begin(), table_->links.end(),
                                   [&](const Link& link) { return link.name == name; });
    if (!found && !is_pattern(name)) names.push_back(name);
  }
  return names;
}

bool LinuxLinkMonitor::changed() {
  const auto drained = notifications_.drain([this](const nlmsghdr& m) { take_notification(m); });
  if (drained == NetlinkSocket::Drained::Lost) {
    links_stale_ = true;
    neighbours_stale_ = true;
    routes_.clear();
  }
  failure_.clear();
  if (neighbours_stale_) {
    const auto read = read_neighbours();
    neighbours_stale_ = !read;
    if (!read) failure_ = read.error().text;
  }
  if (!links_stale_) return false;
  auto table = read_table();
  if (!table) {
    failure_ = table.error().text;
    return false;
  }
  links_stale_ = false;
  if (same(**table, *table_)) return false;
  previous_ = std::move(table_);
  table_ = std::move(*table);
  return true;
}

void LinuxLinkMonitor::take_notification(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
      links_stale_ = true;
      routes_.clear();
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      routes_.clear();
      break;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      apply_neighbour(message);
      break;
    default:
      break;
  }
}

Result<void> LinuxLinkMonitor::read_neighbours() {
  return requests_.dump(
      RTM_GETNEIGH, [this] { neighbours_.clear(); },
      [this](const nlmsghdr& message) { apply_neighbour(message); });
}

void LinuxLinkMonitor::apply_neighbour(const nlmsghdr& message) {
  if (!has_header(message, sizeof(ndmsg))) return;
  const auto* const header = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  if (header->ndm_family != AF_INET) return;
  const Attributes attributes = attributes_of(message, sizeof *header);
  const auto address = ipv4_of(attributes[NDA_DST]);
  if (!address) return;
  const uint64_t key = neighbour_key(static_cast<uint32_t>(header->ndm_ifindex), *address);
  const auto mac = mac_of(attributes[NDA_LLADDR]);
  const bool usable =
      message.nlmsg_type == RTM_NEWNEIGH && mac && (header->ndm_state & kUsableStates) != 0;
  if (!usable) {
    neighbours_.erase(key);
    return;
  }
  // A full table: the kernel sends to those that are not in it.
  if (neighbours_.size() == kNeighboursMax && !neighbours_.contains(key)) return;
  neighbours_.insert_or_assign(key, Neighbour{*mac, (header->ndm_state & NUD_PERMANENT) != 0,
                                              coarse_now_ns() + neighbour_trust_ns_});
}

bool LinuxLinkMonitor::is_served(const std::string& name, bool is_port) const {
  return std::any_of(interfaces_.begin(), interfaces_.end(), [&](const std::string& wanted) {
    if (!is_pattern(wanted)) return wanted == name;
    return !is_port && ::fnmatch(wanted.c_str(), name.c_str(), 0) == 0;
  });
}

Result<std::unique_ptr<LinkTable>> LinuxLinkMonitor::read_table() {
  std::vector<KnownLink> all;
  auto read = requests_.dump(
      RTM_GETLINK, [&] { all.clear(); },
      [&](const nlmsghdr& message) {
        if (message.nlmsg_type == RTM_NEWLINK && has_header(message, sizeof(ifinfomsg))) {
          all.push_back(read_link(message));
        }
      });
  if (!read) return tl::unexpected(read.error());
  read = requests_.dump(
      RTM_GETADDR,
      [&] {
        for (KnownLink& known : all) {
          known.link.addresses.clear();
          known.primaries = 0;
        }
      },
      [&](const nlmsghdr& message) {
        if (message.nlmsg_type == RTM_NEWADDR && has_header(message, sizeof(ifaddrmsg))) {
          add_address(message, all);
        }
      });
  if (!read) return tl::unexpected(read.error());

  auto table = std::make_unique<LinkTable>();
  left_out_ = 0;
  for (KnownLink& known : all) {
    if (!known.is_ethernet || !is_served(known.link.name, known.is_port)) continue;
    if (table->links.size() == kInterfacesMax) {
      ++left_out_;
      continue;
    }
    for (const KnownLink& other : all) {
      if (other.vlan != 0 && other.parent == known.link.ifindex) {
        known.link.vlans.push_back(other.vlan);
      }
    }
    table->links.push_back(known.link);
  }
  return table;
}

std::optional<NextHop> LinuxLinkMonitor::resolve(Ipv4 to) {
  const std::optional<Route> route = find_route(to);
  if (!route) return std::nullopt;
  NextHop hop{route->ifindex, route->source, std::nullopt};
  if (route->by_kernel) return hop;
  const auto it =
      neighbours_.find(neighbour_key(route->ifindex, route->gateway ? route->gateway : to));
  if (it == neighbours_.end()) return hop;
  Neighbour& neighbour = it->second;
  const int64_t now = neighbour.permanent ? 0 : coarse_now_ns();
  if (!neighbour.permanent && now >= neighbour.trusted_until_ns) {
    neighbour.trusted_until_ns = now + neighbour_trust_ns_;
    return hop;
  }
  hop.mac = neighbour.mac;
  return hop;
}

std::optional<LinuxLinkMonitor::Route> LinuxLinkMonitor::find_route(Ipv4 to) {
  const auto it = routes_.find(to.value);
  if (it != routes_.end()) return it->second;
  Route route;
  if (ask_route(to, route) != 0) return std::nullopt;
  if (routes_.size() == kRoutesMax) routes_.clear();
  routes_.emplace(to.value, route);
  return route;
}

int LinuxLinkMonitor::ask_route(Ipv4 to, Route& route) {
  alignas(nlmsghdr) std::array<char, 256> storage{};
  nlmsghdr* const request = mnl_nlmsg_put_header(storage.data());
  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_REQUEST;
  auto* const header = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  header->rtm_family = AF_INET;
  header->rtm_dst_len = 32;
  std::array<uint8_t, 4> address;
  to.store(address.data());
  mnl_attr_put(request, RTA_DST, address.size(), address.data());
  int refused = ENETUNREACH;
  const int error = requests_.ask(*request, [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWROUTE || !has_header(message, sizeof(rtmsg))) return;
    const auto* const answer = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    // A broadcast, multicast or blackhole destination is no way to a relay or client.
    if (answer->rtm_type != RTN_UNICAST && answer->rtm_type != RTN_LOCAL) return;
    const Attributes attributes = attributes_of(message, sizeof *answer);
    route.ifindex = u32_of(attributes[RTA_OIF]).value_or(0);
    route.gateway = ipv4_of(attributes[RTA_GATEWAY]).value_or(Ipv4{});
    route.source = ipv4_of(attributes[RTA_PREFSRC]).value_or(Ipv4{});
    route.by_kernel = answer->rtm_type == RTN_LOCAL || attributes[RTA_VIA] != nullptr;
    refused = 0;
  });
  return error != 0 ? error : refused;
}

}  // namespace hookline::io
