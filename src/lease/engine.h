// The lease engine: what a DHCP server answers. Pure: (Request, Now) → Immediate | Proposal | drop,
// no I/O and no clock. RFC 2131 section 4.3, rule by rule; engine_test.cc cites each.
//
// A proposal becomes true by apply(), when the journal has its record. Until then its address is
// held, and a later request of the same client on that wire, or one that needs that very address,
// is handed back in `deferred`, so that nobody overtakes himself and no address goes to two.
//
// Who gets what: a reservation; the client's binding; its offer; its previous binding; the address
// it asks for; the address longest unused, in the scopes of the wire in turn. One client has one
// binding on a wire: a later one ends the earlier, which take_expired() then hands out. A client
// whose reservation changed is moved: its renewal is refused, its DISCOVER gets the reserved
// address.
//
// In a scope with conflict detection an address that its client does not hold is first asked about,
// by somebody else: the Request comes back in `to_probe` and the address is held for it. probed()
// tells what came of it; the Request is then proposed again. Until then the client's later requests
// come back in `to_probe`, too.
//
// Packet thread only. Nothing allocates after configure().
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/batch.h"
#include "base/result.h"
#include "base/time.h"
#include "io/links.h"
#include "lease/offers.h"
#include "lease/pending.h"
#include "lease/plan.h"
#include "lease/table.h"
#include "line/stages.h"

namespace hookline::lease {

struct Proposed {
  Batch<Immediate> immediate;  // to be answered at once
  Batch<Proposal> durable;     // to be committed
  Batch<Request> deferred;     // to be proposed again, first and in this order
  Batch<Request> to_probe;     // to be proposed again after probed() of grant.address
};

// Told of each change of the active database, on the packet thread.
class LeaseObserver {
 public:
  // find() says what is true of it now; nothing: it is free.
  virtual void lease_changed(Ipv4 address) = 0;

 protected:
  ~LeaseObserver() = default;
};

class Engine {
 public:
  // `hash_seed` is secret: clients choose what is hashed.
  Engine(Endings& endings, uint64_t hash_seed);

  // Puts a configuration in force: at start before anything else, and on reload. Leases stay, and
  // offers of addresses that their clients may still get. REQUIRES: nothing is pending (grants
  // point into the old Config). After an error the old one stays. ErrorKind::Invalid: too many
  // addresses; NoSpace: no memory.
  //
  // What takes long is left out of it: prepare() does it ahead, on whatever thread asks for the
  // reload; settle_some() looks at the addresses in use whose ranges or reservations changed, a few
  // at a time, and so does each propose(). All is right before that, but for use() and for which
  // address is longest unused. Then discard_old() frees what was in force before.
  Result<void> configure(std::shared_ptr<const Config> config, const io::LinkTable& links);
  // Any thread, one at a time, and not during configure().
  Result<void> prepare(std::shared_ptr<const Config> config);
  void discard_old() { outgoing_.reset(); }
  // Looks at `slots` more. False: none are left.
  bool settle_some(size_t slots) { return table_->settle_some(slots); }
  // Cheap.
  void links_changed(const io::LinkTable& links);

  // Recovery, after configure() and before the first propose(). The later sequence wins.
  void restore(const LeaseRecord& record);

  // False: the journal takes no records. What needs one is dropped as NotGranting (OFFERs, too, for
  // nothing would come of them); NAKs and answers to INFORM go on.
  void set_granting(bool granting) { granting_ = granting; }

  // Requests in order of arrival, deferred ones first. Drops go to the endings.
  Proposed propose(Batch<Request> requests, Now now);

  // Somebody answered for an address that came out in `to_probe`, or nobody did. In use: its offer
  // ends, and the record that puts it into quarantine has to be committed, and then to be applied
  // or withdrawn; pending until then. None: nothing waits for this address any more, or granting
  // stopped.
  std::optional<LeaseRecord> probed(Ipv4 address, bool in_use, Now now);

  // apply() will be called soon: asks for the memory that it works on.
  void prefetch(const Committed& committed) const;
  // The record is durable: it enters the active database. Views in it may be the engine's own.
  void apply(const Committed& committed);
  void apply(const LeaseRecord& record);
  // The commit failed: what was held for the proposal, or for a record without a packet, is not.
  void withdraw(const Packet& packet);
  void withdraw(const LeaseRecord& record);

  // Leases that ran out become Expired, quarantines that ended Free: records to commit and then to
  // apply() or withdraw(); pending until then. At least one second after their expiry.
  size_t take_expired(Now now, std::span<LeaseRecord> out);

