#include "store/journal.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"

namespace hookline::store {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kScopeNameRecordBytes = kScopeIdBytesMax + 16;
constexpr size_t kScopeNamesBytesMax = kScopesMax * kScopeNameRecordBytes;

// The worst turn's slice fits in the free chunks, one lease more never being half in two of them;
// one chunk is kept for the end of the snapshot.
constexpr size_t kLeasesPerChunkMin =
    (kSnapshotChunkBytes - kFrameHeaderBytes) / kJournalRecordBytesMax;
constexpr size_t kChunksPerTurn =
    (kSnapshotLeasesPerTurn + kLeasesPerChunkMin - 1) / kLeasesPerChunkMin + 1;
static_assert(kChunksPerTurn < kSnapshotChunks);

// A record at its longest: four values of 255 bytes and the fixed fields.
static_assert(16 + kClientIdBytesMax + kHostnameBytesMax + kRelayInfoBytesMax + 96 <=
              kJournalRecordBytesMax);

void check_sizes(const LeaseRecord& l) {
  CHECK(l.hardware_address.size() <= 16 && l.client_id.size() <= kClientIdBytesMax &&
            l.hostname.size() <= kHostnameBytesMax && l.relay_info.size() <= kRelayInfoBytesMax,
        "a lease record is within its limits");
}

}  // namespace

Journal::Journal(io::Directory& directory, io::Background& background, Logger& log, Options options)
    : directory_(directory), log_(log), options_(options) {
  frame_bytes_max_ =
      padded_size(kFrameHeaderBytes + options.commit_records_max * kJournalRecordBytesMax);
  const uint64_t least = kFileHeaderBytes + frame_bytes_max_;
  options_.segment_bytes =
      (std::max<uint64_t>(options.segment_bytes, least) + kPage - 1) / kPage * kPage;
  const size_t buffer_bytes = kFileHeaderBytes + frame_bytes_max_ + kScopeNamesBytesMax;
  buffer_.reset(static_cast<uint8_t*>(::operator new[](buffer_bytes, std::align_val_t{4096})));
  worker_ = std::make_shared<Worker>(directory, background, log, options_.segment_bytes);
}

Journal::~Journal() { worker_->stop(); }

void Journal::name_scopes(const std::vector<std::pair<uint32_t, std::string>>& names) {
  const size_t count = std::min(names.size(), kScopesMax);
  scope_names_.resize(count * kScopeNameRecordBytes);
  uint8_t* out = scope_names_.data();
  for (size_t i = 0; i < count; ++i) {
    const std::string_view name = std::string_view(names[i].second).substr(0, kScopeIdBytesMax);
    out = encode_scope_name(out, names[i].first, name);
  }
  scope_names_.resize(static_cast<size_t>(out - scope_names_.data()));
  scope_names_pending_ = count != 0;
}

// --- segments --------------------------------------------------------------------------------

bool Journal::ready(Now now) {
  now_ = now;
  if (worker_->has_news()) collect_news(now);
  if (failed()) return false;
  want_segment(now);
  return spare_ || (current_ && next_end() + frame_bytes_max_ <= current_.fresh.capacity);
}

void Journal::want_segment(Now now) {
  if (spare_ || segment_requested_ || now.boot_ns < segment_retry_ns_) return;
  segment_requested_ = true;
  worker_->request_segment(next_number_);
}

void Journal::collect_news(Now now) {
  Worker::News news = worker_->collect();
  if (news.segment) segment_came(std::move(*news.segment), now);
  if (news.snapshot) snapshot_ended(std::move(*news.snapshot), now);
}

