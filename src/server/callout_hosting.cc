#include "server/callout_hosting.h"

#include <fmt/core.h>

#include <algorithm>

#include "io/linux/helpers.h"
#include "io/linux/privileges.h"

namespace hookline::server {

bool needs_helpers(const CalloutConfig& callouts) {
  if (!callouts.enabled || callouts.names.empty()) return false;
  const auto is_isolated = [](const CalloutHosting& hosting) {
    return hosting.place != CalloutPlace::InProcess;
  };
  if (callouts.chaining == CalloutChaining::ByDlls) return is_isolated(callouts.hosting);
  return std::any_of(callouts.each.begin(), callouts.each.end(), is_isolated);
}

Result<void> check_hosting(const CalloutConfig& callouts) {
  if (!needs_helpers(callouts)) return {};
  const auto program = io::LinuxHelpers::find_program(kHostProgram);
  if (program) return {};
  return fail(ErrorKind::Missing,
              fmt::format("callouts can't be isolated: {}; install it there, or let them run in "
                          "the server's own process: host = \"in-process\"",
                          program.error().text));
}

Result<HelperUser> helper_user(const Config& config) {
  const std::string& named = config.callouts.user;
  if (!named.empty() && !io::find_account(named)) {
    return fail(ErrorKind::Missing, fmt::format("callouts.user: there is no user {}; make one: "
                                                "useradd --system --shell /usr/sbin/nologin {}",
                                                named, named));
  }
  if (!named.empty()) return HelperUser{named, ""};
  if (io::find_account(kCalloutUser)) return HelperUser{kCalloutUser, ""};
  return HelperUser{config.server.user,
                    fmt::format("isolated callouts run as the server's own user; to give them one "
                                "of their own: useradd --system --shell /usr/sbin/nologin {}, and "
                                "restart",
                                kCalloutUser)};
}

}  // namespace hookline::server
