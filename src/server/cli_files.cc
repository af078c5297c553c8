#include "server/cli_files.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <filesystem>
#include <memory>
#include <system_error>

#include "callout/services.h"
#include "config/load.h"
#include "control/protocol.h"
#include "control/text.h"
#include "driver/image.h"
#include "io/linux/directory.h"
#include "io/linux/library.h"
#include "io/linux/wine.h"
#include "server/callout_hosting.h"
#include "server/cli_errors.h"
#include "store/offline.h"

namespace hookline::cli {

namespace json = boost::json;

namespace {

constexpr control::Column kDumpColumns[] = {{"FILE", "file", false, 24},
                                            {"OFFSET", "offset", true, 10},
                                            {"KIND", "kind", false, 12},
                                            {"SEQUENCE", "sequence", true, 10},
                                            {"ADDRESS", "address", false, 15},
                                            {"STATE", "state", false, 8},
                                            {"SCOPE", "scope", false, 12},
                                            {"HW-ADDRESS", "hw_address", false, 17},
                                            {"CLIENT-ID", "client_id", false, 20},
                                            {"HOSTNAME", "hostname", false, 16},
                                            {"START", "start", false, 20},
                                            {"EXPIRY", "expiry", false, 20},
                                            {"LAST-SEEN", "last_transaction", false, 20},
                                            {"RELAY-INFO", "relay_info", false, 10},
                                            {"STEP", "clock_step_s", true, 4}};

// Unlike a server's, the directory has to be there.
Result<std::unique_ptr<io::LinuxDirectory>> open_directory(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return fail(ErrorKind::Missing,
                fmt::format("{}: {}; give the state directory that holds the lease journal", path,
                            error ? error.message() : "is not a directory"));
  }
  return io::LinuxDirectory::open(path);
}

std::vector<uint8_t> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

int64_t wall(LeaseSeconds seconds) {
  return seconds == kLeaseTimeInfinite ? control::kForever : int64_t{seconds};
}

json::object lease_json(const LeaseRecord& lease, std::string_view scope) {
  control::LeaseRow row;
  row.address = lease.address;
  row.state = lease.state;
  row.bootp = lease.bootp;
  row.scope = control::printable(as_bytes(scope));
  row.hardware_type = lease.hardware_type;
  row.hardware_address = copy(lease.hardware_address);
  row.client_id = copy(lease.client_id);
  row.hostname = copy(lease.hostname);
  row.start_s = lease.start;
  row.expiry_s = wall(lease.expiry);
  row.last_transaction_s = lease.last_transaction;
  json::object object = control::to_json(row).get_object();
  // The journal keeps option 82 whole.
  object.erase("circuit_id");
  object.erase("remote_id");
  object["relay_info"] = control::id_text(lease.relay_info);
  object["sequence"] = lease.sequence;
  object["scope_key"] = lease.scope_key;
  return object;
}

json::object dumped_json(const store::DumpedRecord& record) {
  json::object object = {{"file", std::string(record.file)},
                         {"offset", record.offset},
                         {"kind", std::string(record.kind)}};
  if (record.kind == "lease") {
    for (auto& member : lease_json(record.lease, record.scope)) object.insert(member);
  } else if (record.kind == "clock-step") {
    object["clock_step_s"] = record.clock_step_s;
  } else if (record.kind == "scope-name") {
    object["scope"] = control::printable(as_bytes(record.scope));
    object["scope_key"] = record.scope_key;
  }
  return object;
}

}  // namespace

