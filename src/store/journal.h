// The lease journal: makes proposals durable, and gives the leases back after a restart.
//
// An append-only log of preallocated segments, one write and one sync for all records of a turn
// (group commit), and now and then a snapshot of all leases, written in the background, after which
// older segments go. docs/lease_journal_format.md describes the bytes.
//
// One thread, the packet thread, calls everything here. After open() nothing on it allocates but
// the posting of background jobs (one for a segment, a few for a snapshot), and nothing but
// commit() and commit_clock_step() waits for the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/batch.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "io/background.h"
#include "io/files.h"
#include "io/offload.h"
#include "line/lease.h"
#include "line/stages.h"
#include "store/worker.h"

namespace hookline::store {

// Records of one commit, proposals and others together.
inline constexpr size_t kJournalCommitRecordsMax = kTurnPacketsMax + 2 * kExpiriesPerTurnMax;

// What open() found.
struct Recovered {
  uint64_t records = 0;       // lease records given to `restore`, older ones of an address included
  uint64_t sequence = 0;      // of the last record
  LeaseSeconds newest_s = 0;  // the latest commit, on the lease clock; 0: an empty journal
  uint64_t torn_bytes = 0;    // of a commit that a crash cut short, and that nobody was told of
  size_t segments = 0;
  bool had_snapshot = false;
};

class Journal {
 public:
  struct Options {
    uint64_t segment_bytes = kJournalSegmentBytes;  // raised where a full commit needs more
    uint64_t snapshot_after_bytes = uint64_t{64} << 20;
    size_t commit_records_max = kJournalCommitRecordsMax;
    int64_t retry_ns = kNsPerSecond;                // after a full disk
    int64_t snapshot_retry_ns = 60 * kNsPerSecond;  // after a failed snapshot
    io::Offload* offload = nullptr;  // none: begin_commit() does all of it; outlives the journal
    // A commit of so few records is not worth another thread's wake-up: the caller does it.
    size_t inline_records_max = 8;
  };

  struct Stats {
    uint64_t commits = 0;
    uint64_t records = 0;
    uint64_t bytes_written = 0;   // by commits
    uint64_t disk_bytes = 0;      // segments and snapshot, as they stand
    uint64_t segments = 0;        // the prepared one included
    uint64_t space_failures = 0;  // no room for a new segment
    uint64_t snapshots = 0;
    uint64_t snapshot_failures = 0;
    LeaseSeconds last_snapshot_s = 0;  // 0: none since the start
    uint64_t last_snapshot_bytes = 0;
    int64_t last_snapshot_ns = 0;  // how long it took
  };

  // Takes the directory's lock; checks all of the journal; calls `restore` for every record of the
  // snapshot and then of the segments (of two records for an address the one with the larger
  // sequence counts, whatever their order); makes the last commit durable once more, because the
  // sync of a process that died may have failed; and prepares a segment.
  //
  // Busy: another server has the directory. Corrupt: the text names file, offset, what is wrong and
  // the command that repairs it; `restore` may have been called before. A torn tail is no error.
  // No space for a new segment is none either: ready() stays false until there is.
  //
  // The directory, background thread and logger outlive the journal.
  static Result<std::unique_ptr<Journal>> open(
      io::Directory& directory, io::Background& background, Logger& log, Options options,
      const std::function<void(const LeaseRecord&)>& restore, Recovered* recovered);

  ~Journal();  // waits for a background job that is running; never writes

  // Names of scopes, for `hookline journal dump`: they stand in every segment and snapshot begun
  // from now on, and in the next commit. At start and after a reload; allocates.
  void name_scopes(const std::vector<std::pair<uint32_t, std::string>>& names);

  // True when the next commit has its room, whatever its size. Prepares the next segment ahead of
  // need. False: the disk is full (it resumes by itself), or failed(). Once a turn.
  bool ready(Now now);

  // A write or sync failed: nothing is committed any more until a restart.
  bool failed() const { return failure_.has_value(); }
  std::string failure() const { return failure_ ? failure_->text : std::string(); }

  // Makes the records of `proposals` and `others` durable with one write and one sync. They take
  // the sequence numbers sequence() + 1, … in this order; a proposal's grant.record.sequence is
  // set. On success every proposal comes out as Committed, in order, and `proposals` is empty; else
  // it is untouched but for those numbers, for the caller to withdraw and drop. NoSpace (ready()
  // was false) may pass; every other error is final.
  // REQUIRES: proposals.size() + others.size() <= Options::commit_records_max.
  Result<Batch<Committed>> commit(Batch<Proposal>& proposals, std::span<const LeaseRecord> others,
                                  Now now);

  // The same in two halves, so that its caller can do something while the disk works.
  // begin_commit() takes the proposals in; after an error it has taken nothing. `others` must stay
  // until the end. REQUIRES: !commit_under_way().
  Result<void> begin_commit(Batch<Proposal>& proposals, std::span<const LeaseRecord> others,
                            Now now);
  bool commit_under_way() const { return write_.under_way; }
  // finish_commit() would have to wait for the disk now.
  bool disk_is_working() const {
    return write_.under_way && write_.offloaded && !options_.offload->ended();
  }
  // Waits for the disk. After an error `failed` has the proposals back.
  // REQUIRES: commit_under_way().
  Result<Batch<Committed>> finish_commit(Batch<Proposal>& failed);