void Journal::segment_came(Result<FreshSegment> segment, Now now) {
  segment_requested_ = false;
  if (segment) {
    if (segment_retry_ns_ != 0) log_.info("there is room for the lease journal again");
    segment_retry_ns_ = 0;
    spare_ = std::move(*segment);
    next_number_++;
    if (!current_) roll();
    update_disk_bytes();
    return;
  }
  if (segment.error().kind != ErrorKind::NoSpace) {
    (void)fail_for_good(segment.error());
    return;
  }
  if (segment_retry_ns_ == 0) {
    log_.error("no room for the lease journal: granting stops when its segment is full",
               {{"directory", directory_.path()}, {"why", segment.error().text}});
  }
  stats_.space_failures++;
  segment_retry_ns_ = now.boot_ns + options_.retry_ns;
}

void Journal::roll() {
  previous_end_ = current_.used ? current_.end : previous_end_;
  current_.fresh = std::move(*spare_);
  current_.end = kFileHeaderBytes;
  current_.used = false;
  spare_.reset();
}

void Journal::update_disk_bytes() {
  stats_.segments = next_number_ - first_segment_;
  stats_.disk_bytes = stats_.segments * options_.segment_bytes + stats_.last_snapshot_bytes;
}

// --- commit ----------------------------------------------------------------------------------

Result<Batch<Committed>> Journal::commit(Batch<Proposal>& proposals,
                                         std::span<const LeaseRecord> others, Now now) {
  if (proposals.empty() && others.empty()) return Batch<Committed>{};
  if (auto begun = begin_commit(proposals, others, now); !begun) {
    return tl::unexpected(begun.error());
  }
  return finish_commit(proposals);
}

Result<void> Journal::begin_commit(Batch<Proposal>& proposals, std::span<const LeaseRecord> others,
                                   Now now) {
  const size_t count = proposals.size() + others.size();
  CHECK(count <= options_.commit_records_max, "a commit is within its limit");
  CHECK(!commit_under_way(), "one commit at a time");
  FrameHeader header = new_frame(now);
  header.leases = static_cast<uint32_t>(count);
  uint64_t sequence = sequence_;
  uint8_t* out = frame_start() + kFrameHeaderBytes;
  for (Proposal& proposal : proposals) {
    LeaseRecord& record = proposal.packet().grant.record;
    check_sizes(record);
    record.sequence = ++sequence;
    out = encode_lease(out, record, header, false);
  }
  for (const LeaseRecord& record : others) {
    check_sizes(record);
    out = encode_lease(out, record, header, false);
  }
  if (auto placed = place_frame(header, out); !placed) return placed;

  write_.records = count;
  write_.proposals = std::move(proposals);
  write_.offloaded = options_.offload != nullptr && count > options_.inline_records_max;
  if (write_.offloaded) {
    options_.offload->start(write_);
  } else {
    write_.run();
  }
  return {};
}

Result<Batch<Committed>> Journal::finish_commit(Batch<Proposal>& failed) {
  CHECK(commit_under_way(), "what is finished was begun");
  if (write_.offloaded) options_.offload->wait();
  auto written = settle_write();
  if (!written) {
    failed = std::move(write_.proposals);
    return tl::unexpected(written.error());
  }
  Batch<Committed> committed;
  for (Proposal& proposal : write_.proposals) {
    committed.push(Committed(PassKey<Journal>{}, std::move(proposal)));
  }
  write_.proposals.clear();
  return committed;
}

Result<void> Journal::commit_clock_step(int64_t delta_s, Now now) {
  if (delta_s == 0) return {};
  CHECK(!commit_under_way(), "a step lies between two commits");
  const bool step_possible = clock_shift_possible(delta_s);  // else the sum might overflow
  if (!step_possible || !clock_shift_possible(clock_shift_s_ + delta_s)) {
    return fail(ErrorKind::Invalid, fmt::format("a clock step of {} s after {} s of steps: the "
                                                "lease journal holds {} s in all",
                                                delta_s, clock_shift_s_, kClockShiftSecondsMax));
  }
  uint8_t* out = encode_clock_step(frame_start() + kFrameHeaderBytes, delta_s);
  if (auto placed = place_frame(new_frame(now), out); !placed) return placed;
  write_.offloaded = false;
  write_.records = 0;
  write_.run();
  if (auto written = settle_write(); !written) return written;
  // Leases given to a snapshot until now have times from before the step.
  if (chunk_ != nullptr) close_chunk();
  clock_shift_s_ += delta_s;
  return {};
}

