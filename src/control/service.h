// What the operator can ask of a running server. The server implements it, the control socket
// (control/server.h) calls it.
//
// Every call comes from the one control thread. A call may wait for the packet thread, which serves
// it between two turns in bounded slices; so the packet thread outlives the control thread: stop
// the ControlServer first. Counters are read directly.
//
// Times are WALL seconds since 1970-01-01 UTC; 0 is "never", kForever is "without end".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/inet.h"
#include "base/result.h"
#include "filter/report.h"
#include "inject/report.h"
#include "line/counters.h"
#include "line/lease.h"

namespace hookline::control {

inline constexpr int64_t kForever = INT64_MAX;

enum class ServingState : uint8_t { Serving, Paused, Unauthorized, NotGranting };

// "serving", "paused", "unauthorized", "not-granting".
std::string_view serving_state_name(ServingState state);

struct InterfaceRow {
  std::string name;
  uint32_t ifindex = 0;
  bool up = false;
  MacAddress mac;
  std::vector<Ipv4> addresses;  // primary first
};

struct JournalStatus {
  std::string directory;
  uint64_t bytes = 0;  // of all its files
  uint64_t segments = 0;
  uint64_t sequence = 0;  // of the last record on stable storage
  int64_t last_snapshot_s = 0;
  std::string failed;  // empty: healthy; else why it takes no record, and what to do
};

struct Status {
  std::string version;
  int64_t pid = 0;
  int64_t now_s = 0;  // the server's wall clock
  int64_t started_s = 0;
  int64_t uptime_s = 0;  // on the boot clock: the wall clock may have jumped
  ServingState state = ServingState::Serving;
  std::string why;  // one line when state is not Serving, else empty
  std::vector<InterfaceRow> interfaces;
  uint64_t scopes = 0;
  std::array<uint64_t, kLeaseStateCount> leases{};  // by LeaseState
  uint64_t offers = 0;                              // held now
  uint64_t packets_in_flight = 0;                   // entered, not ended
  JournalStatus journal;
  std::string config_path;
  int64_t config_loaded_s = 0;
  std::vector<std::string> callouts;          // that are loaded, in order
  std::vector<std::string> callouts_away;     // of those: "name: restarting", "name: quarantined"
  std::vector<std::string> callouts_missing;  // that could not be loaded: "name: why"
  std::vector<std::string> query_listeners;   // of leasequery over TCP: "10.77.0.1:67"
  std::vector<std::string> drivers;           // packet callout drivers that run, in order
  std::vector<std::string> drivers_missing;   // that could not be loaded: "name: why"
};

// What one hook of a loaded callout has done; a callout without hooks has one row, for "none".
struct CalloutRow {
  std::string callout;   // its name, as configured
  std::string path;      // its file
  std::string host;      // where it runs: "in-process", "isolated", "wine"
  std::string state;     // "serving", "restarting", "quarantined", "unloaded"
  uint32_t version = 0;  // CalloutVersion that its entry point accepted
  std::string hook;      // "DhcpNewPktHook"
  uint64_t calls = 0;
  uint64_t total_ns = 0;
  uint64_t p50_ns = 0, p99_ns = 0, max_ns = 0;
  uint64_t slow = 0;        // slower than warn-slower-than
  uint64_t refused = 0;     // packets; of DhcpNewPktHook
  uint64_t suppressed = 0;  // replies; of DhcpPktSendHook
  uint64_t breaches = 0;    // of the contract: nonsense sizes, pointers, writes outside
  uint64_t faults = 0;      // exceptions that left the hook, crashes and hangs in it
};

// How an isolated callout failed.
struct CalloutFaultRow {
  int64_t wall_s = 0;
  std::string callout;           // its name, as configured
  std::string hook;              // "DhcpNewPktHook"; empty: in none
  std::string what;              // and where
  std::vector<uint8_t> request;  // the packet; empty: none, or not known
};

// A packet callout driver that is loaded, or configured and not loaded.
struct DriverRow {
  std::string name;
  std::string path;
  std::string state;  // "running", …; "gone" when it is not loaded
  std::string why;    // it is not running; else empty
  bool required = false;
  uint64_t breaches = 0;             // of the API's rules
  std::vector<std::string> devices;  // names of its control devices
  const void* device = nullptr;      // what FilterView::filter's callouts name it by
};

// The filter engine at one moment.
struct FilterView {
  std::vector<DriverRow> drivers;
  filter::Report filter;
  inject::Report injections;
  std::string running;  // the driver that the packet thread is inside of; empty: none

