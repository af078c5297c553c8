// Any bytes as a configuration: never a crash, and a configuration exactly when there is no error.
// What loads keeps its promises (line/config.h).
#include <cstddef>
#include <cstdint>
#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "config/changes.h"
#include "config/load.h"

namespace {

using namespace hookline;

void check_ranges(const std::vector<AddressRange>& ranges, const Prefix& subnet) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    CHECK(ranges[i].first <= ranges[i].last, "a range does not end before it begins");
    CHECK(subnet.contains(ranges[i].first) && subnet.contains(ranges[i].last), "inside the subnet");
    CHECK(i == 0 || ranges[i - 1].last < ranges[i].first, "ascending and disjoint");
  }
}

void check_scope(const Scope& scope, const Config& config) {
  CHECK(!scope.id.empty() && &config.scopes[scope.index] == &scope, "its own place");
  CHECK(scope.wire < config.wire_count, "a wire of the configuration");
  check_ranges(scope.ranges, scope.subnet);
  check_ranges(scope.excluded, scope.subnet);
  const LeaseTimes& times = scope.times;
  CHECK(times.min_s <= times.default_s && times.default_s <= times.max_s, "times in order");
  CHECK(times.renew.of(times.default_s) <= times.rebind.of(times.default_s), "T1 before T2");
  for (const Reservation& r : scope.reservations) {
    CHECK(!r.key.empty() && scope.subnet.contains(r.address), "a client and an address");
    CHECK(r.boot.fields.file.size() <= 127 && r.boot.fields.server_name.size() <= 63, "they fit");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const config::Loaded loaded =
      config::load_text(as_text({data, size}), "/fuzz",
                        // Every file that the text names holds the text itself.
                        [&](const std::string&) {
                          return Result<std::string>(as_text({data, size}));
                        });
  CHECK((loaded.config == nullptr) == !loaded.errors.empty(), "a configuration or errors");
  for (const config::Problem& problem : loaded.errors) {
    CHECK(!problem.text.empty() && config::format(problem).find('\n') == std::string::npos,
          "an error is one line");
  }
  if (loaded.config == nullptr) return 0;
  std::set<uint32_t> keys;
  for (const Scope& scope : loaded.config->scopes) {
    check_scope(scope, *loaded.config);
    CHECK(keys.insert(scope.key).second, "keys differ");
  }
  CHECK(config::describe_changes(*loaded.config, *loaded.config).empty(), "nothing changed");
  return 0;
}
