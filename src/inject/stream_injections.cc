#include "inject/stream_injections.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "inject/gather.h"
#include "inject/lists.h"
#include "inject/mdl_chain.h"

namespace hookline::inject {
namespace {

constexpr std::string_view kStreamInject = "FwpsStreamInjectAsync0";
constexpr UINT32 kReceiveFlags = FWPS_STREAM_FLAG_RECEIVE | FWPS_STREAM_FLAG_RECEIVE_EXPEDITED |
                                 FWPS_STREAM_FLAG_RECEIVE_DISCONNECT |
                                 FWPS_STREAM_FLAG_RECEIVE_PUSH;
constexpr UINT32 kSendFlags = FWPS_STREAM_FLAG_SEND | FWPS_STREAM_FLAG_SEND_EXPEDITED |
                              FWPS_STREAM_FLAG_SEND_NODELAY | FWPS_STREAM_FLAG_SEND_DISCONNECT;
constexpr UINT32 kDisconnect =
    FWPS_STREAM_FLAG_RECEIVE_DISCONNECT | FWPS_STREAM_FLAG_SEND_DISCONNECT;

// The bytes of its NET_BUFFERs; false: it has too many, or one that says more than its MDLs hold.
bool count_bytes(const NET_BUFFER_LIST& list, uint64_t& bytes) {
  size_t buffers = 0;
  for (const NET_BUFFER* nb = list.FirstNetBuffer; nb != nullptr; nb = nb->Next) {
    if (++buffers > kBuffersMax || (nb->DataLength != 0 && !is_sound(*nb))) return false;
    bytes += nb->DataLength;
  }
  return true;
}

}  // namespace

StreamInjections::StreamInjections(Injections& all)
    : all_(all), entries_(std::make_unique<Entry[]>(kStreamInjectionsMax)) {
  ready_.reserve(kStreamInjectionsMax);
  done_.reserve(kStreamInjectionsMax);
  for (size_t i = kStreamInjectionsMax; i-- > 0;) free(&entries_[i]);
}

// REQUIRES: the mutex, or nobody else is there.
void StreamInjections::free(Entry* first) {
  while (first != nullptr) {
    Entry* next = std::exchange(first->next, free_);
    first->used = false;
    first->driver = nullptr;
    free_ = first;
    ++free_count_;
    first = next;
  }
}

NTSTATUS StreamInjections::refuse(Driver& driver, const Call& call, NTSTATUS status,
                                  std::string_view breach) {
  {
    const Lock lock(all_.mutex_);
    if (Injections::Handle* found = all_.find(call.handle)) ++found->counts.refused;
  }
  if (!breach.empty()) driver.breach(kStreamInject, breach);
  return status;
}

NTSTATUS StreamInjections::check(const Call& call, std::string_view& why) const {
  why = "flags are not 0";
  if (call.flags != 0) return STATUS_INVALID_PARAMETER;
  why = "there is no completionFn";
  if (call.completion == nullptr) return STATUS_FWP_NULL_POINTER;
  const bool in = call.inbound();
  const bool out = (call.stream_flags & FWPS_STREAM_FLAG_SEND) != 0;
  why = "streamFlags must say one direction, RECEIVE or SEND";
  if (in == out) return STATUS_FWP_INVALID_PARAMETER;
  why = "streamFlags that can't be injected";
  if ((call.stream_flags & ~(in ? kReceiveFlags : kSendFlags)) != 0) {
    return STATUS_FWP_INVALID_PARAMETER;
  }
  why = "a NULL list without a DISCONNECT flag";
  if (call.lists == nullptr && (call.stream_flags & kDisconnect) == 0) {
    return STATUS_FWP_NULL_POINTER;
  }
  why = "";
  if (call.layer == FWPS_LAYER_STREAM_V6) return STATUS_NOT_SUPPORTED;
  why = "layerId is no stream layer";
  return call.layer == FWPS_LAYER_STREAM_V4 ? STATUS_SUCCESS : STATUS_FWP_INVALID_PARAMETER;
}

// Lends every list before it looks into it. False: one of them can't go, and none is lent.
bool StreamInjections::lend(const Call& call, size_t& lists, std::string_view& why) {
  Lists* const made_here = all_.options_.lists;
  uint64_t bytes = 0;
  for (const NET_BUFFER_LIST* list = call.lists; list != nullptr; list = list->Next) {
    why = "too long a chain";
    if (lists == kStreamInjectionsMax) break;
    why = "the engine's own list, neither cloned nor referenced";
    if (made_here != nullptr && !made_here->made(*list) && !Lists::is_held(*list)) break;
    why = "a list is freed, or under way already";
    if (made_here != nullptr && !made_here->lend(*list)) break;
    ++lists;
    why = "a NET_BUFFER says more bytes than its MDLs hold";
    if (!count_bytes(*list, bytes)) break;
    if (list->Next != nullptr) continue;
    why = "dataLength is not that of the chain";
    if (bytes == call.bytes) return true;
  }
  why = call.lists == nullptr ? "dataLength is not 0, and the list is NULL" : why;
  if (call.lists == nullptr && call.bytes == 0) return true;
  give_back(call, lists);
  return false;
}

// The first `lists` of the chain.
void StreamInjections::give_back(const Call& call, size_t lists) {
  if (all_.options_.lists == nullptr) return;
  const NET_BUFFER_LIST* list = call.lists;
  for (size_t i = 0; i < lists; ++i) {
    const NET_BUFFER_LIST* next = list->Next;
    all_.options_.lists->give_back(*list);
    list = next;
  }
}

NTSTATUS StreamInjections::admit(Driver& driver, const Call& call, size_t lists, Entry** out,
                                 std::string_view& why) {
  const Lock lock(all_.mutex_);
  Injections::Handle* found = all_.find(call.handle);
  why = "the injection handle is none, or was destroyed";
  if (found == nullptr) return STATUS_INVALID_HANDLE;
  why = "";
  if (found->closing) return STATUS_FWP_INJECT_HANDLE_CLOSING;
  if ((found->types & FWPS_INJECTION_TYPE_STREAM) == 0) {
    why = "the handle was made without FWPS_INJECTION_TYPE_STREAM";
    return STATUS_FWP_INJECT_HANDLE_STALE;
  }
  if (found->family == HOOKLINE_AF_INET6) return STATUS_NOT_SUPPORTED;
  if (all_.refusing_ || streams_ == nullptr) return STATUS_DEVICE_NOT_READY;
  if (free_count_ < lists) return STATUS_INSUFFICIENT_RESOURCES;
  found->pending += static_cast<uint32_t>(lists);
  pending_ += lists;
  const Kind kind = call.inbound() ? Kind::StreamReceive : Kind::StreamSend;
  found->counts.injected[static_cast<size_t>(kind)] += lists;
  Entry* first = nullptr;
  for (size_t i = 0; i < lists; ++i) {
    Entry* entry = std::exchange(free_, free_->next);
    --free_count_;
    entry->left = 0;
    entry->placed = false;
    entry->status = STATUS_SUCCESS;
    entry->next = first;
    entry->driver = &driver;
    entry->handle = static_cast<uint32_t>(found - all_.handles_.data());
    entry->list = nullptr;
    entry->completion = call.completion;
    entry->context = call.context;
    entry->used = true;
    entry->lent = entry->over = entry->told = false;
    entry->abandoned.store(false, std::memory_order_relaxed);
    first = entry;
  }
  *out = first;
  return STATUS_SUCCESS;
}

// As if it had never been accepted.
void StreamInjections::take_back(Entry* first, size_t lists, bool inbound) {
  if (first == nullptr) return;
  const Lock lock(all_.mutex_);
  Injections::Handle& handle = all_.handles_[first->handle];
  const Kind kind = inbound ? Kind::StreamReceive : Kind::StreamSend;
  handle.counts.injected[static_cast<size_t>(kind)] -= lists;
  handle.pending -= static_cast<uint32_t>(lists);
  pending_ -= lists;
  free(first);
  if (handle.pending == 0) all_.ended_condition_.notify_all();
}

// False: there are no chunks left; what was taken hangs on the request.
bool StreamInjections::copy(const Call& call, Entry* first, StreamRequest& request) {
  StreamChunks& chunks = streams_->chunks();
  StreamChunk* chunk = nullptr;  // the one that is filled, with a reference of its own
  bool enough = true;
  const auto add = [&](Entry& entry, const uint8_t* from, size_t bytes) {
    while (bytes != 0 && enough) {
      if (chunk == nullptr || chunk->room() == 0) {
        if (chunk != nullptr) chunks.drop(chunk);
        chunk = chunks.take();
        enough = chunk != nullptr;
        continue;
      }
      const auto piece = static_cast<uint32_t>(std::min(bytes, chunk->room()));
      std::memcpy(chunk->bytes.data() + chunk->used, from, piece);
      ++chunk->references;
      request.pieces.push_back({chunk, chunk->used, piece, &entry});
      chunk->used += piece;
      entry.left += piece;
      from += piece;
      bytes -= piece;
    }
  };
  Entry* entry = first;
  for (NET_BUFFER_LIST* list = call.lists; list != nullptr; list = list->Next) {
    entry->list = list;
    for (const NET_BUFFER* nb = list->FirstNetBuffer; nb != nullptr; nb = nb->Next) {
      for_pieces({nb->CurrentMdl, nb->CurrentMdlOffset}, nb->DataLength,
                 [&](const MDL& mdl, size_t offset, size_t bytes) {
                   add(*entry, mapped(mdl) + offset, bytes);
                 });
    }
    request.lists.push_back(entry);
    entry = entry->next;
  }
  if (chunk != nullptr) chunks.drop(chunk);
  return enough;
}

NTSTATUS StreamInjections::inject(Driver& driver, const Call& call) {
  std::string_view why;
  if (const NTSTATUS status = check(call, why); status != STATUS_SUCCESS) {
    return refuse(driver, call, status, why);
  }
  size_t lists = 0;
  if (!lend(call, lists, why)) return refuse(driver, call, STATUS_INVALID_PARAMETER, why);
  Entry* first = nullptr;
  if (const NTSTATUS status = admit(driver, call, lists, &first, why); status != STATUS_SUCCESS) {
    give_back(call, lists);
    return refuse(driver, call, status, why);
  }
  auto request = std::make_unique<StreamRequest>();
  request->flow = call.flow;
  request->callout = call.callout;
  request->direction = call.inbound() ? Direction::Inbound : Direction::Outbound;
  request->end = (call.stream_flags & kDisconnect) != 0;
  NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
  if (copy(call, first, *request)) {
    const bool inline_completion = all_.options_.inline_completion;
    if (inline_completion) {
      for (StreamPiece& piece : request->pieces) piece.of = nullptr;
      request->lists.clear();
    } else {
      const bool lends = all_.options_.lists != nullptr;
      for (Entry* entry = first; entry != nullptr; entry = entry->next) entry->lent = lends;
    }
    status = streams_->inject(request);
    if (status == STATUS_SUCCESS) {
      if (inline_completion) complete_inline(driver, call, first, lists);
      return status;
    }
  }
  for (const StreamPiece& piece : request->pieces) streams_->chunks().drop(piece.chunk);
  take_back(first, lists, call.inbound());
  give_back(call, lists);
  return refuse(driver, call, status, "");
}

// As Windows may do it; the copies go on alone.
void StreamInjections::complete_inline(Driver& driver, const Call& call, Entry* first,
                                       size_t lists) {
  give_back(call, lists);
  for (NET_BUFFER_LIST* list = call.lists; list != nullptr;) {
    NET_BUFFER_LIST* next = std::exchange(list->Next, nullptr);
    list->Status = STATUS_SUCCESS;
    all_.run_completion(driver, call.completion, call.context, *list);
    list = next;
  }
  if (first == nullptr) return;
  const Lock lock(all_.mutex_);
  Injections::Handle& handle = all_.handles_[first->handle];
  handle.counts.ended[static_cast<size_t>(End::Success)] += lists;
  handle.pending -= static_cast<uint32_t>(lists);
  pending_ -= lists;
  free(first);
  if (handle.pending == 0) all_.ended_condition_.notify_all();
}

// --- the end -------------------------------------------------------------------------------------

void StreamInjections::ended(StreamInjection& injection) {
  auto& entry = static_cast<Entry&>(injection);
  entry.over = true;
  ready_.push_back(&entry);
}

// What a slow reader keeps would keep its handle's owner waiting.
void StreamInjections::pump(Now now) {
  closing_ = false;
  if (streams_ != nullptr && all_.closing_flag_.load()) streams_->place_waiting();
  std::vector<Entry*> cancelled;
  {
    const Lock lock(all_.mutex_);
    if (!all_.closing_flag_.load() || pending_ == 0) return;
    for (size_t i = 0; i < kStreamInjectionsMax; ++i) {
      Entry& entry = entries_[i];
      if (!entry.used || !entry.placed || entry.over || entry.told) continue;
      const Injections::Handle& handle = all_.handles_[entry.handle];
      if (!handle.closing && !all_.refusing_) continue;
      if (!all_.refusing_ && now.boot_ns - handle.closing_ns < kStreamDrainNs) {
        closing_ = true;
        continue;
      }
      cancelled.push_back(&entry);
    }
  }
  for (Entry* entry : cancelled) tell(*entry, STATUS_CANCELLED);
}

void StreamInjections::complete() {
  // A completion may inject, and that may end at once.
  for (size_t i = 0; i < ready_.size(); ++i) {
    Entry& entry = *ready_[i];
    if (!entry.told) tell(entry, entry.status);
    done_.push_back(&entry);
  }
  ready_.clear();
}

void StreamInjections::free_done() {
  for (Entry* entry : done_) {
    entry->next = nullptr;
    free(entry);
  }
  done_.clear();
  // Counted where the handles are: all that is in Injections' ended lists of ours.
  pending_ -= std::exchange(told_, 0);
}

void StreamInjections::tell(Entry& entry, NTSTATUS status) {
  entry.told = true;
  ++told_;
  all_.ended_.push_back({entry.handle, status, false});
  if (entry.abandoned.load()) return;
  NET_BUFFER_LIST& list = *entry.list;
  list.Next = nullptr;
  list.Status = status;
  if (std::exchange(entry.lent, false)) all_.options_.lists->give_back(list);
  all_.run_completion(*entry.driver, entry.completion, entry.context, list);
}

void StreamInjections::abandon(Driver& driver) {
  for (size_t i = 0; i < kStreamInjectionsMax; ++i) {
    if (entries_[i].used && entries_[i].driver == &driver) entries_[i].abandoned.store(true);
  }
}

void StreamInjections::give_back(Driver& driver) {
  for (size_t i = 0; i < kStreamInjectionsMax; ++i) {
    Entry& entry = entries_[i];
    if (!entry.used || entry.driver != &driver) continue;
    if (std::exchange(entry.lent, false)) all_.options_.lists->give_back(*entry.list);
  }
}

// NOLINTBEGIN(readability-identifier-naming): the API's own name.
NTSTATUS Injections::FwpsStreamInjectAsync0(Driver& driver, HANDLE handle, HANDLE, UINT32 flags,
                                            UINT64 flow, UINT32 callout, UINT16 layer,
                                            UINT32 stream_flags, NET_BUFFER_LIST* lists,
                                            SIZE_T bytes, FWPS_INJECT_COMPLETE0 completion,
                                            HANDLE completion_context) {
  return streams_->inject(driver, {handle, flags, flow, callout, layer, stream_flags, lists, bytes,
                                   completion, completion_context});
}
// NOLINTEND(readability-identifier-naming)

void Injections::inject_streams_by(StreamInjector& streams) {
  streams_->streams_ = &streams;
  streams.report_to(streams_.get());
}

}  // namespace hookline::inject
