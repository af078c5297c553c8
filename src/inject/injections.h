// Injection: what drivers send and receive anew, and every reply of the server, each list ending in
// exactly one completion. The functions are those of the API under their own names, with the driver
// that calls in front, so that a driver's table of functions is filled by forwarding.
//
// - STATUS_SUCCESS: the list is the engine's until its completion, which gives its fate in Status.
//   Anything else: there is no completion and the list is still the caller's.
// - The bytes, and what sendArgs points to, are copied inside the call. The list itself is not
//   written to before its completion; then its Next is NULL.
// - The server calls the same functions for its replies (injector.h). They take the same way, but
//   enter at the top of the outbound layers, are not marked as injected, and are not copied: a
//   ReplyList is trusted, and nobody else can have one.
// - What leaves waits in one queue, in order per interface. A full interface queue (ENOBUFS) is
//   back-pressure, until it is sent or kInjectDeadlineNs have passed.
// - Completions run on the packet thread, never on the caller's stack, at DISPATCH_LEVEL
//   (dispatchLevel TRUE), no lock held. A list of several packets completes when all have ended,
//   with the first failure. With `inline_completion` they run inside the call instead, with what is
//   known then, as Windows may do it: for testing drivers.
// - A packet is classified again, outbound from the layer that its function names down to the wire,
//   inbound from there up. Blocked: STATUS_ACCESS_DENIED. Absorbed: STATUS_SUCCESS once all clones
//   and references are gone, unless a clone was injected and failed: then that clone's status.
// - A clone that fails tells its parent: NET_BUFFER_LIST::Status, the first failure stays.
//
// Threads: the functions under the API's names, driver_unloaded() and report(): any. The rest: the
// packet thread. Nothing is allocated after the constructor, but by report() and by logging.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/log.h"
#include "inject/injection.h"
#include "inject/neighbours.h"
#include "inject/report.h"
#include "inject/transmit_queue.h"
#include "io/links.h"
#include "io/packet_port.h"
#include "io/wakeups.h"
#include "line/counters.h"
#include "line/injected_frames.h"
#include "line/stream_injections.h"

namespace hookline::inject {

class Lists;
class StreamInjections;

struct InjectionOptions {
  bool inline_completion = false;     // FilterConfig::inline_completion
  io::Wakeups* wakeups = nullptr;     // null: whoever calls pump() looks by itself
  Lists* lists = nullptr;             // who makes the drivers' lists; null: they come from anywhere
  size_t packet_slots = kPacketsMax;  // of the PacketPool
  // See limits.h.
  uint64_t per_second_min = kInjectionsPerSecondMin;
  uint64_t per_packet_max = kInjectionsPerPacketMax;
};

class Injections final : public InjectedFrames, private TransmitQueue::Owner {
 public:
  // Keeps the references.
  Injections(io::PacketPort& port, io::LinkMonitor& links, Classifier& classifier,
             const Counters& counters, Logger& log, InjectionOptions options = {});
  // REQUIRES: no driver calls any more, and every reply has completed. Whatever is left is given
  // up.
  ~Injections();
  Injections(const Injections&) = delete;
  Injections& operator=(const Injections&) = delete;

  // NOLINTBEGIN(readability-identifier-naming): the API's own names.
  // `flags` 0 is TRANSPORT | STREAM | FORWARD. Any family goes with any type; a handle of AF_INET6
  // injects nothing (STATUS_NOT_SUPPORTED).
  NTSTATUS FwpsInjectionHandleCreate0(Driver& driver, ADDRESS_FAMILY family, UINT32 flags,
                                      HANDLE* handle);
  // Returns when everything that was injected with it has completed; nothing completes afterwards.
  // What another driver holds is not waited for: it completes with STATUS_CANCELLED. Inside a
  // callback on the packet thread that would never end: STATUS_INVALID_DEVICE_STATE, a breach, and
  // the handle stays.
  NTSTATUS FwpsInjectionHandleDestroy0(Driver& driver, HANDLE handle);