  // The lease clock is about to go by `step_s` (lease_clock.h): all times go with it. Looks at
  // every lease. REQUIRES: nothing is pending.
  void shift_times(int64_t step_s);

  // For the operator: the record that releases a binding, or forgets what is known of an address.
  // Pending from then on. ErrorKind::Missing: there is none; Busy: one is pending.
  Result<LeaseRecord> propose_release(Ipv4 address, Now now);
  Result<LeaseRecord> propose_delete(Ipv4 address, Now now);

  // Leases of every state but Free, in ascending slot order from `cursor` (0: from the start), at
  // most `max`, orphans last. Returns where to go on, or kScanDone. Leases that change meanwhile
  // are seen as they are when the scan gets there.
  template <class Visitor>  // void(const LeaseRecord&)
  uint64_t scan(uint64_t cursor, size_t max, Visitor&& visitor) const {
    return table_ ? table_->scan(cursor, max, visitor) : kScanDone;
  }
  // Nothing: never used, or deleted.
  std::optional<LeaseRecord> find(Ipv4 address) const;
  // For leasequery (RFC 4388): into `out`, the most recently transacted first, as many as fit;
  // records of every state but Free, orphans left out. Views: good until the next change.
  // By hardware address, of whatever type, of the kHardwareLeasesMax latest bound.
  size_t find_by_hardware(Bytes hardware, std::span<LeaseRecord> out) const;
  // The client's latest on each wire.
  size_t find_by_client_id(Bytes client_id, std::span<LeaseRecord> out) const;
  // All of a hardware address, in no order, if there are no more than `max` and no orphans. False:
  // there may be others, which scan() finds.
  template <class Visitor>  // void(const LeaseRecord&)
  bool visit_hardware(Bytes hardware, size_t max, Visitor&& visitor) const {
    return table_->orphans.size() == 0 &&
           table_->visit_hardware(hardware, max,
                                  [&](uint32_t number) { visitor(table_->record_of(number)); });
  }
  // Also for leasequery. The scope whose subnet the address is in; null: none. Good until
  // configure().
  const Scope* scope_of(Ipv4 address) const { return plan_->scope_of(address); }
  // Whether it is one that clients may get: unassigned, where nobody has it, and not unknown.
  bool gives_out(Ipv4 address) const;
  // Whom to tell of every record that becomes the truth; null: nobody.
  void set_observer(LeaseObserver* observer) { observer_ = observer; }
  ScopeUse use(uint32_t scope_index) const { return table_->use(scope_index); }
  // Records by state, orphans included.
  LeaseCounts lease_counts() const { return table_->lease_counts(); }
  // take_expired() has nothing before this (it may have nothing then either); 0: no lease ends.
  LeaseSeconds next_expiry() const;
  uint64_t lease_count() const { return table_ ? table_->lease_count() : 0; }
  size_t offer_count() const { return offers_.size(); }
  // Of the tables, as far as they are in use.
  size_t memory_bytes() const;

 private:
  // One request as it is being decided.
  struct Subject {
    Packet* packet = nullptr;
    const Message* message = nullptr;
    const Scope* scope = nullptr;  // of the client's wire; nullptr: refused
    Drop refusal = Drop::NoScopeMatches;
    ClientIdentity client;
    Digest digest;
    Plan::Reserved reserved;  // its reservation on the wire
    uint32_t latest = 0;      // slot of its latest binding on the wire, bound or remembered
    LeaseSeconds now = 0;
    bool authoritative = true;
  };
  struct Verdict {
    enum class Kind : uint8_t { Immediate, Durable, Deferred, ToProbe, Dropped };
    Kind kind = Kind::Dropped;
    Drop reason = Drop::NoAddress;
  };
  // What an address is to a client.
  enum class Standing : uint8_t {
    WrongNetwork,  // not on the client's wire
    NotServed,     // on it, but in no range, or excluded, or the server's own
    Quarantined,   // declined
    Pending,       // a record for it is not committed
    ReservedForOther,
    ReservedForIt,  // and free
    BoundToOther,
    BoundToIt,
    OfferedToOther,
    OfferedToIt,
    Remembered,  // free, and the client had it last
    Free,
  };
  // An address to give, or none and why.
  struct Choice {
    uint32_t number = 0;
    const char* why = "";
    bool deferred = false;
    bool to_hold = false;  // others could get it: an offer must hold it
  };

  struct Prepared {
    std::unique_ptr<Plan> plan;
    PlanChange change;
  };

