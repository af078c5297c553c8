#include "control/metrics.h"

#include <fmt/core.h>

#include <initializer_list>
#include <iterator>
#include <utility>

#include "control/text.h"

namespace hookline::control {

namespace {

using Label = std::pair<std::string_view, std::string_view>;

class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }

  template <class Number>
  void sample(Number value, std::initializer_list<Label> labels = {}) {
    sample_of("", value, labels);
  }

  // Of a histogram: the family's name has an end.
  template <class Number>
  void sample_of(std::string_view end, Number value, std::initializer_list<Label> labels = {}) {
    text_ += name_;
    text_ += end;
    char separator = '{';
    for (const auto& [label, label_value] : labels) {
      text_ += fmt::format("{}{}=\"{}\"", separator, label, escape_label(label_value));
      separator = ',';
    }
    if (labels.size() != 0) text_ += '}';
    text_ += fmt::format(" {}\n", value);
  }

  void counter(std::string_view name, std::string_view help, const Counter& counter) {
    family(name, "counter", help);
    sample(counter.value());
  }

  template <class Number>
  void gauge(std::string_view name, std::string_view help, Number value) {
    family(name, "gauge", help);
    sample(value);
  }

  std::string take() { return std::move(text_); }

 private:
  std::string_view name_;
  std::string text_;
};

double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

void reply_latency(Exposition& out, const Latency& latency) {
  out.family("hookline_reply_seconds", "histogram",
             "From a packet's arrival to the completion of its reply's injection.");
  uint64_t count = 0;
  for (size_t i = 0; i < Latency::kClasses; ++i) {
    count += latency.count(i);
    const std::string bound = i + 1 == Latency::kClasses
                                  ? "+Inf"
                                  : fmt::format("{}", seconds(uint64_t(Latency::bound_ns(i))));
    out.sample_of("_bucket", count, {{"le", bound}});
  }
  out.sample_of("_sum", seconds(latency.sum_ns()));
  out.sample_of("_count", count);
}

void packets(Exposition& out, const Counters& c) {
  out.family("hookline_packets_received_total", "counter",
             "Well-formed messages of clients, by type.");
  for (size_t i = 0; i < kMessageTypeCount; ++i) {
    out.sample(c.received[i].value(), {{"type", message_type_name(static_cast<MessageType>(i))}});
  }
  out.family("hookline_packets_sent_total", "counter", "Replies that left, by type.");
  for (size_t i = 0; i < kMessageTypeCount; ++i) {
    out.sample(c.sent[i].value(), {{"type", message_type_name(static_cast<MessageType>(i))}});
  }
  out.family("hookline_packets_dropped_total", "counter", "Frames and packets dropped, by reason.");
  for (const DropInfo& info : kDrops) {
    out.sample(c.drops[static_cast<size_t>(info.drop)].value(), {{"reason", info.counter}});
  }
  out.counter("hookline_frames_received_total", "Frames taken from the interfaces.",
              c.frames_received);
  out.counter("hookline_packets_entered_total", "Packets that got a slot.", c.packets_entered);
  out.counter("hookline_packets_completed_total", "Packets that ended completed.",
              c.packets_completed);
  out.counter("hookline_send_failures_total", "Completed packets whose reply did not leave.",
              c.send_failures);
  reply_latency(out, c.replies);
  out.counter("hookline_replies_suppressed_total",
              "Completed packets whose reply a callout suppressed.", c.replies_suppressed);
  out.counter("hookline_turns_total", "Turns of the packet thread.", c.turns);
}

void lease_events(Exposition& out, const Counters& c) {
  out.counter("hookline_leases_granted_total", "New bindings.", c.leases_granted);
  out.counter("hookline_leases_renewed_total", "Bindings extended.", c.leases_renewed);
  out.counter("hookline_leases_released_total", "Bindings given back.", c.leases_released);
  out.counter("hookline_leases_declined_total", "Addresses put into quarantine.",
              c.leases_declined);
  out.counter("hookline_leases_conflicted_total",
              "Addresses that a probe found in use, put into quarantine, too.",
              c.leases_conflicted);
  out.counter("hookline_leases_expired_total", "Bindings that ran out.", c.leases_expired);
  out.counter("hookline_commits_total", "Syncs of the lease journal that carried records.",
              c.commits);
  out.counter("hookline_records_committed_total", "Lease records made durable.",
              c.records_committed);
  out.family("hookline_commit_seconds_total", "counter", "Time spent in commits.");
  out.sample(seconds(c.commit_ns.value()));
}

