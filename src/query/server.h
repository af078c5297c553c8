// Leasequery over TCP: bulk leasequery (RFC 6926) and active leasequery (RFC 7724), answered from
// the lease records. Without TLS, which RFC 7724 offers: who asks for it is refused it.
//
// Packet thread only, in bounded slices between turns: kQueryLeasesPerTurn leases over all
// connections. Nothing allocates but at configure(). Where a StreamFilter is given, every byte
// passes a StreamFlow.
#pragma once

#include <array>
#include <memory>

#include "base/log.h"
#include "base/log_limit.h"
#include "io/links.h"
#include "io/stream_port.h"
#include "lease/engine.h"
#include "line/config.h"
#include "line/counters.h"
#include "line/streams.h"
#include "query/changes.h"
#include "query/connection.h"

namespace hookline::query {

// All outlive the server.
struct Parts {
  io::StreamPort& port;
  lease::Engine& engine;
  StreamFilter* filter;  // null: there is none
  QueryCounters& counters;
  Logger& log;
};

class Server final : public lease::LeaseObserver {
 public:
  explicit Server(Parts parts);
  ~Server();

  // Opens and closes listeners as the configuration wants it. After an error nothing has changed.
  // Call it before the engine adopts a reload, and adopted() after that.
  Result<void> listen(const LeaseQueryConfig& config);
  // A configuration is in force: peers that may ask no more are told so and let go; bulk queries
  // that are under way end with QueryTerminated, for the leases may have changed their places.
  void adopted(std::shared_ptr<const Config> config, Now now);

  // True: there is more to do at once.
  bool turn(Now now, const io::LinkTable& links);
  // Ends every connection; queries under way with QueryTerminated. No turn after it.
  void stop(Now now);

  size_t connections() const { return used_; }
  size_t subscribers() const { return subscribers_; }

  // LeaseObserver
  void lease_changed(Ipv4 address) override;

 private:
  // server.cc: connections
  void accept_new(Now now, const io::LinkTable& links);
  void open(const io::StreamPeer& peer, Now now, const io::LinkTable& links);
  void refuse(const io::StreamPeer& peer, Counter& counter, const char* why, Now now);
  void mark_ready(bool& waiting);
  bool may_ask(Ipv4 peer) const;
  bool serve(Connection& c, Now now, size_t& budget);
  bool admitted(Connection& c, Now now);
  void check_times(Connection& c, Now now);
  void close(Connection& c, StreamFilter::End how);
  void reset(Connection& c, Counter* counter);
  void set_job(Connection& c, Job job);
  void watch(Connection& c);
  bool input_over(const Connection& c) const;

  // transfer.cc: bytes
  void pull(Connection& c, Now now);
  void read_some(Connection& c, Now now);
  void take_passed(Connection& c);
  bool flush(Connection& c, Now now);
  bool write_some(Connection& c, Bytes bytes, Now now, size_t& written);
  void end_output(Connection& c);

  // answers.cc: queries
  void take_frames(Connection& c, Now now, size_t& budget);
  Bytes next_frame(Connection& c, Now now);
  void take_query(Connection& c, Bytes message, Now now);
  size_t cost_of_query(const Connection& c) const;
  void begin_bulk(Connection& c, const wire::LeaseQuery& query, Now now);
  void begin_active(Connection& c, const wire::LeaseQuery& query, Now now);
  void malformed(Connection& c, uint32_t xid, const char* text);
  static bool has_frame(const Connection& c);
  bool produce(Connection& c, Now now, size_t& budget);
  void search(Connection& c, Now now, size_t& budget);
  void search_ended(Connection& c, Now now);
  void tell_changes(Connection& c, Now now, size_t& budget);
  void catch_up_anew(Connection& c, Now now);
  void tell(Connection& c, const LeaseRecord& record, Now now);
  void tell_unrecorded(Connection& c, Ipv4 address, Now now);
  void status(Connection& c, wire::QueryMessage type, std::optional<wire::QueryStatus> status,
              const char* text, Now now);
  void terminate(Connection& c, wire::QueryStatus status, const char* text, bool ends);
  void finish_frame(Connection& c, uint8_t* frame, size_t message_bytes, Now now);

  Parts parts_;
  std::shared_ptr<const Config> config_;
  std::vector<io::StreamAddress> listening_;
  std::unique_ptr<Changes> changes_;  // null: never listened
  std::array<Connection, kQueryConnectionsMax> connections_;
  std::array<Connection*, kQueryConnectionsMax + 1> by_number_{};
  std::array<uint8_t, kPacketBytesMax> joined_;
  size_t used_ = 0;
  size_t subscribers_ = 0;
  size_t first_ = 0;              // whose turn it is to be served first
  LeaseSeconds now_s_ = 0;        // of the last turn
  LeaseSeconds forgotten_s_ = 0;  // what became free before is not known any more
  LogLimit refusal_log_{10};
};

}  // namespace hookline::query
