#include "control/stream.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "control/metrics.h"
#include "control/text.h"

namespace hookline::control {

namespace json = boost::json;

namespace {

using StreamResult = Result<std::unique_ptr<Stream>>;

// One line.
class Answer final : public Stream {
 public:
  Answer(json::value id, json::value result) : id_(std::move(id)), result_(std::move(result)) {}
  State produce(std::string& output) override {
    output += result_line(id_, std::move(result_), false);
    return State::Done;
  }

 private:
  json::value id_;
  json::value result_;
};

// Rows that were all made at once.
class Rows final : public Stream {
 public:
  template <class Row>
  Rows(json::value id, const std::vector<Row>& rows) : id_(std::move(id)) {
    for (const Row& row : rows) rows_.push_back(to_json(row));
  }
  Rows(json::value id, json::array rows) : id_(std::move(id)), rows_(std::move(rows)) {}
  State produce(std::string& output) override {
    json::array page;
    for (; next_ < rows_.size() && page.size() < kPageRowsMax; ++next_) {
      page.push_back(std::move(rows_[next_]));
    }
    const bool more = next_ < rows_.size();
    output += result_line(id_, std::move(page), more);
    return more ? State::More : State::Done;
  }

 private:
  json::value id_;
  json::array rows_;
  size_t next_ = 0;
};

// A long text, cut between lines.
class Text final : public Stream {
 public:
  Text(json::value id, std::string text) : id_(std::move(id)), text_(std::move(text)) {}
  State produce(std::string& output) override {
    size_t end = text_.size();
    if (end - next_ > kPageTextBytesMax) {
      const size_t cut = text_.rfind('\n', next_ + kPageTextBytesMax);
      end = cut != std::string::npos && cut >= next_ ? cut + 1 : next_ + kPageTextBytesMax;
    }
    const bool more = end < text_.size();
    output += result_line(id_, json::value(text_.substr(next_, end - next_)), more);
    next_ = end;
    return more ? State::More : State::Done;
  }

 private:
  json::value id_;
  std::string text_;
  size_t next_ = 0;
};

class Leases final : public Stream {
 public:
  Leases(Service& service, json::value id, LeaseFilter filter)
      : service_(service), id_(std::move(id)), filter_(std::move(filter)) {}

  // Asks the service for the first page, so that a wrong filter is an error and not an answer.
  Result<void> start() {
    auto page = service_.leases(filter_, cursor_, kPageRowsMax);
    if (!page) return tl::unexpected(page.error());
    page_ = std::move(*page);
    return {};
  }

  State produce(std::string& output) override {
    if (!page_) {
      auto page = service_.leases(filter_, cursor_, kPageRowsMax);
      if (!page) {
        output += error_line(id_, page.error());
        return State::Done;
      }
      page_ = std::move(*page);
    }
    const LeasePage page = *std::exchange(page_, std::nullopt);
    if (page.rows.empty() && page.more) return State::More;
    json::array rows;
    for (const LeaseRow& row : page.rows) rows.push_back(to_json(row));
    output += result_line(id_, std::move(rows), page.more);
    return page.more ? State::More : State::Done;
  }

 private:
  Service& service_;
  json::value id_;
  LeaseFilter filter_;
  uint64_t cursor_ = 0;
  std::optional<LeasePage> page_;
};

class Trace final : public Stream {
 public:
  Trace(Service& service, json::value id, uint64_t trace)
      : service_(service), id_(std::move(id)), trace_(trace) {}
  ~Trace() override { service_.trace_close(trace_); }
  State produce(std::string& output) override {
    json::array lines;
    std::string line;
    while (lines.size() < kPageRowsMax && service_.trace_next(trace_, line)) {
      lines.emplace_back(printable(as_bytes(line)));
    }
    // The first page is made even without lines: the client then knows that it follows.
    if (lines.empty() && answered_) return State::Waiting;
    answered_ = true;
    const bool full = lines.size() == kPageRowsMax;
    output += result_line(id_, std::move(lines), true);
    return full ? State::More : State::Waiting;
  }
  bool tracing() const override { return true; }

