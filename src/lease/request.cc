// REQUEST: RFC 2131 4.3.2, state by state.
#include "lease/engine.h"

namespace hookline::lease {

namespace {

constexpr const char* kReservedElsewhere = "another address is reserved for this client";
constexpr const char* kBoundElsewhere = "another address is bound to this client";

}  // namespace

// The states by what the message says (table 4): a server identifier is SELECTING; an address of
// the client's own is RENEWING or REBINDING, which differ only in how they are sent; a requested
// address alone is INIT-REBOOT.
Engine::Verdict Engine::request(Subject& s) {
  const OptionViews& options = s.message->options;
  const auto wanted = options.ipv4(option::kRequestedAddress);
  if (const auto server = options.ipv4(option::kServerIdentifier)) {
    if (!is_us(s, *server)) {
      forget_offer(s.digest);
      return dropped(Drop::WrongServer);
    }
    if (wanted) return selecting(s, *wanted);
  }
  if (s.message->ciaddr) return renewing(s, s.message->ciaddr);
  if (wanted) return init_reboot(s, *wanted);
  return dropped(Drop::NoRequestedAddress);
}

// The client has chosen us: whatever the answer is, it gets one.
Engine::Verdict Engine::selecting(Subject& s, Ipv4 address) {
  uint32_t number = 0;
  const Standing there = standing(s, address, &number);
  if (there == Standing::Pending) return kDeferred;
  if (const char* why = why_refused(there)) return nak(s, why);
  if (has_reservation_to_move_to(s, address)) return nak(s, kReservedElsewhere);
  const bool unoffered = there == Standing::Free || there == Standing::Remembered;
  if (unoffered && has_binding_elsewhere(s, number)) return nak(s, kBoundElsewhere);
  return grant(s, number, ReplyKind::Ack, why_granted(there));
}

// "If the DHCP server has no record of this client, then it MUST remain silent" — unless the
// address is certainly wrong.
Engine::Verdict Engine::init_reboot(Subject& s, Ipv4 address) {
  return keeping(s, address, Drop::UnknownClient);
}

// A client that uses an address already. If nobody else has a right to it and no record is left of
// it (the lease ran out and was forgotten, or the server lost its database), an authoritative
// server grants it: it knows that no other server gives addresses here, and a NAK would cut the
// client off for nothing. Another server's client is none of a non-authoritative one's business.
Engine::Verdict Engine::renewing(Subject& s, Ipv4 address) {
  return keeping(s, address,
                 s.authoritative ? std::nullopt : std::optional(Drop::NotAuthoritative));
}

// A client that says it has the address. `unknown`: why it is not answered if nothing is known of
// it; none: it is.
Engine::Verdict Engine::keeping(Subject& s, Ipv4 address, std::optional<Drop> unknown) {
  uint32_t number = 0;
  const Standing there = standing(s, address, &number);
  if (there == Standing::Pending) return kDeferred;
  if (why_refused(there) != nullptr) return refuse(s, there);
  if (s.authoritative && has_reservation_to_move_to(s, address)) return nak(s, kReservedElsewhere);
  if (there == Standing::Free || there == Standing::Remembered) {
    if (has_binding_elsewhere(s, number)) {
      return s.authoritative ? nak(s, kBoundElsewhere) : dropped(Drop::NotAuthoritative);
    }
    if (there == Standing::Free && unknown) return dropped(*unknown);
  }
  return grant(s, number, ReplyKind::Ack, why_granted(there));
}

// A literal if the client can't have the address; else nullptr.
const char* Engine::why_refused(Standing standing) {
  switch (standing) {
    case Standing::WrongNetwork:
      return "wrong network";
    case Standing::NotServed:
      return "the address is in no range";
    case Standing::Quarantined:
      return "the address is in quarantine";
    case Standing::ReservedForOther:
      return "reserved for another client";
    case Standing::BoundToOther:
      return "bound to another client";
    case Standing::OfferedToOther:
      return "offered to another client";
    case Standing::Pending:
    case Standing::ReservedForIt:
    case Standing::BoundToIt:
    case Standing::OfferedToIt:
    case Standing::Remembered:
    case Standing::Free:
      break;
  }
  return nullptr;
}

const char* Engine::why_granted(Standing standing) {
  switch (standing) {
    case Standing::ReservedForIt:
      return "reserved";
    case Standing::BoundToIt:
      return "current binding";
    case Standing::OfferedToIt:
      return "offered";
    case Standing::Remembered:
      return "previous binding";
    default:
      return "requested address is free";
  }
}

Engine::Verdict Engine::refuse(Subject& s, Standing standing) {
  if (s.authoritative) return nak(s, why_refused(standing));
  return dropped(standing == Standing::ReservedForOther ? Drop::ReservedForAnother
                                                        : Drop::NotAuthoritative);
}

Engine::Verdict Engine::nak(Subject& s, const char* why) {
  Grant& grant = s.packet->grant;
  grant = Grant{};
  grant.reply = ReplyKind::Nak;
  grant.scope = s.scope;
  grant.server_id = server_id(s, *s.scope);
  grant.why = why;
  return kImmediate;
}

}  // namespace hookline::lease