void queries(Exposition& out, const QueryCounters& q) {
  out.gauge("hookline_leasequery_connections", "TCP connections for leasequery that are open.",
            q.opened.value() - q.closed.value());
  out.gauge("hookline_leasequery_subscribers", "Of those, active leasequeries.",
            q.active.value() - q.active_ended.value());
  out.counter("hookline_leasequery_connections_total", "TCP connections that were let in.",
              q.opened);
  out.family("hookline_leasequery_refused_total", "counter",
             "TCP connections that were refused or cut off, by reason.");
  out.sample(q.not_allowed.value(), {{"reason", "not_allowed"}});
  out.sample(q.too_many.value(), {{"reason", "too_many"}});
  out.sample(q.blocked.value(), {{"reason", "blocked"}});
  out.sample(q.timed_out.value(), {{"reason", "timed_out"}});
  out.family("hookline_leasequery_queries_total", "counter", "Leasequeries over TCP, by kind.");
  for (size_t i = 0; i < kQueryKindCount; ++i) {
    out.sample(q.bulk[i].value(), {{"kind", query_kind_name(static_cast<QueryKind>(i))}});
  }
  out.sample(q.active.value(), {{"kind", "active"}});
  out.counter("hookline_leasequery_malformed_total", "Messages that no query is.", q.malformed);
  out.counter("hookline_leasequery_not_allowed_total", "Queries answered with NotAllowed.",
              q.refused);
  out.counter("hookline_leasequery_terminated_total", "Queries that a reload or a stop ended.",
              q.terminated);
  out.counter("hookline_leasequery_overruns_total",
              "Times that an active leasequery fell too far behind.", q.overruns);
  out.counter("hookline_leasequery_answers_total", "Leases that were told.", q.answers);
  out.counter("hookline_leasequery_received_bytes_total", "Bytes that peers sent.",
              q.bytes_received);
  out.counter("hookline_leasequery_sent_bytes_total", "Bytes that peers took.", q.bytes_sent);
}

void state(Exposition& out, const Status& s) {
  out.family("hookline_build_info", "gauge", "Always 1; the labels say what runs.");
  out.sample(1, {{"version", s.version}});
  out.family("hookline_state", "gauge", "1 for the state that the server is in.");
  for (const ServingState which : {ServingState::Serving, ServingState::Paused,
                                   ServingState::Unauthorized, ServingState::NotGranting}) {
    out.sample(s.state == which ? 1 : 0, {{"state", serving_state_name(which)}});
  }
  out.gauge("hookline_start_time_seconds", "When the server started.", s.started_s);
  out.gauge("hookline_config_loaded_timestamp_seconds", "When the configuration in force was read.",
            s.config_loaded_s);
  out.family("hookline_leases", "gauge", "Lease records, by state.");
  for (size_t i = 0; i < kLeaseStateCount; ++i) {
    out.sample(s.leases[i], {{"state", lease_state_name(static_cast<LeaseState>(i))}});
  }
  out.gauge("hookline_offers", "Offers held now.", s.offers);
  out.gauge("hookline_packets_in_flight", "Packets that have not ended.", s.packets_in_flight);
  out.gauge("hookline_journal_bytes", "Size of the lease journal's files.", s.journal.bytes);
  out.gauge("hookline_journal_segments", "Segments of the lease journal.", s.journal.segments);
  out.gauge("hookline_journal_sequence", "Sequence number of the last durable record.",
            s.journal.sequence);
  out.gauge("hookline_journal_last_snapshot_timestamp_seconds", "When the last snapshot was made.",
            s.journal.last_snapshot_s);
  out.gauge("hookline_journal_failed", "1 when the lease journal takes no record.",
            s.journal.failed.empty() ? 0 : 1);
  out.family("hookline_interface_up", "gauge", "1 when the served interface is up.");
  for (const InterfaceRow& row : s.interfaces) {
    out.sample(row.up ? 1 : 0, {{"interface", printable(as_bytes(row.name))}});
  }
}