FrameHeader Journal::new_frame(Now now) const {
  FrameHeader header;
  header.first_sequence = sequence_ + 1;
  header.base_s = now.lease_s;
  header.clock_shift_s = clock_shift_s_;
  return header;
}

Result<void> Journal::place_frame(FrameHeader header, uint8_t* end) {
  if (failed()) return tl::unexpected(*failure_);
  const uint64_t size = padded_size(static_cast<uint64_t>(end - frame_start()));
  if (!current_ || current_.end + size > current_.fresh.capacity) {
    if (!spare_) {
      return fail(
          ErrorKind::NoSpace,
          fmt::format("{}: no room for the lease journal's next segment", directory_.path()));
    }
    roll();
  }
  seal_into_segment(header, end);
  return {};
}

void Journal::seal_into_segment(FrameHeader header, uint8_t* end) {
  uint8_t* const frame = frame_start();
  const uint64_t room = current_.fresh.capacity - current_.end;
  if (scope_names_pending_ || !current_.used) {
    const uint64_t with_names = static_cast<uint64_t>(end - frame) + scope_names_.size();
    if (!scope_names_.empty() && padded_size(with_names) <= room) {
      std::memcpy(end, scope_names_.data(), scope_names_.size());
      end += scope_names_.size();
      scope_names_pending_ = false;
    }
  }
  end = pad_frame(frame, end);
  header.size = static_cast<uint32_t>(end - frame);
  encode_frame_header(header, frame);
  seal_frame(frame, {FileKind::Segment, current_.fresh.number});

  write_.file = current_.fresh.file.get();
  write_.bytes = {frame, header.size};
  write_.offset = current_.end;
  if (!current_.used) {
    // The header goes with the first commit: taking a new segment costs no write of its own.
    encode_header({FileKind::Segment, current_.fresh.number, header.first_sequence, previous_end_,
                   current_.fresh.capacity, header.base_s},
                  buffer_.get());
    write_.bytes = {buffer_.get(), kFileHeaderBytes + header.size};
    write_.offset = 0;
  }
  write_.under_way = true;
}

void Journal::Write::run() {
  outcome = file->write_at(offset, bytes);
  if (outcome) outcome = file->sync();
}

// What was placed is on disk, or nothing is any more.
Result<void> Journal::settle_write() {
  write_.under_way = false;
  if (!write_.outcome) return fail_for_good(write_.outcome.error());
  sequence_ += write_.records;
  current_.end = write_.offset + write_.bytes.size();
  current_.used = true;
  bytes_since_snapshot_ += write_.bytes.size();
  stats_.commits++;
  stats_.records += write_.records;
  stats_.bytes_written += write_.bytes.size();
  return {};
}

tl::unexpected<Error> Journal::fail_for_good(Error error) {
  // What is on disk is not known any more (a failed sync drops what it could not write), so
  // nothing may follow it. Not even NoSpace may pass: the room had been promised.
  error.kind = ErrorKind::Io;
  error.text = fmt::format("the lease journal in {} failed, restart to recover: {}",
                           directory_.path(), error.text);
  log_.error("lease journal failed, nothing is granted until a restart", {{"why", error.text}});
  failure_ = error;
  return tl::unexpected(std::move(error));
}

// --- snapshot --------------------------------------------------------------------------------

bool Journal::wants_snapshot() const {
  if (failed() || snapshot_under_way_ || !can_begin_snapshot() || commit_under_way()) return false;
  if (now_.boot_ns < snapshot_retry_ns_) return false;
  return snapshot_asked_ || bytes_since_snapshot_ >= options_.snapshot_after_bytes;
}