namespace {

// Their files; nothing of them is started. The number of those that the server would not start
// without.
size_t check_drivers(const FilterConfig& filter, const std::string& path, Streams streams) {
  io::LinuxLibraries libraries;
  size_t errors = 0;
  for (const FilterDriver& driver : filter.drivers) {
    const bool absolute = driver.path.starts_with('/');
    const std::string file = absolute ? driver.path : filter.dir + "/" + driver.path;
    const auto image = driver::open_image(libraries, file);
    if (image) continue;
    fmt::print(streams.err, "{}: driver {}: {}: {}{}\n", path, driver.name, file,
               image.error().text, driver.required ? "" : " (warning)");
    errors += driver.required ? 1 : 0;
  }
  return errors;
}

// What keeps a callout's file from being loaded, as far as the file itself shows it.
Result<void> look_at_callout(const std::string& file) {
  if (!io::is_windows_file(file)) return io::look_at_library(file);
  const auto unmet = io::check_windows_dll(file);
  if (!unmet) return tl::unexpected(unmet.error());
  const std::string missing = io::missing_dlls(*unmet);
  return missing.empty() ? Result<void>() : fail(ErrorKind::Missing, missing);
}

// Who runs them, and their files: a server starts without one that can't be loaded.
size_t check_callouts(const Config& config, const std::string& path, Streams streams) {
  size_t errors = 0;
  const io::LinuxLibraries libraries;
  const callout::Services services(config.callouts, libraries, callout::Services::Say());
  for (const std::string& name : config.callouts.names) {
    const auto file = services.file_of(name);
    const auto looked = file ? look_at_callout(*file) : tl::unexpected(file.error());
    if (looked || !config.callouts.enabled) continue;
    fmt::print(streams.err, "{}: callout {}: {} (warning)\n", path, name, looked.error().text);
  }
  for (const std::string& grant : server::missing_grants(config.callouts)) {
    fmt::print(streams.err, "{}: callouts may use {}, which is not there (warning)\n", path, grant);
  }
  const auto look = [&](const auto& outcome) {
    if (outcome) return;
    fmt::print(streams.err, "{}: {}\n", path, outcome.error().text);
    ++errors;
  };
  look(server::check_hosting(config.callouts));
  if (server::needs_helpers(config.callouts)) {
    const auto user = server::helper_user(config);
    look(user);
    if (user && user->is_root) fmt::print(streams.err, "{}: {} (warning)\n", path, user->note);
  }
  return errors;
}

}  // namespace

int check_config(const std::string& path, Streams streams) {
  const config::Loaded loaded = config::load_file(path);
  for (const config::Problem& problem : loaded.errors) {
    fmt::print(streams.err, "{}\n", config::format(problem));
  }
  for (const config::Problem& problem : loaded.warnings) {
    fmt::print(streams.err, "{} (warning)\n", config::format(problem));
  }
  size_t errors = loaded.errors.size();
  if (loaded.config) {
    errors += check_drivers(loaded.config->filter, path, streams);
    errors += check_callouts(*loaded.config, path, streams);
  }
  if (errors != 0 || !loaded.config) {
    return failed(fmt::format("{}: {} error{}", path, errors, errors == 1 ? "" : "s"), streams);
  }
  uint64_t reservations = 0;
  for (const Scope& scope : loaded.config->scopes) reservations += scope.reservations.size();
  const FilterConfig& filter = loaded.config->filter;
  fmt::print(streams.out, "{}: good: {} scopes, {} reservations", path,
             loaded.config->scopes.size(), reservations);
  if (filter != FilterConfig{{}, {}, filter.inline_completion, filter.dir}) {
    fmt::print(streams.out, ", {} filter rules, {} drivers", filter.rules.size(),
               filter.drivers.size());
  }
  fmt::print(streams.out, "\n");
  return kExitOk;
}

int journal_dump(const std::string& path, control::Format format, Streams streams) {
  auto directory = open_directory(path);
  if (!directory) return failed(directory.error(), streams);
  control::RowWriter writer(
      format, kDumpColumns, "the journal is empty",
      [&](std::string_view text) { std::fwrite(text.data(), 1, text.size(), streams.out); });
  json::array page;
  const auto flush = [&] {
    writer.page(page);
    page.clear();
  };
  const auto done = store::dump(**directory, [&](const store::DumpedRecord& record) {
    page.push_back(dumped_json(record));
    if (page.size() >= control::kPageRowsMax) flush();
  });
  flush();
  writer.end();
  std::fflush(streams.out);
  return done ? kExitOk : failed(done.error(), streams);
}

int journal_verify(const std::string& path, Streams streams) {
  auto directory = open_directory(path);
  if (!directory) return failed(directory.error(), streams);
  const auto report = store::verify(**directory);
  if (!report) return failed(report.error(), streams);
  std::string text = report->text();
  if (!text.empty() && text.back() != '\n') text += '\n';
  std::fputs(text.c_str(), streams.out);
  if (report->ok()) return kExitOk;
  return failed(fmt::format("{}: the lease journal is damaged; 'hookline journal repair {}' keeps "
                            "all that checks",
                            path, path),
                streams);
}

int journal_repair(const std::string& path, Streams streams) {
  auto directory = open_directory(path);
  if (!directory) return failed(directory.error(), streams);
  const auto report = store::repair(**directory);
  if (!report) return failed(report.error(), streams);
  if (!report->needed) {
    fmt::print(streams.out, "{}: the lease journal checks; nothing was done\n", path);
    return kExitOk;
  }
  fmt::print(streams.out, "{}: {} leases kept in {}, up to record {}\n", path, report->leases,
             report->snapshot, report->sequence);
  for (const std::string& moved : report->moved) {
    fmt::print(streams.out, "moved aside: {}\n", moved);
  }
  return kExitOk;
}

}  // namespace hookline::cli
