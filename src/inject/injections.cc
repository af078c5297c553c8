#include "inject/injections.h"

#include <algorithm>
#include <cstring>

#include "inject/frames.h"
#include "inject/gather.h"
#include "inject/in_completion.h"
#include "inject/injection_call.h"
#include "inject/lists.h"
#include "inject/stream_injections.h"

namespace hookline::inject {
namespace {

constexpr size_t kPlaces = kDriverInjectionsMax + kInjectionsMax;
constexpr size_t kRoomBytes = (kInjectionHeadroom + kInjectedFrameBytesMax + 63) / 64 * 64;
constexpr uint8_t kDispatchLevel = 2;

void copy_mark(const NET_BUFFER_LIST& list, uint64_t handle, HANDLE context, Mark& mark) {
  const Mark* before = mark_of(list);
  mark.handle = handle;
  mark.context = context;
  mark.hops = 1;
  // The arrays are read as far as there are hops.
  if (before == nullptr || before->hops == 0) return;
  mark.hops = before->hops + 1;
  mark.before[0] = before->handle;
  mark.contexts_before[0] = before->context;
  std::copy_n(before->before.begin(), mark.before.size() - 1, mark.before.begin() + 1);
  std::copy_n(before->contexts_before.begin(), mark.contexts_before.size() - 1,
              mark.contexts_before.begin() + 1);
}

// Interface and VLAN travel in the list's own information, addresses stand in the original.
void copy_hints(const NET_BUFFER_LIST& list, Injection& injection) {
  const auto info = [&](int which) {
    return reinterpret_cast<uintptr_t>(list.NetBufferListInfo[which]);
  };
  injection.hint_ifindex = static_cast<uint32_t>(info(NblOriginalInterfaceIfIndex));
  injection.vlan =
      static_cast<uint16_t>(info(Ieee8021QNetBufferListInfo) >> Indication::kVlanIdShift & 0xFFF);
  injection.hint_source = {};
  injection.hint_destination = {};
  injection.hint_address = {};
  injection.source = {};
  const NET_BUFFER_LIST& root = root_of(list);
  if (root.SourceHandle != &kWholeFrame) return;
  const auto& original = reinterpret_cast<const Indication&>(root);
  const Traffic traffic =
      traffic_of({static_cast<const uint8_t*>(original.mdl.MappedSystemVa), original.mdl.ByteCount},
                 true, Direction::Outbound);
  const auto& told = root.NetBufferListInfo;
  injection.hint_ifindex =
      static_cast<uint32_t>(reinterpret_cast<uintptr_t>(told[NblOriginalInterfaceIfIndex]));
  injection.vlan = static_cast<uint16_t>(
      reinterpret_cast<uintptr_t>(told[Ieee8021QNetBufferListInfo]) >> Indication::kVlanIdShift &
      0xFFF);
  injection.hint_source = traffic.local_mac;
  injection.hint_destination = traffic.remote_mac;
  injection.hint_address = traffic.remote;
  injection.source = traffic.local;
}

}  // namespace

static_assert(offsetof(Indication, list) == 0, "a list's address is its Indication's");

std::string_view kind_name(Kind kind) {
  static constexpr std::array<std::string_view, kKindCount> kNames = {
      "mac_send",       "mac_receive",       "network_send", "network_receive",
      "transport_send", "transport_receive", "stream_send",  "stream_receive"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view function_name(Kind kind) {
  static constexpr std::array<std::string_view, kKindCount> kNames = {
      "FwpsInjectMacSendAsync0",       "FwpsInjectMacReceiveAsync0",
      "FwpsInjectNetworkSendAsync0",   "FwpsInjectNetworkReceiveAsync0",
      "FwpsInjectTransportSendAsync1", "FwpsInjectTransportReceiveAsync0",
      "FwpsStreamInjectAsync0",        "FwpsStreamInjectAsync0"};
  return kNames[static_cast<size_t>(kind)];
}

void Injections::Fifo::push(Injection& injection) {
  injection.next = nullptr;
  (last == nullptr ? first : last->next) = &injection;
  last = &injection;
  ++size;
}

Injection* Injections::Fifo::pop() {
  Injection* out = first;
  if (out == nullptr) return nullptr;
  first = out->next;
  if (first == nullptr) last = nullptr;
  out->next = nullptr;
  --size;
  return out;
}

void Injections::Fifo::append(Fifo& other) {
  if (other.first == nullptr) return;
  (last == nullptr ? first : last->next) = other.first;
  last = other.last;
  size += other.size;
  other = {};
}

void Injections::Fifo::prepend(Fifo& other) {
  other.append(*this);
  std::swap(*this, other);
}

Injections::Injections(io::PacketPort& port, io::LinkMonitor& links, Classifier& classifier,
                       const Counters& counters, Logger& log, InjectionOptions options)
    : links_(links),
      classifier_(classifier),
      counters_(counters),
      log_(log),
      options_(options),
      injections_(std::make_unique<Injection[]>(kPlaces)),
      memory_(new uint8_t[kDriverInjectionsMax * kRoomBytes]),
      slots_(std::make_unique<SlotMark[]>(options.packet_slots)),
      streams_(std::make_unique<StreamInjections>(*this)),
      queue_(port, *this, kPlaces) {
  free_replies_.reserve(kInjectionsMax);
  held_.reserve(kPlaces);
  ready_.reserve(kPlaces);
  ended_.reserve(kPlaces + kStreamInjectionsMax);
  for (size_t i = 0; i < kPlaces; ++i) injections_[i].place = static_cast<uint32_t>(i);
  for (size_t i = 0; i < kDriverInjectionsMax; ++i) {
    injections_[i].room = memory_.get() + i * kRoomBytes;
    free_.push(injections_[i]);
  }
  for (size_t i = kPlaces; i > kDriverInjectionsMax; --i) {
    free_replies_.push_back(&injections_[i - 1]);
  }
}

Injections::~Injections() {
  queue_.abandon(0);
  if (const size_t left = in_flight(); left != 0) {
    log_.warning("injections given up", {{"count", left}});
  }
}

// --- accepting ---------------------------------------------------------------------------------

NTSTATUS Injections::refuse(Driver& driver, HANDLE handle, const Call& call, NTSTATUS status,
                            std::string_view breach) {
  {
    Lock lock(mutex_);
    if (Handle* found = find(handle)) ++found->counts.refused;
  }
  if (!breach.empty()) driver.breach(function_name(call.kind), breach);
  return status;
}

NTSTATUS Injections::inject(Driver& driver, HANDLE handle, const Call& call) {
  if (&driver == server_) {
    inject_reply(call);
    return STATUS_SUCCESS;
  }
  const auto no = [&](NTSTATUS status, std::string_view breach) {
    return refuse(driver, handle, call, status, breach);
  };
  if (call.flags != 0) return no(STATUS_INVALID_PARAMETER, "flags are not 0");
  if (call.lists == nullptr) return no(STATUS_FWP_NULL_POINTER, "the list is NULL");
  if (call.completion == nullptr && !call.is_mac()) {
    return no(STATUS_FWP_NULL_POINTER, "there is no completionFn");
  }
  size_t lists = 0;
  size_t packets = 0;
  std::string_view why;
  if (!lend_sound(call, lists, packets, why)) return no(STATUS_INVALID_PARAMETER, why);
  Injection* injections = nullptr;
  if (const NTSTATUS status = admit(driver, handle, call, lists, packets, &injections);
      status != STATUS_SUCCESS) {
    give_back(call, lists);
    return status;
  }
  if (!fill(call, injections, why)) {
    take_back(injections, lists);
    give_back(call, lists);
    return no(STATUS_INVALID_PARAMETER, why);
  }
  if (options_.inline_completion) complete_inline(injections);
  {
    Lock lock(mutex_);
    Fifo mine;
    while (injections != nullptr) {
      Injection* next = injections->next;
      mine.push(*injections);
      injections = next;
    }
    incoming_.append(mine);
    incoming_size_.store(incoming_.size, std::memory_order_relaxed);
  }
  wake();
  return STATUS_SUCCESS;
}

// Lends every list of the chain before it looks into it, and counts lists and packets. False: one
// of them can't go, and none is lent.
bool Injections::lend_sound(const Call& call, size_t& lists, size_t& packets,
                            std::string_view& why) {
  for (const NET_BUFFER_LIST* list = call.lists; list != nullptr; list = list->Next) {
    why = "too long a chain";
    if (lists == kInjectionChainMax) break;
    why = "the engine's own list, neither cloned nor referenced";
    if (lends(call) && !options_.lists->made(*list) && !Lists::is_held(*list)) break;
    why = "a list is freed, or under way already";
    if (lends(call) && !options_.lists->lend(*list)) break;
    ++lists;
    why = "a chain of lists; only the MAC functions take one";
    if (!call.is_mac() && list->Next != nullptr) break;
    if (!count_packets(*list, packets, why)) break;
    if (list->Next == nullptr) return true;
  }
  give_back(call, lists);
  return false;
}

bool Injections::count_packets(const NET_BUFFER_LIST& list, size_t& packets,
                               std::string_view& why) {
  why = "a list without a NET_BUFFER";
  if (list.FirstNetBuffer == nullptr) return false;
  for (const NET_BUFFER* nb = list.FirstNetBuffer; nb != nullptr; nb = nb->Next) {
    why = "too many packets";
    if (++packets > kInjectionChainMax) return false;
    why = "a NET_BUFFER is empty, or says more bytes than its MDLs hold";
    if (!is_sound(*nb)) return false;
  }
  return true;
}

// What has no completion stays with whoever has it.
bool Injections::lends(const Call& call) const {
  return options_.lists != nullptr && call.completion != nullptr;
}

// The first `lists` of the chain.
void Injections::give_back(const Call& call, size_t lists) {
  if (!lends(call)) return;
  const NET_BUFFER_LIST* list = call.lists;
  for (size_t i = 0; i < lists; ++i) {
    const NET_BUFFER_LIST* next = list->Next;
    options_.lists->give_back(*list);
    list = next;
  }
}

NTSTATUS Injections::admit(Driver& driver, HANDLE handle, const Call& call, size_t lists,
                           size_t packets, Injection** out) {
  Lock lock(mutex_);
  Handle* found = find(handle);
  const auto no = [&](NTSTATUS status, std::string_view breach) {
    if (found != nullptr) ++found->counts.refused;
    lock.unlock();
    if (!breach.empty()) driver.breach(function_name(call.kind), breach);
    return status;
  };
  if (found == nullptr) {
    return no(STATUS_INVALID_HANDLE, "the injection handle is none, or was destroyed");
  }
  if (found->closing) return no(STATUS_FWP_INJECT_HANDLE_CLOSING, "");
  if ((found->types & call.type) == 0) {
    return no(STATUS_FWP_INJECT_HANDLE_STALE, "the handle was made without this type of injection");
  }
  if (found->family == HOOKLINE_AF_INET6) return no(STATUS_NOT_SUPPORTED, "");
  if (refusing_) return no(STATUS_DEVICE_NOT_READY, "");
  if (is_too_many(*found, lists)) {
    ++found->counts.too_many;
    if (std::exchange(found->told, true)) return no(STATUS_NETWORK_BUSY, "");
    return no(STATUS_NETWORK_BUSY, "injects more than the packets of this second account for");
  }
  if (free_.size < packets) return no(STATUS_INSUFFICIENT_RESOURCES, "");
  found->pending += static_cast<uint32_t>(lists);
  found->counts.injected[static_cast<size_t>(call.kind)] += lists;
  Injection* head = nullptr;
  for (size_t i = 0; i < packets; ++i) {
    Injection* injection = free_.pop();
    injection->handle = static_cast<uint32_t>(found - handles_.data());
    injection->driver = &driver;
    injection->mark.handle = found->number;
    injection->next = head;
    head = injection;
  }
  *out = head;
  return STATUS_SUCCESS;
}

// Loops through deep copies have no hops, but they make packets out of nothing.
bool Injections::is_too_many(Handle& handle, size_t lists) {
  const int64_t now = now_ns_.load(std::memory_order_relaxed);
  const uint64_t packets = counters_.frames_received.value() + counters_.packets_completed.value();
  if (now - handle.window_ns >= kNsPerSecond) {
    handle.window_ns = now;
    handle.window_count = 0;
    handle.window_packets = packets;
    handle.told = false;
  }
  const uint64_t most =
      options_.per_second_min + options_.per_packet_max * (packets - handle.window_packets);
  if (handle.window_count + lists > most) return true;
  handle.window_count += lists;
  return false;
}

// Not even begun: as if it had never been accepted.
void Injections::take_back(Injection* injections, size_t lists) {
  for (Injection* i = injections; i != nullptr; i = i->next) i->lent = false;
  Lock lock(mutex_);
  Handle& handle = handles_[injections->handle];
  handle.counts.injected[static_cast<size_t>(injections->kind)] -= lists;
  handle.pending -= static_cast<uint32_t>(lists);
  while (injections != nullptr) {
    Injection* next = injections->next;
    injections->driver = nullptr;
    Fifo one;
    one.push(*injections);
    free_.prepend(one);
    injections = next;
  }
  if (handle.pending == 0) ended_condition_.notify_all();
}

bool Injections::fill(const Call& call, Injection* injections, std::string_view& why) {
  for (Injection* i = injections; i != nullptr; i = i->next) {
    i->kind = call.kind;
    i->lent = false;
  }
  Injection* injection = injections;
  for (NET_BUFFER_LIST* list = call.lists; list != nullptr; list = list->Next) {
    Injection* first = injection;
    first->list = call.completion != nullptr ? list : nullptr;
    first->awaited = true;
    first->list_looped = false;
    first->lent = false;
    first->completion = call.completion;
    first->context = call.completion_context;
    first->parts_left = 0;
    first->list_status = STATUS_SUCCESS;
    for (const NET_BUFFER* nb = list->FirstNetBuffer; nb != nullptr; nb = nb->Next) {
      injection->first = first;
      ++first->parts_left;
      if (!fill_one(call, *list, *nb, *injection, why)) return false;
      if (injection != first) injection->awaited = false;
      injection = injection->next;
    }
    first->lent = lends(call);
  }
  return true;
}

bool Injections::fill_one(const Call& call, const NET_BUFFER_LIST& list, const NET_BUFFER& buffer,
                          Injection& injection, std::string_view& why) {
  injection.ifindex = call.ifindex;
  injection.fate = STATUS_SUCCESS;
  injection.counted = injection.completed = injection.held = injection.looped = false;
  injection.shown = injection.by_socket = false;
  injection.slot_list = nullptr;
  injection.abandoned.store(false, std::memory_order_relaxed);
  copy_mark(list, injection.mark.handle, call.injection_context, injection.mark);
  copy_hints(list, injection);

  injection.data = injection.room + kInjectionHeadroom;
  injection.oversize = buffer.DataLength > kInjectedFrameBytesMax;
  injection.size = injection.oversize ? 0 : buffer.DataLength;
  if (injection.oversize) return true;
  copy_out(buffer, injection.bytes());
  if (call.shape == Shape::Ethernet) {
    why = "less than an Ethernet header";
    return injection.size >= kEthernetHeaderBytes;
  }
  if (call.shape == Shape::Transport) {
    why = "the length in the UDP header is not that of the data";
    if (injection.size < kUdpHeaderBytes || load_be16(injection.data + 4) != injection.size) {
      return false;
    }
    if (call.ip_header.empty()) {
      // The source, and with it the header, is written when the way is known.
      if (const Ipv4 mine{static_cast<uint32_t>(call.endpoint >> 32)}; mine && mine != kBroadcast) {
        injection.source = mine;
        injection.ifindex = static_cast<uint32_t>(call.endpoint);
      }
      injection.data -= kIpv4HeaderBytes;
      injection.size += kIpv4HeaderBytes;
      write_ipv4_header(injection.data + kIpv4HeaderBytes, injection.size - kIpv4HeaderBytes,
                        injection.source, call.remote, kProtocolUdp);
      return true;
    }
    why = "headerIncludeHeader is no IPv4 header";
    if (call.ip_header.size() > kIpv4HeaderBytesMax) return false;
    injection.data -= call.ip_header.size();
    injection.size += static_cast<uint32_t>(call.ip_header.size());
    std::copy(call.ip_header.begin(), call.ip_header.end(), injection.data);
    if (call.ip_header.size() < kIpv4HeaderBytes) return false;
    store_be16(injection.data + 2, static_cast<uint16_t>(injection.size));
    return is_ipv4(injection.bytes()) &&
           size_t{injection.data[0] & 0x0Fu} * 4 == call.ip_header.size();
  }
  why = "no IPv4 packet, or not all of it";
  if (!is_ipv4(injection.bytes())) return false;
  injection.size = static_cast<uint32_t>(ipv4_bytes(injection.bytes()));
  return true;
}

// As Windows may do it: the lists come back before the call returns, and the copies go on alone.
void Injections::complete_inline(Injection* injections) {
  size_t lists = 0;
  std::array<Ended, kInjectionChainMax> ended;
  for (Injection* i = injections; i != nullptr; i = i->next) {
    if (i->oversize) i->first->list_status = STATUS_INVALID_BUFFER_SIZE;
    if (i->mark.hops > kInjectionHopsMax) i->first->list_status = STATUS_UNSUCCESSFUL;
  }
  for (Injection* i = injections; i != nullptr; i = i->next) {
    if (i->first != i) continue;
    ended[lists++] = {i->handle, i->list_status, false};
    i->awaited = false;
    if (i->list != nullptr) give_list_back(*i);
  }
  Lock lock(mutex_);
  Handle& handle = handles_[injections->handle];
  for (size_t i = 0; i < lists; ++i) {
    ++handle.counts.ended[static_cast<size_t>(end_of(ended[i].status))];
  }
  handle.pending -= static_cast<uint32_t>(lists);
  if (handle.pending == 0) ended_condition_.notify_all();
}

void Injections::wake() {
  if (options_.wakeups == nullptr || on_packet_thread()) return;
  if (!wake_pending_.exchange(true)) options_.wakeups->wake();
}

void Injections::released() {
  released_flag_.store(true);
  wake();
}

void Injections::run_completion(Driver& driver, FWPS_INJECT_COMPLETE0 completion, HANDLE context,
                                NET_BUFFER_LIST& list) {
  const InCompletion completing(this);
  const uint8_t before = driver.enter(kDispatchLevel);
  completion(context, &list, true);
  driver.leave(before);
}

void Injections::give_list_back(Injection& first) {
  NET_BUFFER_LIST& list = *first.list;
  list.Next = nullptr;
  list.Status = first.list_status;
  if (!NT_SUCCESS(first.list_status)) tell_parents(list, first.list_status);
  if (std::exchange(first.lent, false)) options_.lists->give_back(list);
  run_completion(*first.driver, first.completion, first.context, list);
}

}  // namespace hookline::inject