void Journal::begin_snapshot() {
  CHECK(wants_snapshot(), "a snapshot is begun when it is wanted");
  if (current_.used) roll();
  snapshot_asked_ = false;
  snapshot_open_ = true;
  snapshot_under_way_ = true;
  snapshot_number_ = current_.fresh.number;
  snapshot_leases_ = 0;
  snapshot_begun_ns_ = now_.boot_ns;
  bytes_since_snapshot_ = 0;
  worker_->begin_snapshot(
      {FileKind::Snapshot, snapshot_number_, sequence_ + 1, 0, 0, now_.lease_s});
  if (scope_names_.empty()) return;
  for (Bytes rest = scope_names_; !rest.empty();) {
    // Whole records, as many as a chunk takes: names are no leases, so frames of their own.
    if (chunk_ == nullptr) open_chunk();
    const size_t size = 2 + size_t{rest[1]};
    if (chunk_->size + size + kFrameAlign > kSnapshotChunkBytes) {
      if (worker_->free_chunks() <= kChunksPerTurn) break;  // names are a convenience of dumps
      close_chunk();
      continue;
    }
    std::memcpy(chunk_->bytes.get() + chunk_->size, rest.data(), size);
    chunk_->size += size;
    rest = rest.subspan(size);
  }
  close_chunk();
}

bool Journal::snapshot_has_room() const { return worker_->free_chunks() > kChunksPerTurn; }

void Journal::add_to_snapshot(const LeaseRecord& lease) {
  CHECK(snapshot_open_, "leases go into an open snapshot");
  if (lease.state == LeaseState::Free) return;
  check_sizes(lease);
  if (chunk_ != nullptr && chunk_->size + kJournalRecordBytesMax > kSnapshotChunkBytes) {
    close_chunk();
  }
  if (chunk_ == nullptr) open_chunk();
  uint8_t* const begin = chunk_->bytes.get();
  uint8_t* const end = encode_lease(begin + chunk_->size, lease, chunk_frame_, true);
  chunk_->size = static_cast<size_t>(end - begin);
  chunk_frame_.leases++;
  snapshot_leases_++;
}

void Journal::end_snapshot() {
  if (!snapshot_open_) return;  // the writer had failed
  if (chunk_ != nullptr) close_chunk();
  open_chunk();
  uint8_t* const begin = chunk_->bytes.get();
  uint8_t* const end = encode_snapshot_end(begin + chunk_->size, snapshot_leases_);
  chunk_->size = static_cast<size_t>(end - begin);
  close_chunk();
  snapshot_open_ = false;
  worker_->finish_snapshot();
}

void Journal::open_chunk() {
  chunk_ = worker_->take_chunk();
  chunk_->size = kFrameHeaderBytes;
  chunk_frame_ = new_frame(now_);
}

void Journal::close_chunk() {
  uint8_t* const frame = chunk_->bytes.get();
  chunk_->size = static_cast<size_t>(pad_frame(frame, frame + chunk_->size) - frame);
  chunk_frame_.size = static_cast<uint32_t>(chunk_->size);
  encode_frame_header(chunk_frame_, frame);
  worker_->queue_chunk(std::exchange(chunk_, nullptr));
}

void Journal::snapshot_ended(Result<uint64_t> bytes, Now now) {
  snapshot_under_way_ = false;
  if (!bytes) {
    // The journal is whole without it: try again, later.
    stats_.snapshot_failures++;
    snapshot_asked_ = true;
    snapshot_retry_ns_ = now.boot_ns + options_.snapshot_retry_ns;
    log_.error("lease snapshot failed, the journal grows until one succeeds",
               {{"directory", directory_.path()}, {"why", bytes.error().text}});
    return;
  }
  first_segment_ = snapshot_number_;
  stats_.snapshots++;
  stats_.last_snapshot_s = now.lease_s;
  stats_.last_snapshot_bytes = *bytes;
  stats_.last_snapshot_ns = now.boot_ns - snapshot_begun_ns_;
  update_disk_bytes();
  log_.info("lease snapshot written", {{"leases", snapshot_leases_}, {"bytes", *bytes}});
}

}  // namespace hookline::store