  // Whose callout it is; empty: nobody's any more.
  std::string_view driver_of(const filter::Report::CalloutLine& callout) const;
};

// What a driver's control device answered.
struct IoctlAnswer {
  uint32_t status = 0;      // NTSTATUS
  std::string status_text;  // "STATUS_SUCCESS (0x00000000)"
  std::vector<uint8_t> data;
};

struct LeaseRow {
  Ipv4 address;
  LeaseState state = LeaseState::Free;
  bool bootp = false;
  std::string scope;  // id; empty: its scope is configured no more
  uint8_t hardware_type = 0;
  std::vector<uint8_t> hardware_address;
  std::vector<uint8_t> client_id;
  std::vector<uint8_t> hostname;  // as sent: the renderer escapes it
  int64_t start_s = 0;
  int64_t expiry_s = 0;
  int64_t last_transaction_s = 0;
  std::vector<uint8_t> circuit_id;  // option 82
  std::vector<uint8_t> remote_id;
};

// All that are set must hold. A filter with `address` set can be answered without a scan.
struct LeaseFilter {
  std::optional<std::string> scope;
  std::optional<Ipv4> address;
  std::optional<std::vector<uint8_t>> hardware_address;
  std::optional<std::vector<uint8_t>> client_id;
  std::optional<LeaseState> state;  // none: all but Free

  // `row.scope` included; for implementers that filter after building a row.
  bool matches(const LeaseRow& row) const;
};

struct LeasePage {
  std::vector<LeaseRow> rows;  // ascending by address
  bool more = false;           // call again; rows may be empty and more true (nothing matched yet)
};

struct ScopeRow {
  std::string id;
  Prefix subnet;
  std::string superscope;
  uint64_t total = 0;  // addresses that can be given: ranges less exclusions, and reservations
  uint64_t active = 0;
  uint64_t offered = 0;
  uint64_t declined = 0;  // in quarantine
  uint64_t reserved = 0;  // reserved, and nobody has them
  uint64_t free = 0;      // could be given to a new client now
  uint64_t released = 0;  // of the free ones, remembered for the client that gave them back
  uint64_t expired = 0;   // of the free ones, remembered for the client whose lease ran out
  uint64_t outside = 0;   // active or in quarantine, but no longer in `total`: ranges have changed

  double used_percent() const {
    return total == 0 ? 0
                      : 100.0 * static_cast<double>(total - (free < total ? free : total)) /
                            static_cast<double>(total);
  }
};

class Service {
 public:
  virtual ~Service() = default;

  virtual const Counters& counters() const = 0;
  virtual Result<Status> status() = 0;
  virtual Result<std::vector<ScopeRow>> scopes() = 0;
  // At most `max` rows from `cursor` on, which starts at 0, belongs to the implementation and is
  // moved on by it. ErrorKind::Missing: no such scope.
  virtual Result<LeasePage> leases(const LeaseFilter& filter, uint64_t& cursor, size_t max) = 0;

  // Ends an active binding as a RELEASE would: remembered for its client. Missing: none there.
  virtual Result<void> release_lease(Ipv4 address) = 0;
  // Forgets the address's record, whatever its state.
  virtual Result<void> delete_lease(Ipv4 address) = 0;

  virtual Result<void> pause() = 0;  // pausing twice is pausing
  virtual Result<void> resume() = 0;
  // Until the next reload or restart, which take it from the file.
  virtual Result<void> set_authorized(bool authorized) = 0;
  // Reads the file again. The text says what changed; the error has every problem, a line each, and
  // the old configuration stays.
  virtual Result<std::string> reload() = 0;
  // Of the callouts that are loaded, in order.
  virtual Result<std::vector<CalloutRow>> callouts() = 0;
  // The last ones of each callout that is loaded, oldest first.
  virtual Result<std::vector<CalloutFaultRow>> callout_faults() { return {}; }
  // Stops and unloads the callouts and loads what the configuration in force names, between two
  // packets. The text says what is loaded now; a callout that can't be is no error.
  virtual Result<std::string> reload_callouts() = 0;
  // The same of one alone, by its name or its file, while it and the others serve on. Where it does
  // not load, the one before stays.
  virtual Result<std::string> reload_callout(std::string_view name) {
    return fail(ErrorKind::Missing, "no callout is called " + std::string(name));
  }
  // Asks nothing of the packet thread: it shows what hangs there.
  virtual Result<FilterView> filter() = 0;
  // Unloads all drivers and loads those of the configuration in force, under traffic.
  virtual Result<std::string> reload_drivers() = 0;
  // A request to a control device: `name` is a driver's or a device's. It runs by itself; the
  // number is for ioctl_next() and ioctl_close(). Missing: nobody has that name.
  virtual Result<uint64_t> ioctl_open(std::string_view name, uint32_t code,
                                      std::vector<uint8_t> input) = 0;
  // None: not answered yet. Never waits; after a while of its own it gives an error.
  virtual std::optional<Result<IoctlAnswer>> ioctl_next(uint64_t request) = 0;
  virtual void ioctl_close(uint64_t request) = 0;
  // Tries again to grant after the disk was full. Fails while it still is, or when the fault is
  // final.
  virtual Result<void> resume_journal() = 0;

  // `client`: "any", a hardware address "02:00:00:00:00:07", or a client id "hex:01…". Invalid when
  // it is none of these, Busy when too many follow already.
  virtual Result<uint64_t> trace_open(std::string_view client) = 0;
  // False: no line is waiting in the bounded ring. Never waits. A line says one stage's decision; a
  // line of its own says how many were lost to a slow reader.
  virtual bool trace_next(uint64_t trace, std::string& line) = 0;
  virtual void trace_close(uint64_t trace) = 0;
};

}  // namespace hookline::control