  NTSTATUS FwpsInjectMacSendAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                   UINT32 flags, UINT16 layer_id, IF_INDEX interface_index,
                                   NDIS_PORT_NUMBER port, NET_BUFFER_LIST* lists,
                                   FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context);
  NTSTATUS FwpsInjectMacReceiveAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                      UINT32 flags, UINT16 layer_id, IF_INDEX interface_index,
                                      NDIS_PORT_NUMBER port, NET_BUFFER_LIST* lists,
                                      FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context);
  NTSTATUS FwpsInjectNetworkSendAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                       UINT32 flags, COMPARTMENT_ID compartment,
                                       NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion,
                                       HANDLE completion_context);
  NTSTATUS FwpsInjectNetworkReceiveAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                          UINT32 flags, COMPARTMENT_ID compartment,
                                          IF_INDEX interface_index, IF_INDEX sub_interface_index,
                                          NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion,
                                          HANDLE completion_context);
  NTSTATUS FwpsInjectTransportSendAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                         UINT64 endpoint, UINT32 flags,
                                         FWPS_TRANSPORT_SEND_PARAMS0* send_args,
                                         ADDRESS_FAMILY family, COMPARTMENT_ID compartment,
                                         NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion,
                                         HANDLE completion_context);
  // `endpoint` is the metadata's transportEndpointHandle (endpoint_of()); another number is
  // ignored. Without send_args the data begin at the IP header.
  NTSTATUS FwpsInjectTransportSendAsync1(Driver& driver, HANDLE handle, HANDLE injection_context,
                                         UINT64 endpoint, UINT32 flags,
                                         FWPS_TRANSPORT_SEND_PARAMS1* send_args,
                                         ADDRESS_FAMILY family, COMPARTMENT_ID compartment,
                                         NET_BUFFER_LIST* list, FWPS_INJECT_COMPLETE0 completion,
                                         HANDLE completion_context);
  NTSTATUS FwpsInjectTransportReceiveAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                            PVOID reserved, UINT32 flags, ADDRESS_FAMILY family,
                                            COMPARTMENT_ID compartment, IF_INDEX interface_index,
                                            IF_INDEX sub_interface_index, NET_BUFFER_LIST* list,
                                            FWPS_INJECT_COMPLETE0 completion,
                                            HANDLE completion_context);
  // The server forwards nothing, and there is no virtual switch: STATUS_NOT_SUPPORTED.
  NTSTATUS FwpsInjectForwardAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                   UINT32 flags, ADDRESS_FAMILY family, COMPARTMENT_ID compartment,
                                   IF_INDEX interface_index, NET_BUFFER_LIST* list,
                                   FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context);
  NTSTATUS FwpsInjectvSwitchEthernetIngressAsync0(
      Driver& driver, HANDLE handle, HANDLE injection_context, UINT32 flags, void* reserved,
      const FWP_BYTE_BLOB* switch_id, NDIS_SWITCH_PORT_ID port, NDIS_SWITCH_NIC_INDEX nic,
      NET_BUFFER_LIST* lists, FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context);
  // `layer` is FWPS_LAYER_STREAM_V4; `stream_flags` say one direction, and whether it ends behind
  // the bytes. Without a list only that, and nothing completes. `bytes` are those of the whole
  // chain, as long as kStreamInjectionsMax; one completion for each list. See stream_injections.h.
  NTSTATUS FwpsStreamInjectAsync0(Driver& driver, HANDLE handle, HANDLE injection_context,
                                  UINT32 flags, UINT64 flow, UINT32 callout, UINT16 layer,
                                  UINT32 stream_flags, NET_BUFFER_LIST* lists, SIZE_T bytes,
                                  FWPS_INJECT_COMPLETE0 completion, HANDLE completion_context);
  // The context is that of the handle's own injection, null unless the packet has gone through it.
  FWPS_PACKET_INJECTION_STATE FwpsQueryPacketInjectionState0(Driver& driver, HANDLE handle,
                                                             const NET_BUFFER_LIST* list,
                                                             HANDLE* injection_context);
  // NOLINTEND(readability-identifier-naming)

  // The server's handle for its replies, once. `server` outlives this. Its calls are for the packet
  // thread, and for ReplyLists only; at most kInjectionsMax may be under way.
  HANDLE open_for_replies(Driver& server);

  // A driver's code is about to go, after its unload function: handles that it left open are a
  // breach and are destroyed; what they had under way loses its completion. When it returns, no
  // function of the driver runs or will run.
  void driver_unloaded(Driver& driver);
  // Somebody has let go of a list's bytes (Lists::Released): the packet thread looks whose.
  void released();
  Report report() const;

  // Who has the streams. Before anything is injected; without, streams are not supported.
  void inject_streams_by(StreamInjector& streams);

  // --- packet thread ----------------------------------------------------------------------------
  // Takes in what was injected, sends it, completes what has ended. Every turn, at its start and
  // before it sleeps.
  void pump(Now now);
  // pump() has something to do now.
  bool due() const;
  // Something is under way that time or the receiver ends: look again soon. A callout that lets go
  // wakes by itself.
  bool waits() const;
  // Completes everything with STATUS_CANCELLED and accepts nothing any more. Replies of which a
  // callout holds a clone stay: the bytes are the packet's.
  void abandon(Now now);
  // Those, too. REQUIRES: no callout runs any more.
  void abandon_held(Now now);
  size_t in_flight() const;  // of drivers

  // InjectedFrames
  size_t waiting() const override { return inbound_.size; }
  void next(Packet& packet, io::RxFrame& frame) override;
  void refused(Packet& packet, Drop reason) override;
  void classified(Packet& packet, Verdict verdict) override;

 private:
  friend class StreamInjections;
  struct Handle {
    uint64_t number = 0;  // 0: free
    Driver* driver = nullptr;
    uint32_t types = 0;
    ADDRESS_FAMILY family = 0;
    bool closing = false;
    int64_t closing_ns = 0;  // since when
    bool deserted = false;   // its driver is gone: freed when nothing is pending
    uint32_t pending = 0;    // lists
    int64_t window_ns = 0;
    uint64_t window_count = 0;
    uint64_t window_packets = 0;
    bool told = false;                             // that it injects too much, in this window
    std::array<char, kFilterNameBytesMax> name{};  // the driver's, cut off
    HandleReport counts;
  };
  struct Call;
  struct Way {
    int error;
    uint32_t ifindex;
    const io::Link* link;  // null: not one of the served
    std::optional<MacAddress> mac;
    uint16_t vlan;
    Ipv4 source;
  };
  // First in, first out; linked by Injection::next.
  struct Fifo {
    Injection* first = nullptr;
    Injection* last = nullptr;
    size_t size = 0;

    void push(Injection& injection);
    Injection* pop();
    // Both leave `other` empty.
    void append(Fifo& other);
    void prepend(Fifo& other);
  };
  struct Ended {
    uint32_t handle;
    NTSTATUS status;
    bool loop;
  };
  struct SlotMark {
    Mark mark;
    Injection* injection = nullptr;
  };
  using Lock = std::unique_lock<std::mutex>;

  // Accepting (injections.cc, injections_api.cc): any thread.
  NTSTATUS inject(Driver& driver, HANDLE handle, const Call& call);
  void inject_reply(const Call& call);
  NTSTATUS refuse(Driver& driver, HANDLE handle, const Call& call, NTSTATUS status,
                  std::string_view breach);
  NTSTATUS admit(Driver& driver, HANDLE handle, const Call& call, size_t lists, size_t packets,
                 Injection** out);
  NTSTATUS transport_send(Driver& driver, HANDLE handle, Call& call,
                          const FWPS_TRANSPORT_SEND_PARAMS1* send_args);
  bool lend_sound(const Call& call, size_t& lists, size_t& packets, std::string_view& why);
  static bool count_packets(const NET_BUFFER_LIST& list, size_t& packets, std::string_view& why);
  bool lends(const Call& call) const;
  void give_back(const Call& call, size_t lists);
  bool fill(const Call& call, Injection* injections, std::string_view& why);
  bool fill_one(const Call& call, const NET_BUFFER_LIST& list, const NET_BUFFER& buffer,
                Injection& injection, std::string_view& why);
  void take_back(Injection* injections, size_t lists);
  void complete_inline(Injection* injections);
  Handle* find(HANDLE handle);
  bool is_too_many(Handle& handle, size_t lists);
  void wake();
  bool on_packet_thread() const {
    return packet_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  // On their way (injections_pump.cc): packet thread.
  void start(Injection& injection, Now now);
  void send(Injection& injection, Now now);
  void send_reply(Injection& injection, Now now);
  Verdict classify_reply(ReplyList& reply, MutableBytes frame, Now now);
  void receive(Injection& injection);
  int put_on_way(Injection& injection, uint32_t& mtu);
  Way find_way(const Injection& injection);
  Verdict classify(Injection& injection, Now now);
  void transmitted(uint32_t token, int error) override;
  void settle(Injection& injection, NTSTATUS status);
  bool is_held(const Injection& injection) const;
  void look_at_held();
  void cancel_closing();
  void count_part(Injection& injection);
  void complete(Injection& first);
  void give_list_back(Injection& first);
  void run_completion(Driver& driver, FWPS_INJECT_COMPLETE0 completion, HANDLE context,
                      NET_BUFFER_LIST& list);
  void free_if_done(Injection& injection);
  void retire(Handle& handle);
  void count_replies(Handle& handle);
  void end_pump();
  void warn_held(Now now);

  io::LinkMonitor& links_;
  Classifier& classifier_;
  const Counters& counters_;
  Logger& log_;
  const InjectionOptions options_;

  std::unique_ptr<Injection[]> injections_;  // the drivers', then those for replies
  std::unique_ptr<uint8_t[]> memory_;
  std::unique_ptr<SlotMark[]> slots_;  // by the packet's slot
  std::unique_ptr<StreamInjections> streams_;

  // Guarded by mutex_, which is held for short and never across a call into a driver.
  mutable std::mutex mutex_;
  std::condition_variable ended_condition_;
  std::array<Handle, kInjectionHandlesMax> handles_;
  uint64_t next_number_ = 1;
  Fifo free_;
  Fifo incoming_;
  bool refusing_ = false;
  bool pumping_ = false;
  uint64_t pumps_ = 0;
  uint64_t loops_cut_ = 0;
  uint64_t abandoned_ = 0;
  size_t held_seen_ = 0;
  size_t replies_held_ = 0;
  std::vector<HandleReport> retired_;  // by driver: of handles that are no more

  std::atomic<size_t> incoming_size_{0};
  std::atomic<bool> released_flag_{false};
  std::atomic<bool> closing_flag_{false};
  std::atomic<bool> wake_pending_{false};
  std::atomic<int64_t> now_ns_{0};
  std::atomic<std::thread::id> packet_thread_{};

  // Packet thread.
  TransmitQueue queue_;
  RecentNeighbours neighbours_;  // where replies went
  Driver* server_ = nullptr;
  uint32_t server_place_ = 0;                   // of its handle
  std::vector<Injection*> free_replies_;        // last in, first out: they stay warm in the cache
  std::array<uint32_t, kKindCount> replies_{};  // since the last pump
  Fifo started_;                                // taken from incoming_, not looked at yet
  Fifo inbound_;                                // for the receiver
  std::vector<Injection*> held_;                // bytes that callouts hold
  std::vector<Injection*> ready_;               // lists to be completed, in order
  std::vector<Ended> ended_;                    // since the last end_pump()
  Fifo freed_;
  size_t transmitting_ = 0;
  int64_t held_warned_ns_ = 0;
};

}  // namespace hookline::inject
