// The kernel's links, addresses, routes and neighbours by rtnetlink: read whole at the start,
// followed by notifications, read whole again when notifications were lost.
//
// Neighbours: frames that we send ourselves do not make the kernel verify a neighbour, so its entry
// goes stale and a station that changed its Ethernet address would be missed. Therefore a neighbour
// is trusted for neighbour_trust_ns after the kernel last spoke of it; then one reply goes by the
// kernel (resolve() leaves NextHop::mac out once), which makes it probe, and tell us.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "io/links.h"
#include "io/linux/netlink.h"

namespace hookline::io {

inline constexpr int64_t kNeighbourTrustNs = 30'000'000'000;

class LinuxLinkMonitor final : public LinkMonitor {
 public:
  // `interfaces` are names or patterns of fnmatch(3). Served are Ethernet interfaces that match and
  // are not loopback; a pattern (not a name) leaves ports of a bridge or bond out, whose frames are
  // the bridge's. At most kInterfacesMax; left_out() counts the rest.
  static Result<std::unique_ptr<LinuxLinkMonitor>> open(
      std::vector<std::string> interfaces, int64_t neighbour_trust_ns = kNeighbourTrustNs);

  // Becomes readable when changed() has something to take in.
  int fd() const { return notifications_.fd(); }

  // For a reload: changed() sees to it.
  void set_interfaces(std::vector<std::string> interfaces);

  size_t left_out() const { return left_out_; }
  // Names (not patterns) that no interface has now.
  std::vector<std::string> missing() const;
  // Why the last reading failed; empty: it did not. changed() tries again each time.
  const std::string& failure() const { return failure_; }

  // LinkMonitor. A table that was handed out lives until the second change after it.
  const LinkTable& table() const override { return *table_; }
  bool changed() override;
  // A known destination costs two hash look-ups. Another asks the kernel for its route: a system
  // call. Never waits for the network.
  std::optional<NextHop> resolve(Ipv4 to) override;

 private:
  struct Neighbour {
    MacAddress mac;
    bool permanent;
    int64_t trusted_until_ns;
  };
  struct Route {
    uint32_t ifindex = 0;
    Ipv4 gateway;  // 0: the destination itself is the neighbour
    Ipv4 source;
    bool by_kernel = false;  // not an Ethernet and IPv4 neighbour: local, or by an IPv6 gateway
  };
  struct Hash {
    using is_avalanching = void;
    size_t operator()(uint64_t key) const { return (key ^ key >> 32) * 0x9e3779b97f4a7c15ULL; }
  };

  LinuxLinkMonitor(std::vector<std::string> interfaces, NetlinkSocket notifications,
                   NetlinkSocket requests);
  void take_notification(const nlmsghdr& message);
  Result<void> read_neighbours();
  void apply_neighbour(const nlmsghdr& message);
  // The table as it is now.
  Result<std::unique_ptr<LinkTable>> read_table();
  bool is_served(const std::string& name, bool is_port) const;
  std::optional<Route> find_route(Ipv4 to);
  int ask_route(Ipv4 to, Route& route);

  std::vector<std::string> interfaces_;
  int64_t neighbour_trust_ns_ = kNeighbourTrustNs;
  NetlinkSocket notifications_;
  NetlinkSocket requests_;
  std::unique_ptr<LinkTable> table_;
  std::unique_ptr<LinkTable> previous_;
  bool links_stale_ = true;
  bool neighbours_stale_ = true;
  size_t left_out_ = 0;
  std::string failure_;
  boost::unordered_flat_map<uint64_t, Neighbour, Hash> neighbours_;  // by neighbour_key()
  boost::unordered_flat_map<uint64_t, Route, Hash> routes_;          // by destination
};

}  // namespace hookline::io
