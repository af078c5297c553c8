#include "server/cli_operator.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <charconv>
#include <string_view>
#include <utility>

#include "control/client.h"
#include "control/text.h"
#include "line/config.h"
#include "server/cli_errors.h"

namespace hookline::cli {

namespace json = boost::json;
using control::ControlClient;
using control::Format;
using control::RowWriter;

namespace {

std::string socket_of(const Target& target) {
  return target.socket.empty() ? ServerConfig().control : target.socket;
}

int call(const Target& target, std::string_view name, const json::object& args,
         const ControlClient::OnPage& on_page, Streams streams, int timeout_ms = 60'000) {
  auto client = ControlClient::connect(socket_of(target));
  if (!client) return failed(client.error(), streams);
  const auto done = client->call(name, args, on_page, timeout_ms);
  return done ? kExitOk : failed(done.error(), streams);
}

RowWriter::Sink sink_to(std::FILE* out) {
  return [out](std::string_view text) { std::fwrite(text.data(), 1, text.size(), out); };
}

// A table of rows that come in pages.
int show_rows(const Target& target, std::string_view name, const json::object& args,
              std::span<const control::Column> columns, std::string_view nothing, Streams streams) {
  std::optional<RowWriter> writer;
  const int status = call(
      target, name, args,
      [&](const json::value& page) {
        // Nothing is written before the server has agreed to answer.
        if (!writer) writer.emplace(target.format, columns, nothing, sink_to(streams.out));
        if (page.is_array()) writer->page(page.get_array());
        return std::ferror(streams.out) == 0;
      },
      streams);
  if (writer && status == kExitOk) writer->end();
  return status;
}

json::array without_zeros(const json::array& rows) {
  json::array some;
  for (const json::value& row : rows) {
    json::error_code error;
    const json::value* count = row.is_object() ? row.get_object().if_contains("count") : nullptr;
    if (count != nullptr && count->to_number<uint64_t>(error) != 0) some.push_back(row);
  }
  return some;
}

std::string now_text() {
  timespec now{};
  std::timespec_get(&now, TIME_UTC);
  std::string text = control::time_text(now.tv_sec);
  text.insert(text.size() - 1, fmt::format(".{:03}", now.tv_nsec / 1'000'000));
  return text;
}

// hookline_packets_sent_total{type="ack"} 7 → an object with name, labels and value.
json::object sample_of(std::string_view line) {
  const size_t blank = line.rfind(' ');
  const std::string_view series = line.substr(0, blank);
  const size_t brace = series.find('{');
  std::string_view labels;
  if (brace != std::string_view::npos) labels = series.substr(brace + 1, series.size() - brace - 2);
  return {{"name", std::string(series.substr(0, brace))},
          {"labels", std::string(labels)},
          {"value", std::string(line.substr(blank + 1))}};
}

constexpr control::Column kSampleColumns[] = {
    {"NAME", "name"}, {"LABELS", "labels"}, {"VALUE", "value", true}};

void write_samples(const Target& target, std::string_view text, Streams streams) {
  RowWriter writer(target.format, kSampleColumns, "", sink_to(streams.out));
  json::array rows;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.empty() && line.front() != '#') rows.push_back(sample_of(line));
  }
  writer.page(rows);
  writer.end();
}

ControlClient::OnPage show_text(Streams streams) {
  return [streams](const json::value& page) {
    if (page.is_string()) fmt::print(streams.out, "{}\n", page.get_string().c_str());
    return true;
  };
}

}  // namespace

int show_status(const Target& target, Streams streams) {
  return call(
      target, "status", {},
      [&](const json::value& page) {
        if (!page.is_object()) return false;
        const json::object& status = page.get_object();
        std::string text;
        if (target.format == Format::Table) text = control::status_table(status);
        if (target.format == Format::Json) text = control::pretty_json(page);
        if (target.format == Format::Csv) text = control::status_csv(status);
        std::fputs(text.c_str(), streams.out);
        return true;
      },
      streams);
}

int show_leases(const Target& target, const LeaseArguments& arguments, Streams streams) {
  json::object args;
  const std::pair<const char*, const std::string&> given[] = {{"scope", arguments.scope},
                                                              {"address", arguments.address},
                                                              {"hw_address", arguments.hw_address},
                                                              {"client_id", arguments.client_id},
                                                              {"state", arguments.state}};
  for (const auto& [name, value] : given) {
    if (!value.empty()) args[name] = value;
  }
  return show_rows(target, "leases", args, control::lease_columns(), "no leases", streams);
}

int show_scopes(const Target& target, Streams streams) {
  return show_rows(target, "scopes", {}, control::scope_columns(), "no scopes", streams);
}

int show_callouts(const Target& target, Streams streams) {
  return show_rows(target, "callouts", {}, control::callout_columns(), "no callouts", streams);
}