 private:
  Service& service_;
  json::value id_;
  uint64_t trace_;
  bool answered_ = false;
};

// A request to a control device, answered when its driver has completed it.
class Ioctl final : public Stream {
 public:
  Ioctl(Service& service, json::value id, uint64_t request)
      : service_(service), id_(std::move(id)), request_(request) {}
  ~Ioctl() override { service_.ioctl_close(request_); }
  State produce(std::string& output) override {
    const auto answer = service_.ioctl_next(request_);
    if (!answer) return State::Waiting;
    output +=
        *answer ? result_line(id_, to_json(**answer), false) : error_line(id_, answer->error());
    return State::Done;
  }
  bool tracing() const override { return true; }

 private:
  Service& service_;
  json::value id_;
  uint64_t request_;
};

struct Call {
  Service& service;
  const CallRequest& request;

  StreamResult answer(json::value result) const {
    return std::make_unique<Answer>(request.id, std::move(result));
  }
  StreamResult answer(const Result<void>& done, std::string_view said) const {
    if (!done) return tl::unexpected(done.error());
    return answer(json::value(json::string(said)));
  }
};

StreamResult open_status(const Call& call) {
  const auto status = call.service.status();
  if (!status) return tl::unexpected(status.error());
  return call.answer(to_json(*status, call.service.counters()));
}

StreamResult open_drops(const Call& call) {
  return call.answer(drops_json(call.service.counters()));
}

StreamResult open_scopes(const Call& call) {
  auto rows = call.service.scopes();
  if (!rows) return tl::unexpected(rows.error());
  return std::make_unique<Rows>(call.request.id, *rows);
}

StreamResult open_callouts(const Call& call) {
  const auto rows = call.service.callouts();
  if (!rows) return tl::unexpected(rows.error());
  return std::make_unique<Rows>(call.request.id, *rows);
}

StreamResult open_callout_faults(const Call& call) {
  const auto rows = call.service.callout_faults();
  if (!rows) return tl::unexpected(rows.error());
  return std::make_unique<Rows>(call.request.id, *rows);
}

StreamResult open_leases(const Call& call) {
  auto filter = parse_lease_filter(call.request.args);
  if (!filter) return tl::unexpected(filter.error());
  auto stream = std::make_unique<Leases>(call.service, call.request.id, std::move(*filter));
  if (auto started = stream->start(); !started) return tl::unexpected(started.error());
  return stream;
}

StreamResult open_metrics(const Call& call) {
  const auto status = call.service.status();
  if (!status) return tl::unexpected(status.error());
  const auto scopes = call.service.scopes();
  if (!scopes) return tl::unexpected(scopes.error());
  const auto callouts = call.service.callouts();
  if (!callouts) return tl::unexpected(callouts.error());
  const auto filter = call.service.filter();
  if (!filter) return tl::unexpected(filter.error());
  return std::make_unique<Text>(
      call.request.id, metrics_text(call.service.counters(), *status, *scopes, *callouts, *filter));
}

StreamResult open_trace(const Call& call) {
  if (auto known = check_members(call.request.args, {"client"}); !known) {
    return tl::unexpected(known.error());
  }
  const json::value* client = call.request.args.if_contains("client");
  if (client == nullptr || !client->is_string()) {
    return fail(ErrorKind::Invalid, "'client' has to be any, a hardware address or a client id");
  }
  const json::string& text = client->get_string();
  const auto trace = call.service.trace_open({text.data(), text.size()});
  if (!trace) return tl::unexpected(trace.error());
  return std::make_unique<Trace>(call.service, call.request.id, *trace);
}

StreamResult open_release(const Call& call) {
  const auto address = parse_address(call.request.args);
  if (!address) return tl::unexpected(address.error());
  return call.answer(call.service.release_lease(*address), "released " + address->text());
}

StreamResult open_delete(const Call& call) {
  const auto address = parse_address(call.request.args);
  if (!address) return tl::unexpected(address.error());
  return call.answer(call.service.delete_lease(*address), "deleted " + address->text());
}

StreamResult open_pause(const Call& call) {
  return call.answer(call.service.pause(), "paused: every packet is dropped until 'continue'");
}

// Undoes whatever of the operator's or the disk's doing keeps the server from granting.
StreamResult open_continue(const Call& call) {
  if (const auto resumed = call.service.resume(); !resumed) return tl::unexpected(resumed.error());
  const auto status = call.service.status();
  if (!status) return tl::unexpected(status.error());
  if (!status->journal.failed.empty()) {
    if (const auto journal = call.service.resume_journal(); !journal) {
      return tl::unexpected(journal.error());
    }
  }
  return call.answer(json::value(status->state == ServingState::Unauthorized
                                     ? "not paused any more, but still not authorized"
                                     : "serving"));
}

StreamResult open_reload(const Call& call) {
  const auto changed = call.service.reload();
  if (!changed) return tl::unexpected(changed.error());
  return call.answer(json::value(json::string(*changed)));
}

StreamResult open_reload_callouts(const Call& call) {
  if (auto known = check_members(call.request.args, {"name"}); !known) {
    return tl::unexpected(known.error());
  }
  const json::value* name = call.request.args.if_contains("name");
  if (name != nullptr && !name->is_string()) {
    return fail(ErrorKind::Invalid, "'name' has to be a callout's name or file");
  }
  const auto loaded = name == nullptr
                          ? call.service.reload_callouts()
                          : call.service.reload_callout(std::string_view(name->get_string()));
  if (!loaded) return tl::unexpected(loaded.error());
  return call.answer(json::value(json::string(*loaded)));
}

StreamResult open_filter(const Call& call) {
  const auto view = call.service.filter();
  if (!view) return tl::unexpected(view.error());
  return std::make_unique<Rows>(call.request.id, filter_rows(*view));
}

StreamResult open_reload_drivers(const Call& call) {
  const auto loaded = call.service.reload_drivers();
  if (!loaded) return tl::unexpected(loaded.error());
  return call.answer(json::value(json::string(*loaded)));
}

StreamResult open_ioctl(const Call& call) {
  auto asked = parse_ioctl(call.request.args);
  if (!asked) return tl::unexpected(asked.error());
  const auto request = call.service.ioctl_open(asked->name, asked->code, std::move(asked->input));
  if (!request) return tl::unexpected(request.error());
  return std::make_unique<Ioctl>(call.service, call.request.id, *request);
}

StreamResult open_authorize(const Call& call) {
  return call.answer(call.service.set_authorized(true), "authorized");
}

StreamResult open_unauthorize(const Call& call) {
  return call.answer(call.service.set_authorized(false),
                     "not authorized: every packet is dropped until 'authorize'");
}

struct CallInfo {
  std::string_view name;
  StreamResult (*open)(const Call&);
  bool takes_arguments;
  bool changes;
};

constexpr CallInfo kCalls[] = {
    {"status", open_status, false, false},
    {"leases", open_leases, true, false},
    {"scopes", open_scopes, false, false},
    {"drops", open_drops, false, false},
    {"callouts", open_callouts, false, false},
    {"callout-faults", open_callout_faults, false, false},
    {"filter", open_filter, false, false},
    {"metrics", open_metrics, false, false},
    {"trace", open_trace, true, false},
    {"release", open_release, true, true},
    {"delete", open_delete, true, true},
    {"pause", open_pause, false, true},
    {"continue", open_continue, false, true},
    {"reload", open_reload, false, true},
    {"reload-callouts", open_reload_callouts, true, true},
    {"reload-drivers", open_reload_drivers, false, true},
    {"ioctl", open_ioctl, true, true},
    {"authorize", open_authorize, false, true},
    {"unauthorize", open_unauthorize, false, true},
};

void record(Logger& log, std::string_view who, const CallRequest& request,
            const StreamResult& result) {
  std::string what;
  for (const char* argument : {"address", "name"}) {
    const json::value* given = request.args.if_contains(argument);
    if (given != nullptr && given->is_string()) what = given->get_string().c_str();
  }
  if (result) {
    log.info("operator's call done", {{"call", request.call}, {"argument", what}, {"by", who}});
  } else {
    log.warning(
        "operator's call refused",
        {{"call", request.call}, {"argument", what}, {"by", who}, {"why", result.error().text}});
  }
}

}  // namespace

Result<std::unique_ptr<Stream>> open_stream(Service& service, Logger& log, std::string_view who,
                                            const CallRequest& request) {
  for (const CallInfo& info : kCalls) {
    if (info.name != request.call) continue;
    if (!info.takes_arguments) {
      if (auto none = check_members(request.args, {}); !none) return tl::unexpected(none.error());
    }
    StreamResult result = info.open({service, request});
    if (info.changes) record(log, who, request, result);
    return result;
  }
  std::string known;
  for (const CallInfo& info : kCalls)
    known += fmt::format("{}{}", known.empty() ? "" : ", ", info.name);
  return fail(ErrorKind::Invalid, fmt::format("'{}' is no call; there are {}",
                                              printable(as_bytes(request.call)), known));
}

}  // namespace hookline::control
