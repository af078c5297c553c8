// What sessions have added: sublayers, callouts and filters, each immutable once added, and the
// rules for adding and deleting them. One `Objects` is one consistent state: a transaction works on
// a copy and a commit puts the copy in its place. Pure; whoever holds it serializes its use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "filter/condition.h"
#include "filter/rate_limit.h"
#include "hookline/fwp.h"
#include "line/counters.h"

namespace hookline::filter {

// Who added an object. Those of a dynamic session go when it closes.
struct Owner {
  uint32_t session = 0;  // 0: the server itself
  bool dynamic = false;
};

struct SubLayer {
  GUID key{};
  std::string name;
  uint16_t weight = 0;
  Owner owner;
  bool builtin = false;
};

struct CalloutObject {
  GUID key{};
  std::string name;
  uint32_t id = 0;
  int layer = 0;  // in layers()
  Owner owner;
};

// A limit counts its packets by one of these.
enum class LimitBy : uint8_t { Rule, Mac, Relay, Interface };

struct Filter {
  GUID key{};
  std::string name;
  uint64_t id = 0;
  int layer = 0;  // in layers()
  std::shared_ptr<const SubLayer> sublayer;
  uint64_t weight = 0;
  FWP_ACTION_TYPE action = FWP_ACTION_BLOCK;
  GUID callout{};  // of the FWP_ACTION_CALLOUT_ actions
  uint32_t flags = 0;
  Conditions conditions;
  Owner owner;
  // What callouts are shown; the driver may set `context` in its notification.
  std::unique_ptr<FWPS_FILTER3> shown;
  std::unique_ptr<UINT64> shown_weight;

  // A rule of the configuration that limits.
  std::unique_ptr<RateLimiter> limiter;
  LimitBy limit_by = LimitBy::Rule;

  // Packet thread.
  struct Counts {
    Counter hits;  // its conditions held and it was asked
    Counter permitted;
    Counter blocked;
    Counter absorbed;
  };
  mutable Counts counts;

  bool is_callout() const { return (action & FWP_ACTION_FLAG_CALLOUT) != 0; }
};

class Objects {
 public:
  Objects();

  // All: STATUS_SUCCESS, or the API's status and nothing is changed.
  NTSTATUS add_sublayer(const FWPM_SUBLAYER0& source, Owner owner);
  NTSTATUS delete_sublayer(const GUID& key, Owner owner);
  // `id` is the callout's run-time identifier.
  NTSTATUS add_callout(const FWPM_CALLOUT0& source, uint32_t id, Owner owner);
  NTSTATUS delete_callout(const GUID& key, Owner owner);
  // `id` is the new filter's. `fresh_key` is used where the source has none.
  NTSTATUS add_filter(const FWPM_FILTER0& source, uint64_t id, const GUID& fresh_key, Owner owner);
  NTSTATUS delete_filter(uint64_t id, Owner owner);

  // All that a dynamic session has added.
  void remove_session(uint32_t session);
  // All that any session of these has added. What has gone is counted.
  struct Removed {
    size_t filters = 0;
    size_t others = 0;
  };
  Removed remove_all_of(std::span<const uint32_t> sessions);

  const SubLayer* find_sublayer(const GUID& key) const;
  const CalloutObject* find_callout(const GUID& key) const;
  const CalloutObject* find_callout(uint32_t id) const;
  const Filter* find_filter(const GUID& key) const;
  // Where the configuration's rules stand.
  const std::shared_ptr<const SubLayer>& rules_sublayer() const { return sublayers_.front(); }

  const std::vector<std::shared_ptr<const SubLayer>>& sublayers() const { return sublayers_; }
  const std::vector<std::shared_ptr<const CalloutObject>>& callouts() const { return callouts_; }
  const std::vector<std::shared_ptr<Filter>>& filters() const { return filters_; }

 private:
  NTSTATUS check_filter(const FWPM_FILTER0& source, const GUID& key, Owner owner,
                        std::shared_ptr<const SubLayer>& sublayer) const;
  NTSTATUS check_action(const FWPM_FILTER0& source, int layer, Owner owner) const;

  std::vector<std::shared_ptr<const SubLayer>> sublayers_;
  std::vector<std::shared_ptr<const CalloutObject>> callouts_;
  std::vector<std::shared_ptr<Filter>> filters_;
};

// The sublayer of the configuration's rules, the heaviest; no session can add to it.
extern const GUID kRulesSubLayer;

// An effective weight. EMPTY: by how much the conditions narrow. UINT8: 0 to 15, a range of its own
// within which the same holds. UINT64: as it is. Else STATUS_FWP_INVALID_WEIGHT.
NTSTATUS resolve_weight(const FWP_VALUE0& source, const Conditions& conditions, uint64_t& out);

// Fills Filter::shown.
void show(Filter& filter, uint64_t context);

// UTF-16 to UTF-8; what is no UTF-16 becomes U+FFFD. At most kFilterNameBytesMax bytes are kept.
std::string utf8(const WCHAR* text);

}  // namespace hookline::filter