int show_callout_faults(const Target& target, Streams streams) {
  return show_rows(target, "callout-faults", {}, control::callout_fault_columns(), "no faults",
                   streams);
}

namespace {

// Rows of one kind after the other, each kind with its own columns.
void write_sections(const json::array& rows, Streams streams) {
  bool first = true;
  for (const control::FilterSection& section : control::filter_sections()) {
    json::array its;
    for (const json::value& row : rows) {
      const json::value* kind = row.is_object() ? row.get_object().if_contains("kind") : nullptr;
      if (kind != nullptr && kind->is_string() && kind->get_string() == section.kind.data()) {
        its.push_back(row);
      }
    }
    if (its.empty()) continue;
    if (!std::exchange(first, false)) fmt::print(streams.out, "\n");
    RowWriter writer(Format::Table, section.columns, "", sink_to(streams.out));
    writer.page(its);
    writer.end();
  }
  if (first) fmt::print(streams.out, "nothing\n");
}

std::optional<uint32_t> parse_code(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  uint32_t code = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), code, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return code;
}

}  // namespace

int show_filter(const Target& target, Streams streams) {
  if (target.format != Format::Table) {
    return show_rows(target, "filter", {}, control::filter_columns(), "", streams);
  }
  json::array rows;
  const int status = call(
      target, "filter", {},
      [&](const json::value& page) {
        if (!page.is_array()) return false;
        for (const json::value& row : page.get_array()) rows.push_back(row);
        return true;
      },
      streams);
  if (status == kExitOk) write_sections(rows, streams);
  return status;
}

int ioctl(const Target& target, const std::string& name, const std::string& code,
          const std::string& data, Streams streams) {
  const auto number = parse_code(code);
  if (!number) {
    failed(fmt::format("'{}' is no control code, as 2147491840 or 0x80002000", code), streams);
    return kExitUsage;
  }
  if (!from_hex(data)) {
    failed(fmt::format("'{}' is not hex", data), streams);
    return kExitUsage;
  }
  bool good = false;
  const int status = call(
      target, "ioctl", {{"name", name}, {"code", *number}, {"data", data}},
      [&](const json::value& answer) {
        const json::value* result =
            answer.is_object() ? answer.get_object().if_contains("status") : nullptr;
        if (result == nullptr || !result->is_int64()) return false;
        good = result->get_int64() < int64_t{0x8000'0000};
        const std::string text = target.format == Format::Table ? control::ioctl_table(answer)
                                                                : control::pretty_json(answer);
        std::fputs(text.c_str(), streams.out);
        return true;
      },
      streams);
  return status == kExitOk && !good ? kExitFailed : status;
}

int show_drops(const Target& target, bool all, Streams streams) {
  if (target.format != Format::Table || all) {
    return show_rows(target, "drops", {}, control::drop_columns(), "", streams);
  }
  return call(
      target, "drops", {},
      [&](const json::value& page) {
        if (!page.is_array()) return false;
        RowWriter writer(target.format, control::drop_columns(), "nothing was dropped",
                         sink_to(streams.out));
        writer.page(without_zeros(page.get_array()));
        writer.end();
        return true;
      },
      streams);
}

int show_metrics(const Target& target, Streams streams) {
  std::string all;
  const int status = call(
      target, "metrics", {},
      [&](const json::value& page) {
        if (page.is_string())
          all += std::string_view(page.get_string().data(), page.get_string().size());
        return true;
      },
      streams);
  if (status != kExitOk) return status;
  if (target.format == Format::Table) {
    std::fwrite(all.data(), 1, all.size(), streams.out);
  } else {
    write_samples(target, all, streams);
  }
  return kExitOk;
}

int follow_trace(const Target& target, const std::string& client, Streams streams) {
  // The server knows hex only; what is neither "any" nor hex is a client id in text.
  std::string who = client;
  if (client != "any" && !client.starts_with("hex:") && !from_hex(client)) {
    who = "hex:" + to_hex(as_bytes(client));
  }
  bool following = false;
  return call(
      target, "trace", {{"client", who}},
      [&](const json::value& page) {
        if (!std::exchange(following, true)) {
          fmt::print(streams.err, "following {}; Ctrl-C ends it\n", client);
        }
        if (page.is_array()) {
          for (const json::value& line : page.get_array()) {
            if (!line.is_string()) continue;
            fmt::print(streams.out, "{} {}\n", now_text(), line.get_string().c_str());
          }
        }
        return std::fflush(streams.out) == 0;
      },
      streams, -1);
}

int reload_callouts(const Target& target, const std::string& name, Streams streams) {
  json::object args;
  if (!name.empty()) args["name"] = name;
  return call(target, "reload-callouts", args, show_text(streams), streams);
}

int change(const Target& target, const std::string& name, const std::string& address,
           Streams streams) {
  json::object args;
  if (!address.empty()) args["address"] = address;
  return call(target, name, args, show_text(streams), streams);
}

}  // namespace hookline::cli
