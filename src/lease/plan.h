// A configuration made ready for the packet path: which scope a message means, which addresses may
// be given, whose reservation an address is. Immutable but for the links.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "io/links.h"
#include "lease/index.h"
#include "lease/slot.h"
#include "line/config.h"
#include "line/packet.h"

namespace hookline::lease {

// What an address becomes with another configuration.
struct KindChange {
  AddressRange addresses;
  AddressKind before;
  AddressKind after;
};

// Every scope has one run of slots that covers its subnet: slot = first_slot + address - base.
// Slot 0 is none.
class Plan {
 public:
  // ErrorKind::Invalid: more than kAddressesMax addresses. NoSpace: no address space.
  static Result<std::unique_ptr<Plan>> make(std::shared_ptr<const Config> config, uint64_t seed);

  void set_links(const io::LinkTable& links);

  const Config& config() const { return *config_; }
  const Scope& scope(size_t index) const { return config_->scopes[index]; }
  // Addresses that a client may get.
  uint64_t addresses() const { return addresses_; }

  // Where the slots of each scope begin: told by the table, once, before anything below asks for a
  // slot.
  void place_scopes(std::vector<uint32_t> first_slots);

  // Where the kinds of a scope's addresses differ from those of a scope with the same subnet in
  // another plan; of nobody's addresses, all of which are Outside, if `before` is nullptr.
  std::vector<KindChange> changes_from(const Plan* before, uint32_t scope_before,
                                       uint32_t scope_index) const;
  // The same for a scope that goes.
  std::vector<KindChange> changes_to_outside(uint32_t scope_index) const;
  // Whether a scope's subnet holds an address of this one.
  bool overlaps(const Prefix& subnet) const;

  // The scope whose subnet holds the address; nullptr: none.
  const Scope* scope_of(Ipv4 address) const;
  // The scope that a message's relay or link means; nullptr: none. Link selection (RFC 3527) goes
  // before subnet selection (RFC 3011), that before giaddr, that before the ingress link.
  const Scope* select(const Packet& packet) const;
  // The scopes of a wire in the order of the configuration.
  std::span<const uint32_t> scopes_of_wire(uint32_t wire) const { return wires_[wire]; }
  uint32_t wire_count() const { return static_cast<uint32_t>(wires_.size()); }

  uint32_t number_of(const Scope& scope, Ipv4 address) const {
    return first_slots_[scope.index] + (address.value - scope.subnet.base.value);
  }
  Ipv4 address_of(uint32_t scope_index, uint32_t number) const {
    return {scope(scope_index).subnet.base.value + (number - first_slots_[scope_index])};
  }
  // REQUIRES: a slot's number.
  const Scope* scope_of_slot(uint32_t number) const;
  AddressKind kind_of(uint32_t scope_index, Ipv4 address) const;
  std::span<const AddressRange> leasable(uint32_t scope_index) const {
    return leasable_[scope_index];
  }
  uint64_t leasable_count(uint32_t scope_index) const { return counts_[scope_index].leasable; }
  uint64_t reserved_count(uint32_t scope_index) const { return counts_[scope_index].reserved; }
  // An address of this machine: never given, and "us" in a server identifier.
  bool ours(Ipv4 address) const;

  struct Reserved {
    const Scope* scope = nullptr;
    const Reservation* reservation = nullptr;
    explicit operator bool() const { return reservation != nullptr; }
  };
  // The client's reservation on the wire of `scope`, that scope's own first; by hardware address,
  // client identifier, circuit id, remote id, in this order.
  Reserved reservation_for(const Message& message, const Scope& scope) const;
  // The reservation of an address by what only a relay says (option 82); nullptr: none.
  const Reservation* reserved_by_relay(uint32_t scope_index, Ipv4 address) const;

 private:
  struct Subnet {
    Ipv4 first, last;
    uint32_t scope_index;
  };
  struct RelayEntry {
    Ipv4 address;
    uint32_t scope_index;
  };
  struct LinkEntry {
    uint32_t ifindex;
    uint32_t scope_index;
  };
  struct ReservedAddress {
    Ipv4 address;
    const Reservation* by_relay;  // nullptr: by the client's own identity only
  };
  struct Counts {
    uint64_t leasable = 0, reserved = 0;
  };
  struct ReservationEntry {
    const Scope* scope;
    const Reservation* reservation;
  };

  struct Segment {
    AddressRange addresses;
    AddressKind kind;
  };
  struct FirstSlot {
    uint32_t number;
    uint32_t scope_index;
  };

  Result<void> compile(uint64_t seed);
  void compile_addresses(const Scope& scope);
  std::vector<Segment> segments(uint32_t scope_index) const;
  const Scope* by_address_or_relay(Ipv4 address) const;
  uint64_t reservation_hash(ReservationKey by, uint8_t hardware_type, Bytes key,
                            uint32_t wire) const;
  Reserved find_reservation(ReservationKey by, uint8_t hardware_type, Bytes key,
                            const Scope& scope) const;

  std::shared_ptr<const Config> config_;
  std::vector<uint32_t> first_slots_;      // by scope
  std::vector<FirstSlot> scopes_by_slot_;  // ascending
  uint64_t addresses_ = 0;
  std::vector<Subnet> subnets_;     // ascending
  std::vector<RelayEntry> relays_;  // ascending; the first scope that lists a relay wins
  std::vector<std::vector<uint32_t>> wires_;
  std::vector<std::vector<AddressRange>> leasable_;     // by scope; disjoint, ascending
  std::vector<std::vector<ReservedAddress>> reserved_;  // by scope; ascending
  std::vector<Counts> counts_;
  std::vector<ReservationEntry> reservations_;
  Index reservation_index_;                 // to reservations_, plus 1
  std::array<bool, 4> has_reservations_{};  // by ReservationKey
  uint64_t seed_ = 0;
  std::vector<LinkEntry> links_;
  std::vector<Ipv4> ours_;  // ascending
};

}  // namespace hookline::lease
