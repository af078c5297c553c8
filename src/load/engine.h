// The clients: what is outstanding, what each waits for, and what the answers were. Pure but for
// the Wire. One thread; after construction it allocates only in Bindings (see there).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "load/bindings.h"
#include "load/load.h"
#include "load/packet.h"
#include "load/wire.h"

namespace hookline::load {

class Engine {
 public:
  // `options` is valid (see check_options) and outlives the engine, as does `wire`.
  Engine(const Options& options, const Addressing& addressing, MacAddress server_mac, Wire& wire);

  struct Phase {
    Exchange exchange = Exchange::Dora;
    uint32_t window = 1;
    double rate_per_s = 0;    // above 0: open loop
    uint64_t count = 0;       // 0: no limit
    int64_t duration_ns = 0;  // 0: no limit
    uint32_t clients = 0;     // taken in turn; 0: a new one every time
  };

  struct Outcome {
    Counts counts;
    Histogram exchange_latency;
    Histogram offer_latency;
    Histogram ack_latency;
    int64_t elapsed_ns = 0;
    std::string_view fault;
  };

  // Runs one phase and waits for what is outstanding. `outcome` starts empty.
  void run(const Phase& phase, Outcome& outcome);

  // Gives back what the clients hold; returns how many RELEASEs left.
  uint64_t release_all(double rate_per_s);

 private:
  enum class Step : uint8_t { Free, Offer, Ack, RenewAck, InformAck };

  // An exchange in its place; the place's number is the lower half of its xid.
  struct Slot {
    int64_t started_ns = 0;
    int64_t sent_ns = 0;
    uint32_t xid = 0;
    uint32_t previous_xid = 0;
    uint32_t client = 0;
    uint32_t older = 0;  // neighbours in order of sent_ns; kNone at the ends
    uint32_t newer = 0;
    Ipv4 address;
    Ipv4 server_id;
    Step step = Step::Free;
    uint32_t tries = 0;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  void start_due();
  bool may_start() const;
  bool start(int64_t due_ns);
  Form form_of(Step step) const;
  void transmit(uint32_t place);
  void flush();
  void on_frame(const RxPacket& packet);
  std::string_view fault_of(const Slot& slot, const Reply& reply) const;
  void on_offer(uint32_t place, const Reply& reply);
  void on_ack(uint32_t place, const Reply& reply);
  void complete(uint32_t place);
  void free_place(uint32_t place);
  void time_out();
  void abandon();
  bool over() const;
  int64_t next_event_ns() const;
  void link_newest(uint32_t place);
  void unlink(uint32_t place);
  uint32_t seconds(int64_t ns) const {
    return static_cast<uint32_t>((ns - epoch_ns_) / kNsPerSecond);
  }

  const Options& options_;
  const Addressing addressing_;
  Wire& wire_;
  std::array<FrameTemplate, kForms> templates_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;  // places, used as a stack
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  uint32_t outstanding_ = 0;

  std::array<std::array<uint8_t, kFrameMax>, kBatch> tx_buffers_;
  std::array<Bytes, kBatch> tx_{};
  size_t tx_size_ = 0;
  std::array<RxPacket, kBatch> rx_{};

  Bindings bindings_;
  MacAddress server_mac_;
  Ipv4 server_id_;            // the last one seen in an ACK
  uint32_t next_client_ = 0;  // of Dora and Discover, over all phases
  uint32_t next_turn_ = 0;    // of phases with a fixed number of clients
  uint32_t clients_seen_ = 0;
  uint32_t xid_high_ = 0;

  const Phase* phase_ = nullptr;
  Outcome* outcome_ = nullptr;
  int64_t epoch_ns_ = 0;
  int64_t now_ns_ = 0;
  int64_t phase_start_ns_ = 0;
  int64_t phase_end_ns_ = 0;  // no starts from here on; INT64_MAX: no limit
};

// The two ends of the wire.
struct Ends {
  MacAddress server_mac;  // zeros: to be learnt
  MacAddress own_mac;
};

// run() without its opening of the interface: all phases of valid options on any wire.
Report run_on(const Options& options, const Ends& ends, Wire& wire);

}  // namespace hookline::load