void scope_addresses(Exposition& out, const std::vector<ScopeRow>& scopes) {
  out.family(
      "hookline_scope_addresses", "gauge",
      "Addresses of a scope; 'released' and 'expired' are free, 'outside' is not in 'total'.");
  for (const ScopeRow& row : scopes) {
    const std::pair<std::string_view, uint64_t> values[] = {
        {"total", row.total},       {"active", row.active},     {"offered", row.offered},
        {"declined", row.declined}, {"reserved", row.reserved}, {"free", row.free},
        {"released", row.released}, {"expired", row.expired},   {"outside", row.outside}};
    for (const auto& [name, value] : values) {
      out.sample(value, {{"scope", row.id}, {"state", name}});
    }
  }
}

using CalloutNumber = uint64_t CalloutRow::*;

void callout_counter(Exposition& out, const std::vector<CalloutRow>& rows, std::string_view name,
                     std::string_view help, CalloutNumber number) {
  out.family(name, "counter", help);
  for (const CalloutRow& row : rows) {
    out.sample(row.*number, {{"callout", printable(as_bytes(row.callout))}, {"hook", row.hook}});
  }
}

void callouts(Exposition& out, const Status& status, const std::vector<CalloutRow>& rows) {
  out.gauge("hookline_callouts_loaded", "Callouts that are loaded.", status.callouts.size());
  out.gauge("hookline_callouts_away", "Callouts that failed: to be started again, or quarantined.",
            status.callouts_away.size());
  out.gauge("hookline_callouts_missing", "Configured callouts that could not be loaded.",
            status.callouts_missing.size());
  if (rows.empty()) return;
  callout_counter(out, rows, "hookline_callout_calls_total", "Calls of a callout's hook.",
                  &CalloutRow::calls);
  out.family("hookline_callout_seconds_total", "counter", "Time spent in a callout's hook.");
  for (const CalloutRow& row : rows) {
    out.sample(seconds(row.total_ns),
               {{"callout", printable(as_bytes(row.callout))}, {"hook", row.hook}});
  }
  callout_counter(out, rows, "hookline_callout_slow_total", "Calls slower than warn-slower-than.",
                  &CalloutRow::slow);
  callout_counter(out, rows, "hookline_callout_refused_total", "Packets that a callout refused.",
                  &CalloutRow::refused);
  callout_counter(out, rows, "hookline_callout_suppressed_total",
                  "Replies that a callout suppressed.", &CalloutRow::suppressed);
  callout_counter(out, rows, "hookline_callout_breaches_total",
                  "Nonsense sizes and pointers, and writes outside, by a callout.",
                  &CalloutRow::breaches);
  callout_counter(out, rows, "hookline_callout_faults_total",
                  "Exceptions that left a hook, crashes and hangs in it.", &CalloutRow::faults);
}

using LayerNumber = uint64_t filter::Report::LayerLine::*;

void filter_layers(Exposition& out, const filter::Report& report) {
  if (report.layers.empty()) return;
  out.family("hookline_filter_classified_total", "counter",
             "Datagrams that were classified at a layer of the filter.");
  for (const auto& layer : report.layers) out.sample(layer.classified, {{"layer", layer.name}});
  const std::pair<std::string_view, LayerNumber> verdicts[] = {
      {"block", &filter::Report::LayerLine::blocked},
      {"absorb", &filter::Report::LayerLine::absorbed}};
  out.family("hookline_filter_verdicts_total", "counter",
             "Datagrams that a layer of the filter did not permit, by verdict.");
  for (const auto& layer : report.layers) {
    for (const auto& [name, number] : verdicts) {
      out.sample(layer.*number, {{"layer", layer.name}, {"verdict", name}});
    }
  }
}

