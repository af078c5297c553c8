#include "server/callout_hosting.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

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
  if (named.empty() && io::find_account(kCalloutUser)) return HelperUser{kCalloutUser, "", false};
  const std::string& name = named.empty() ? config.server.user : named;
  const auto account = io::find_account(name);
  const bool is_root = account && account->uid == 0;
  if (!named.empty() && !is_root) return HelperUser{name, "", false};
  return HelperUser{name,
                    fmt::format("isolated callouts run as {}; to give them a user of their own: "
                                "useradd --system --shell /usr/sbin/nologin {}, and restart",
                                is_root ? "root" : "the server's own user", kCalloutUser),
                    is_root};
}

std::vector<std::string> missing_grants(const CalloutConfig& callouts) {
  std::vector<std::string> missing;
  const auto look = [&](const CalloutHosting& hosting) {
    if (hosting.place == CalloutPlace::InProcess) return;
    for (const auto* paths : {&hosting.readable, &hosting.writable}) {
      for (const std::string& path : *paths) {
        std::error_code error;
        if (!std::filesystem::exists(path, error) &&
            std::find(missing.begin(), missing.end(), path) == missing.end()) {
          missing.push_back(path);
        }
      }
    }
  };
  if (callouts.chaining == CalloutChaining::ByDlls) look(callouts.hosting);
  for (const CalloutHosting& hosting : callouts.each) look(hosting);
  return missing;
}

}  // namespace hookline::server
