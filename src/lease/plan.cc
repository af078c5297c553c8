#include "lease/plan.h"

#include <algorithm>

namespace hookline::lease {

namespace {

// Takes [first, last] out of the ranges; both lists stay ascending and disjoint.
void subtract(std::vector<AddressRange>& ranges, AddressRange hole) {
  std::vector<AddressRange> left;
  left.reserve(ranges.size() + 1);
  for (const AddressRange& r : ranges) {
    if (hole.last < r.first || r.last < hole.first) {
      left.push_back(r);
      continue;
    }
    if (r.first < hole.first) left.push_back({r.first, {hole.first.value - 1}});
    if (hole.last < r.last) left.push_back({{hole.last.value + 1}, r.last});
  }
  ranges = std::move(left);
}

// The same for many single addresses, ascending, in one pass.
std::vector<AddressRange> subtract_all(const std::vector<AddressRange>& ranges,
                                       const std::vector<Ipv4>& holes) {
  std::vector<AddressRange> left;
  auto hole = holes.begin();
  for (const AddressRange& r : ranges) {
    uint64_t first = r.first.value;
    hole = std::lower_bound(hole, holes.end(), r.first);
    for (; hole != holes.end() && *hole <= r.last; ++hole) {
      if (first < hole->value) {
        left.push_back({{static_cast<uint32_t>(first)}, {hole->value - 1}});
      }
      first = uint64_t{hole->value} + 1;
    }
    if (first <= r.last.value) left.push_back({{static_cast<uint32_t>(first)}, r.last});
  }
  return left;
}

}  // namespace

Result<std::unique_ptr<Plan>> Plan::make(std::shared_ptr<const Config> config, uint64_t seed) {
  std::unique_ptr<Plan> plan(new Plan);
  plan->config_ = std::move(config);
  if (Result<void> done = plan->compile(seed); !done) return tl::unexpected(done.error());
  return plan;
}

Result<void> Plan::compile(uint64_t seed) {
  seed_ = seed;
  wires_.resize(config_->wire_count);
  uint64_t slots = 0;
  for (const Scope& scope : config_->scopes) {
    slots += scope.subnet.size();
    if (slots > kAddressesMax) {
      return fail(ErrorKind::Invalid, "the subnets of all scopes hold more than " +
                                          std::to_string(kAddressesMax) + " addresses");
    }
    subnets_.push_back({scope.subnet.base, scope.subnet.last(), scope.index});
    for (Ipv4 relay : scope.relays) relays_.push_back({relay, scope.index});
    if (wires_.size() <= scope.wire) wires_.resize(scope.wire + 1);
    wires_[scope.wire].push_back(scope.index);
    compile_addresses(scope);
    for (const Reservation& r : scope.reservations) {
      reservations_.push_back({&scope, &r});
      has_reservations_[static_cast<size_t>(r.by)] = true;
    }
  }
  std::ranges::sort(subnets_, {}, &Subnet::first);
  std::ranges::stable_sort(relays_, {}, &RelayEntry::address);
  if (!reservation_index_.reserve(reservations_.size())) {
    return fail(ErrorKind::NoSpace, "no memory for the reservations");
  }
  for (uint32_t i = 0; i < reservations_.size(); ++i) {
    const Reservation& r = *reservations_[i].reservation;
    const uint64_t hash =
        reservation_hash(r.by, r.hardware_type, r.key, reservations_[i].scope->wire);
    CHECK(reservation_index_.insert(hash, i + 1), "the index has room for every reservation");
  }
  return {};
}

void Plan::compile_addresses(const Scope& scope) {
  std::vector<ReservedAddress> reserved;
  for (const Reservation& r : scope.reservations) {
    const bool by_relay = r.by == ReservationKey::CircuitId || r.by == ReservationKey::RemoteId;
    reserved.push_back({r.address, by_relay ? &r : nullptr});
  }
  // Two reservations may share an address (one host, two identities): one entry, with any relay's.
  std::ranges::sort(reserved, [](const ReservedAddress& a, const ReservedAddress& b) {
    return a.address != b.address ? a.address < b.address
                                  : a.by_relay != nullptr && b.by_relay == nullptr;
  });
  const auto repeated = std::unique(
      reserved.begin(), reserved.end(),
      [](const ReservedAddress& a, const ReservedAddress& b) { return a.address == b.address; });
  reserved.erase(repeated, reserved.end());

  std::vector<AddressRange> ranges = scope.ranges;
  for (const AddressRange& hole : scope.excluded) subtract(ranges, hole);
  if (scope.subnet.length <= 30) {  // the network's own address and its broadcast
    subtract(ranges, {scope.subnet.base, scope.subnet.base});
    subtract(ranges, {scope.subnet.last(), scope.subnet.last()});
  }
  std::vector<Ipv4> holes;
  holes.reserve(reserved.size());
  for (const ReservedAddress& r : reserved) holes.push_back(r.address);
  ranges = subtract_all(ranges, holes);

  Counts counts;
  for (const AddressRange& r : ranges) counts.leasable += r.size();
  counts.reserved = reserved.size();
  addresses_ += counts.leasable + counts.reserved;
  counts_.push_back(counts);
  leasable_.push_back(std::move(ranges));
  reserved_.push_back(std::move(reserved));
}

void Plan::set_links(const io::LinkTable& links) {
  ours_.clear();
  links_.clear();
  for (const io::Link& link : links.links) {
    for (const io::LinkAddress& a : link.addresses) ours_.push_back(a.address);
    const Scope* found = nullptr;
    for (const Scope& scope : config_->scopes) {
      if (!scope.interface.empty() && scope.interface == link.name) {
        found = &scope;
        break;
      }
    }
    for (const io::LinkAddress& a : link.addresses) {
      const Scope* scope = found == nullptr ? scope_of(a.address) : nullptr;
      if (scope != nullptr && scope->interface.empty()) found = scope;
    }
    if (found != nullptr) links_.push_back({link.ifindex, found->index});
  }
  std::ranges::sort(ours_);
}

const Scope* Plan::scope_of(Ipv4 address) const {
  auto after = std::ranges::upper_bound(subnets_, address, {}, &Subnet::first);
  if (after == subnets_.begin()) return nullptr;
  const Subnet& subnet = *--after;
  return address <= subnet.last ? &scope(subnet.scope_index) : nullptr;
}

const Scope* Plan::scope_of_slot(uint32_t number) const {
  const auto after = std::ranges::upper_bound(scopes_by_slot_, number, {}, &FirstSlot::number);
  return &scope(std::prev(after)->scope_index);
}

void Plan::place_scopes(std::vector<uint32_t> first_slots) {
  first_slots_ = std::move(first_slots);
  scopes_by_slot_.clear();
  for (uint32_t i = 0; i < first_slots_.size(); ++i)
    scopes_by_slot_.push_back({first_slots_[i], i});
  std::ranges::sort(scopes_by_slot_, {}, &FirstSlot::number);
}

bool Plan::overlaps(const Prefix& subnet) const {
  const auto after = std::ranges::upper_bound(subnets_, subnet.last(), {}, &Subnet::first);
  return after != subnets_.begin() && std::prev(after)->last >= subnet.base;
}

const Scope* Plan::by_address_or_relay(Ipv4 address) const {
  if (const Scope* inside = scope_of(address)) return inside;
  const auto entry = std::ranges::lower_bound(relays_, address, {}, &RelayEntry::address);
  if (entry == relays_.end() || entry->address != address) return nullptr;
  return &scope(entry->scope_index);
}

const Scope* Plan::select(const Packet& packet) const {
  const Message& message = packet.message;
  if (message.options.has(option::kRelayAgentInfo)) {
    const Bytes link = message.relay_suboption(relay_suboption::kLinkSelection);
    if (link.size() == 4) return by_address_or_relay(Ipv4::load(link.data()));
  }
  if (const auto subnet = message.options.ipv4(option::kSubnetSelection)) {
    return by_address_or_relay(*subnet);
  }
  if (message.giaddr) return by_address_or_relay(message.giaddr);
  for (const LinkEntry& entry : links_) {
    if (entry.ifindex == packet.ingress.ifindex) return &scope(entry.scope_index);
  }
  return nullptr;
}

AddressKind Plan::kind_of(uint32_t scope_index, Ipv4 address) const {
  const auto& ranges = leasable_[scope_index];
  const auto after = std::ranges::upper_bound(ranges, address, {}, &AddressRange::first);
  if (after != ranges.begin() && address <= std::prev(after)->last) return AddressKind::Leasable;
  const auto& reserved = reserved_[scope_index];
  return std::ranges::binary_search(reserved, address, {}, &ReservedAddress::address)
             ? AddressKind::Reserved
             : AddressKind::Outside;
}

// Ascending and disjoint: ranges have holes where reservations are.
std::vector<Plan::Segment> Plan::segments(uint32_t scope_index) const {
  std::vector<Segment> all;
  for (const AddressRange& r : leasable_[scope_index]) all.push_back({r, AddressKind::Leasable});
  for (const ReservedAddress& r : reserved_[scope_index]) {
    all.push_back({{r.address, r.address}, AddressKind::Reserved});
  }
  std::ranges::sort(all, {}, [](const Segment& s) { return s.addresses.first; });
  return all;
}

std::vector<KindChange> Plan::changes_from(const Plan* before, uint32_t scope_before,
                                           uint32_t scope_index) const {
  const std::vector<Segment> olds =
      before != nullptr ? before->segments(scope_before) : std::vector<Segment>();
  const std::vector<Segment> news = segments(scope_index);
  const Prefix subnet = scope(scope_index).subnet;
  std::vector<KindChange> changes;
  auto o = olds.begin();
  auto n = news.begin();
  // From one boundary of either list to the next.
  for (uint64_t at = subnet.base.value; at <= subnet.last().value;) {
    uint64_t next = uint64_t{subnet.last().value} + 1;
    const auto kind_at = [&](auto& it, const std::vector<Segment>& list) {
      while (it != list.end() && it->addresses.last.value < at) ++it;
      if (it == list.end()) return AddressKind::Outside;
      const bool inside = it->addresses.first.value <= at;
      next = std::min<uint64_t>(
          next, inside ? uint64_t{it->addresses.last.value} + 1 : it->addresses.first.value);
      return inside ? it->kind : AddressKind::Outside;
    };
    const AddressKind was = kind_at(o, olds);
    const AddressKind is = kind_at(n, news);
    if (was != is) {
      changes.push_back(
          {{{static_cast<uint32_t>(at)}, {static_cast<uint32_t>(next - 1)}}, was, is});
    }
    at = next;
  }
  return changes;
}

std::vector<KindChange> Plan::changes_to_outside(uint32_t scope_index) const {
  std::vector<KindChange> changes;
  for (const Segment& s : segments(scope_index)) {
    changes.push_back({s.addresses, s.kind, AddressKind::Outside});
  }
  return changes;
}

const Reservation* Plan::reserved_by_relay(uint32_t scope_index, Ipv4 address) const {
  const auto& reserved = reserved_[scope_index];
  const auto it = std::ranges::lower_bound(reserved, address, {}, &ReservedAddress::address);
  return it != reserved.end() && it->address == address ? it->by_relay : nullptr;
}

bool Plan::ours(Ipv4 address) const { return std::ranges::binary_search(ours_, address); }

uint64_t Plan::reservation_hash(ReservationKey by, uint8_t hardware_type, Bytes key,
                                uint32_t wire) const {
  const uint64_t type = by == ReservationKey::HardwareAddress ? hardware_type : 0;
  return hash_bytes(key, seed_ + (uint64_t{wire} << 16) + (type << 8) + static_cast<uint64_t>(by));
}

Plan::Reserved Plan::find_reservation(ReservationKey by, uint8_t hardware_type, Bytes key,
                                      const Scope& scope) const {
  if (!has_reservations_[static_cast<size_t>(by)] || key.empty()) return {};
  Reserved sibling;
  const uint32_t own = reservation_index_.find(
      reservation_hash(by, hardware_type, key, scope.wire), [&](uint32_t value) {
        const ReservationEntry& e = reservations_[value - 1];
        const bool same = e.reservation->by == by && e.scope->wire == scope.wire &&
                          equal(e.reservation->key, key) &&
                          (by != ReservationKey::HardwareAddress ||
                           e.reservation->hardware_type == hardware_type);
        if (same && !sibling) sibling = {e.scope, e.reservation};
        return same && e.scope == &scope;
      });
  if (own == 0) return sibling;
  return {reservations_[own - 1].scope, reservations_[own - 1].reservation};
}

Plan::Reserved Plan::reservation_for(const Message& message, const Scope& scope) const {
  if (reservations_.empty()) return {};
  if (Reserved r = find_reservation(ReservationKey::HardwareAddress, message.hardware_type,
                                    message.hardware_address(), scope)) {
    return r;
  }
  if (Reserved r = find_reservation(ReservationKey::ClientId, 0,
                                    message.options.find(option::kClientIdentifier), scope)) {
    return r;
  }
  if (!message.options.has(option::kRelayAgentInfo)) return {};
  if (Reserved r = find_reservation(ReservationKey::CircuitId, 0,
                                    message.relay_suboption(relay_suboption::kCircuitId), scope)) {
    return r;
  }
  return find_reservation(ReservationKey::RemoteId, 0,
                          message.relay_suboption(relay_suboption::kRemoteId), scope);
}

}  // namespace hookline::lease
