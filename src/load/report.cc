#include <fmt/format.h>

#include <boost/json.hpp>

#include "load/load.h"

namespace hookline::load {
namespace {

double microseconds(uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

boost::json::object latency(const Histogram& histogram) {
  return {{"count", histogram.count()},
          {"min", microseconds(histogram.min_ns())},
          {"mean", microseconds(histogram.mean_ns())},
          {"p50", microseconds(histogram.quantile_ns(0.5))},
          {"p99", microseconds(histogram.quantile_ns(0.99))},
          {"p99.9", microseconds(histogram.quantile_ns(0.999))},
          {"max", microseconds(histogram.max_ns())}};
}

std::string latency_line(std::string_view name, const Histogram& histogram) {
  if (histogram.count() == 0) return {};
  return fmt::format("{:<10} p50 {:>9.1f}   p99 {:>9.1f}   p99.9 {:>9.1f}   max {:>9.1f} us\n",
                     name, microseconds(histogram.quantile_ns(0.5)),
                     microseconds(histogram.quantile_ns(0.99)),
                     microseconds(histogram.quantile_ns(0.999)), microseconds(histogram.max_ns()));
}

}  // namespace

double Report::rate_per_s() const {
  if (elapsed_ns <= 0) return 0;
  return static_cast<double>(counts.completed) * 1e9 / static_cast<double>(elapsed_ns);
}

double Report::server_cpu_us_per_exchange() const {
  const uint64_t answered = counts.completed + counts.drained;
  if (answered == 0) return 0;
  return static_cast<double>(server_cpu_ns) / 1000.0 / static_cast<double>(answered);
}

bool Report::clean() const {
  return counts.naks == 0 && counts.failed == 0 && counts.abandoned == 0 &&
         counts.unexpected == 0 && counts.malformed == 0 && counts.duplicate_addresses == 0 &&
         counts.send_errors == 0 && counts.overruns == 0 && warm_failed == 0 &&
         counts.completed + counts.drained != 0;
}

std::string to_json(const Report& report) {
  const Counts& c = report.counts;
  const boost::json::object object{
      {"exchange", exchange_name(report.exchange)},
      {"path", report.relayed ? "relayed" : "direct"},
      {"window", report.window},
      {"rate_wanted", report.rate_per_s_wanted},
      {"seed", report.seed},
      {"elapsed_s", static_cast<double>(report.elapsed_ns) / 1e9},
      {"rate", report.rate_per_s()},
      {"clean", report.clean()},
      {"started", c.started},
      {"completed", c.completed},
      {"drained", c.drained},
      {"naks", c.naks},
      {"failed", c.failed},
      {"abandoned", c.abandoned},
      {"sent", c.sent},
      {"requests", c.requests},
      {"retransmits", c.retransmits},
      {"received", c.received},
      {"offers", c.offers},
      {"acks", c.acks},
      {"late", c.late},
      {"unexpected", c.unexpected},
      {"malformed", c.malformed},
      {"fault", report.fault},
      {"duplicate_addresses", c.duplicate_addresses},
      {"send_errors", c.send_errors},
      {"overruns", c.overruns},
      {"warmed", report.warmed},
      {"warm_failed", report.warm_failed},
      {"warm_s", static_cast<double>(report.warm_ns) / 1e9},
      {"released", report.released},
      {"exchange_us", latency(report.exchange_latency)},
      {"offer_us", latency(report.offer_latency)},
      {"ack_us", latency(report.ack_latency)},
      {"server_cpu_s", static_cast<double>(report.server_cpu_ns) / 1e9},
      {"server_cpu_us_per_exchange", report.server_cpu_us_per_exchange()},
      {"server_rss_bytes", report.server_rss_bytes}};
  return boost::json::serialize(object);
}

std::string to_table(const Report& report) {
  const Counts& c = report.counts;
  const std::string how = report.rate_per_s_wanted > 0
                              ? fmt::format("{:.0f}/s wanted", report.rate_per_s_wanted)
                              : fmt::format("{} outstanding", report.window);
  std::string text =
      fmt::format("{} {}, {}: {:.0f} exchanges/s ({} in {:.3f} s)\n",
                  exchange_name(report.exchange), report.relayed ? "relayed" : "direct", how,
                  report.rate_per_s(), c.completed, static_cast<double>(report.elapsed_ns) / 1e9);
  text += latency_line("exchange", report.exchange_latency);
  text += latency_line("offer", report.offer_latency);
  text += latency_line("ack", report.ack_latency);
  text += fmt::format("packets    {} sent, {} received, {} sent again\n", c.sent, c.received,
                      c.retransmits);
  text += fmt::format(
      "ends       {} started, {} answered late, {} refused (NAK), {} failed, {} abandoned\n",
      c.started, c.drained, c.naks, c.failed, c.abandoned);
  text += fmt::format(
      "faults     {} duplicate addresses, {} malformed, {} unexpected, {} repeated, {} not sent, "
      "{} overruns\n",
      c.duplicate_addresses, c.malformed, c.unexpected, c.late, c.send_errors, c.overruns);
  if (!report.fault.empty()) text += fmt::format("           first: {}\n", report.fault);
  if (report.warmed + report.warm_failed != 0) {
    text += fmt::format("before     {} leases in {:.3f} s, {} failed\n", report.warmed,
                        static_cast<double>(report.warm_ns) / 1e9, report.warm_failed);
  }
  if (report.released != 0) text += fmt::format("released   {}\n", report.released);
  if (report.server_cpu_ns != 0) {
    text += fmt::format("server     {:.2f} us of CPU an exchange, {:.1f} MiB resident\n",
                        report.server_cpu_us_per_exchange(),
                        static_cast<double>(report.server_rss_bytes) / (1024.0 * 1024.0));
  }
  return text;
}

}  // namespace hookline::load
