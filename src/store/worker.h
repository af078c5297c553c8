// The journal's half on the background thread: prepares segments ahead of need, writes snapshots,
// removes what a finished snapshot makes superfluous. The packet thread asks and collects; the two
// meet under a mutex that is never held during I/O.
//
// A job of the background thread may outlive the journal: it holds the Worker, which does nothing
// any more after stop().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "io/background.h"
#include "io/files.h"
#include "store/format.h"

namespace hookline::store {

// Snapshot frames on their way to the disk: 1.25 MB in all.
inline constexpr size_t kSnapshotChunks = 10;
inline constexpr size_t kSnapshotChunkBytes = size_t{128} << 10;

// A preallocated segment that nobody has written to.
struct FreshSegment {
  std::unique_ptr<io::WritableFile> file;
  uint64_t number = 0;
  uint64_t capacity = 0;
};

// Creates segment `number` (or takes the empty one of that name), makes room for all of it and
// makes its entry durable. NoSpace leaves nothing behind. Any thread.
Result<FreshSegment> prepare_segment(io::Directory& directory, uint64_t number, uint64_t capacity);

// Opens a new snapshot's .part file and writes its header; used by repair too.
Result<std::unique_ptr<io::WritableFile>> create_snapshot(io::Directory& directory,
                                                          const FileHeader& header);
// Syncs it, gives it its name, makes that durable.
Result<void> publish_snapshot(io::Directory& directory, io::WritableFile& file, uint64_t number);

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  struct Chunk {
    std::unique_ptr<uint8_t[]> bytes;  // one frame, complete but for its checksum
    size_t size = 0;
  };

  struct News {
    std::optional<Result<FreshSegment>> segment;
    std::optional<Result<uint64_t>> snapshot;  // its bytes
  };

  Worker(io::Directory& directory, io::Background& background, Logger& log, uint64_t segment_bytes);

  // --- packet thread ---
  void request_segment(uint64_t number);
  // False: collect() has nothing. One relaxed load.
  bool has_news() const { return news_flag_.load(std::memory_order_acquire); }
  News collect();

  // A snapshot: begin, then chunks in order, then finish or abandon. One at a time.
  void begin_snapshot(const FileHeader& header);
  size_t free_chunks() const { return free_count_.load(std::memory_order_acquire); }
  Chunk* take_chunk();  // REQUIRES: free_chunks() > 0
  void queue_chunk(Chunk* chunk);
  void finish_snapshot();  // its outcome comes as news

  // Waits for what is running; nothing is touched afterwards.
  void stop();

 private:
  enum class Task : uint8_t { None, Segment, Chunk, Finish };
  enum class SnapshotState : uint8_t { None, Writing, Failed };

  void post();
  void run();
  Task next_task();
  void prepare();
  void write_next_chunk();
  void finish();
  Result<void> write_chunk(Chunk* chunk);
  Result<uint64_t> publish();
  void remove_superfluous(uint64_t number);
  void fail_snapshot(Error error);

  io::Directory& directory_;
  io::Background& background_;
  Logger& log_;
  const uint64_t segment_bytes_;

  std::mutex running_;    // held by a job while it runs
  bool stopped_ = false;  // under running_

  std::mutex mutex_;
  bool posted_ = false;
  uint64_t wanted_segment_ = 0;  // 0: none
  bool snapshot_finishing_ = false;
  std::array<Chunk, kSnapshotChunks> chunks_;
  std::array<Chunk*, kSnapshotChunks> free_{};
  std::array<Chunk*, kSnapshotChunks> queued_{};  // a ring: oldest at queue_head_
  size_t queue_head_ = 0, queue_size_ = 0;
  FileHeader snapshot_header_;
  News news_;

  std::atomic<size_t> free_count_{kSnapshotChunks};
  std::atomic<bool> news_flag_{false};

  // Background thread only.
  SnapshotState snapshot_state_ = SnapshotState::None;
  std::optional<Error> snapshot_error_;
  std::unique_ptr<io::WritableFile> snapshot_file_;
  uint64_t snapshot_bytes_ = 0, unsynced_bytes_ = 0;
};

}  // namespace hookline::store