void flows(Exposition& out, const filter::FlowReport& report) {
  if (!report.any()) return;
  out.family("hookline_filter_flows", "gauge", "Flows that the filter knows.");
  out.sample(report.udp, {{"protocol", "udp"}});
  out.sample(report.tcp, {{"protocol", "tcp"}});
  out.family("hookline_filter_flow_contexts", "gauge", "Contexts that callouts have with flows.");
  out.sample(report.contexts, {});
  out.family("hookline_filter_pended_operations", "gauge", "Operations that callouts have pended.");
  out.sample(report.pended, {});
  out.family("hookline_filter_flows_total", "counter", "What has become of flows.");
  const std::pair<std::string_view, uint64_t> events[] = {
      {"opened", report.opened},        {"refused", report.blocked},
      {"pended", report.pended_in_all}, {"reauthorized", report.reauthorized},
      {"expired", report.expired},      {"displaced", report.displaced},
      {"aborted", report.aborted}};
  for (const auto& [event, count] : events) out.sample(count, {{"event", event}});
}

void streams(Exposition& out, const filter::StreamReport& report) {
  if (report.opened == 0) return;
  out.family("hookline_filter_streams", "gauge", "TCP connections that are open.");
  out.sample(report.open, {});
  out.family("hookline_filter_stream_bytes_total", "counter", "Bytes at the STREAM layer.");
  out.sample(report.indicated_bytes, {{"what", "indicated"}});
  out.sample(report.blocked_bytes, {{"what", "blocked"}});
  out.sample(report.injected_bytes, {{"what", "injected"}});
  out.family("hookline_filter_streams_total", "counter", "What has happened at the STREAM layer.");
  const std::pair<std::string_view, uint64_t> events[] = {
      {"opened", report.opened},     {"indicated", report.indications},
      {"gathered", report.gathered}, {"deferred", report.deferred},
      {"dropped", report.dropped},   {"injected", report.injected},
      {"completed", report.ended},   {"failed", report.failed}};
  for (const auto& [event, count] : events) out.sample(count, {{"event", event}});
}

void injections(Exposition& out, const std::vector<inject::HandleReport>& drivers) {
  out.family("hookline_injections_total", "counter",
             "Lists that were injected, by kind; the driver \"hookline\": the server's replies.");
  for (const inject::HandleReport& of : drivers) {
    for (size_t i = 0; i < inject::kKindCount; ++i) {
      out.sample(of.injected[i], {{"driver", printable(as_bytes(of.driver))},
                                  {"kind", inject::kind_name(static_cast<inject::Kind>(i))}});
    }
  }
  out.family("hookline_injection_completions_total", "counter",
             "Completions of what was injected, by status.");
  for (const inject::HandleReport& of : drivers) {
    for (size_t i = 0; i < inject::kEndCount; ++i) {
      out.sample(of.ended[i], {{"driver", printable(as_bytes(of.driver))},
                               {"status", inject::end_name(static_cast<inject::End>(i))}});
    }
  }
}

void drivers(Exposition& out, const FilterView& view) {
  uint64_t running = 0;
  for (const DriverRow& driver : view.drivers) running += driver.state == "running" ? 1 : 0;
  out.gauge("hookline_drivers_running", "Packet callout drivers that are loaded.", running);
  out.gauge("hookline_drivers_not_running",
            "Packet callout drivers that did not load, hang or could not be unloaded.",
            view.drivers.size() - running);
  out.gauge("hookline_injections_in_flight",
            "Packets that drivers injected and that have not ended.", view.injections.in_flight);
  injections(out, view.injections.by_driver());
  if (view.drivers.empty()) return;
  out.family("hookline_driver_breaches_total", "counter", "Rules of the API that a driver broke.");
  for (const DriverRow& driver : view.drivers) {
    out.sample(driver.breaches, {{"driver", printable(as_bytes(driver.name))}});
  }
}

}  // namespace

std::string escape_label(std::string_view value) {
  std::string text;
  for (char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text;
}

std::string metrics_text(const Counters& counters, const Status& status,
                         const std::vector<ScopeRow>& scopes,
                         const std::vector<CalloutRow>& callout_rows, const FilterView& view) {
  Exposition out;
  packets(out, counters);
  lease_events(out, counters);
  queries(out, counters.queries);
  state(out, status);
  scope_addresses(out, scopes);
  callouts(out, status, callout_rows);
  filter_layers(out, view.filter);
  flows(out, view.filter.flows);
  streams(out, view.filter.streams);
  drivers(out, view);
  return out.take();
}

}  // namespace hookline::control