  // The lease clock was stepped: times of all records before this are read as `delta_s` later from
  // now on. Durable when it returns. Invalid, and nothing is written: the step or the sum of all
  // steps is beyond kClockShiftSecondsMax. REQUIRES: !commit_under_way().
  Result<void> commit_clock_step(int64_t delta_s, Now now);

  uint64_t sequence() const { return sequence_; }

  // --- snapshot: begun when wanted, fed in slices, turn by turn, in any order of leases ---
  // A lease that changes while the snapshot is open may be given before or after its change.

  // Enough was committed since the last one, or one was asked for; false while one is under way.
  bool wants_snapshot() const;
  void ask_for_snapshot() { snapshot_asked_ = true; }
  // REQUIRES: wants_snapshot(). Replay will begin behind what is committed now.
  void begin_snapshot();
  // From begin_snapshot() to end_snapshot(), even when the writer fails meanwhile.
  bool snapshot_open() const { return snapshot_open_; }
  // Room for kSnapshotLeasesPerTurn leases. False: the writer is behind, try again next turn.
  bool snapshot_has_room() const;
  // REQUIRES: snapshot_open(). Free records are passed over: nothing is remembered of them.
  void add_to_snapshot(const LeaseRecord& lease);
  // All leases were given. The background thread makes it durable and removes what it replaces.
  void end_snapshot();

  const Stats& stats() const { return stats_; }

 private:
  struct Open;  // the steps of open()

  struct Segment {
    FreshSegment fresh;
    uint64_t end = 0;   // where the next frame goes
    bool used = false;  // its header has been written
    explicit operator bool() const { return fresh.file != nullptr; }
  };

  Journal(io::Directory& directory, io::Background& background, Logger& log, Options options);

  void collect_news(Now now);
  void segment_came(Result<FreshSegment> segment, Now now);
  void snapshot_ended(Result<uint64_t> bytes, Now now);
  void want_segment(Now now);
  void roll();
  // Where the frame after the one under way goes.
  uint64_t next_end() const {
    return write_.under_way ? write_.offset + write_.bytes.size() : current_.end;
  }
  bool can_begin_snapshot() const { return current_ && (!current_.used || spare_.has_value()); }

  uint8_t* frame_start() { return buffer_.get() + kFileHeaderBytes; }
  FrameHeader new_frame(Now now) const;
  // One frame on its way to the disk. run() touches nothing of the journal's.
  struct Write final : io::Offload::Job {
    void run() override;
    io::WritableFile* file = nullptr;
    uint64_t offset = 0;
    Bytes bytes;
    Result<void> outcome;
    size_t records = 0;
    bool under_way = false;
    bool offloaded = false;
    Batch<Proposal> proposals;
  };

  // Finds the place of the frame whose records end at `end`, and seals it: write_ is ready to run.
  Result<void> place_frame(FrameHeader header, uint8_t* end);
  void seal_into_segment(FrameHeader header, uint8_t* end);
  Result<void> settle_write();
  tl::unexpected<Error> fail_for_good(Error error);

  void open_chunk();
  void close_chunk();
  void update_disk_bytes();

  io::Directory& directory_;
  Logger& log_;
  Options options_;
  std::shared_ptr<Worker> worker_;

  struct AlignedDelete {
    void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{4096}); }
  };
  size_t frame_bytes_max_ = 0;                        // of a full commit, scope names not included
  std::unique_ptr<uint8_t[], AlignedDelete> buffer_;  // a file header, then a frame

  Segment current_;
  std::optional<FreshSegment> spare_;
  uint64_t next_number_ = 1;   // of the next segment to prepare
  uint64_t previous_end_ = 0;  // of the segment before current_
  bool segment_requested_ = false;
  int64_t segment_retry_ns_ = 0;

  Write write_;
  uint64_t sequence_ = 0;
  int64_t clock_shift_s_ = 0;
  Now now_;  // of the last call that had one
  std::optional<Error> failure_;

  std::vector<uint8_t> scope_names_;  // encoded records
  bool scope_names_pending_ = false;

  uint64_t first_segment_ = 1;  // that a replay would read
  uint64_t bytes_since_snapshot_ = 0;
  bool snapshot_asked_ = false;
  bool snapshot_open_ = false;
  bool snapshot_under_way_ = false;  // from begin until its outcome is known
  uint64_t snapshot_number_ = 0;
  uint64_t snapshot_leases_ = 0;
  int64_t snapshot_begun_ns_ = 0;
  int64_t snapshot_retry_ns_ = 0;
  Worker::Chunk* chunk_ = nullptr;
  FrameHeader chunk_frame_;

  Stats stats_;
};

}  // namespace hookline::store