  // engine.cc: the batch
  Result<void> adopt(const Prepared& next);
  Result<void> rebuild(Plan& plan);
  void prefetch_indexes(const Subject& s) const;
  void prefetch_slots(const Subject& s) const;
  Subject subject_of(Packet& packet, LeaseSeconds now) const;
  const Scope* scope_for(const Packet& packet) const;
  Verdict decide(Subject& s);
  bool must_wait(const Subject& s) const;
  void drop_offers_over(LeaseSeconds now);

  // standing.cc: facts
  Standing standing(const Subject& s, Ipv4 address, uint32_t* number);
  Standing standing_reserved(const Subject& s, Ipv4 address, uint32_t number) const;
  bool bound_to(const Subject& s, uint32_t number) const;
  bool has_reservation_to_move_to(const Subject& s, Ipv4 from);
  bool has_binding_elsewhere(const Subject& s, uint32_t number);
  bool is_us(const Subject& s, Ipv4 server) const;
  Ipv4 server_id(const Subject& s, const Scope& scope) const;

  // discover.cc
  Verdict discover(Subject& s);
  Verdict bootp(Subject& s);
  Choice choose(Subject& s, bool for_bootp);
  Choice choose_requested(Subject& s);
  Choice choose_known(Subject& s, bool for_bootp);
  Choice choose_unused(Subject& s, bool for_bootp);
  Verdict offer(Subject& s, const Choice& choice);
  bool hold(Subject& s, uint32_t number, LeaseSeconds until);
  void end_offer_of(uint32_t number);

  // conflict.cc
  bool waits_for_probe(Subject& s) const;
  bool needs_probe(const Subject& s, uint32_t number) const;
  bool waits_for_its_end(const Subject& s, uint32_t number) const;
  Verdict probe(Subject& s, const Choice& choice);
  LeaseSeconds offer_end(const Subject& s) const;

  // request.cc
  Verdict request(Subject& s);
  Verdict selecting(Subject& s, Ipv4 address);
  Verdict init_reboot(Subject& s, Ipv4 address);
  Verdict renewing(Subject& s, Ipv4 address);
  Verdict keeping(Subject& s, Ipv4 address, std::optional<Drop> unknown);
  Verdict refuse(Subject& s, Standing standing);
  Verdict nak(Subject& s, const char* why);
  static const char* why_refused(Standing standing);
  static const char* why_granted(Standing standing);

  // others.cc
  Verdict decline(Subject& s);
  Verdict release(Subject& s);
  Verdict inform(Subject& s);
  uint64_t source_hash(const Packet& packet) const;

  // leasequery.cc
  Verdict lease_query(Subject& s);
  LeaseFound find_leases_of_client(const Subject& s, LeaseRecord& latest) const;
  LeaseFound find_lease_of(Ipv4 address, LeaseRecord& lease) const;

  // grant.cc: filling Packet::grant
  void describe(Subject& s, const Scope& scope, uint32_t number, ReplyKind reply,
                const char* why) const;
  Verdict grant(Subject& s, uint32_t number, ReplyKind reply, const char* why);
  Verdict propose_record(Subject& s, uint32_t number, const LeaseRecord& record,
                         uint16_t decline_source = 0);
  LeaseRecord binding_record(const Subject& s, const Scope& scope, uint32_t number) const;
  void forget_offer(const Digest& client);
  Result<LeaseRecord> propose_for_operator(Ipv4 address);

  static constexpr Verdict kDeferred{Verdict::Kind::Deferred, Drop::NoAddress};
  static constexpr Verdict kToProbe{Verdict::Kind::ToProbe, Drop::NoAddress};
  static constexpr Verdict kImmediate{Verdict::Kind::Immediate, Drop::NoAddress};
  static constexpr Verdict kDurable{Verdict::Kind::Durable, Drop::NoAddress};
  static Verdict dropped(Drop reason) { return {Verdict::Kind::Dropped, reason}; }

  Endings& endings_;
  const uint64_t seed_;
  LeaseObserver* observer_ = nullptr;
  bool granting_ = true;
  std::unique_ptr<Plan> plan_;
  std::unique_ptr<LeaseTable> table_;  // into *plan_
  std::unique_ptr<Prepared> prepared_;
  std::unique_ptr<Plan> outgoing_;
  Offers offers_;
  PendingClients pending_;
  size_t pending_records_ = 0;  // without a packet
  std::array<Subject, kTurnPacketsMax> subjects_;
  std::array<Digest, kTurnPacketsMax> waiting_;  // clients with a request in this turn's deferred
  size_t waiting_count_ = 0;
};

}  // namespace hookline::lease
