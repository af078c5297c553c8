// A simulated disk: one directory in memory that forgets at a power cut what was not synced, fills
// up and fails, as its seed says. Sectors of 512 bytes are written whole or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "io/files.h"

namespace hookline::sim {

class SimDisk final : public io::Directory {
 public:
  // What a power cut does to writes that were not synced.
  enum class Cut : uint8_t {
    Random,  // one of the others, by the seed
    Forget,  // all are lost
    Keep,    // all made it
    Tear,    // any of their sectors, any of the entries
  };

  explicit SimDisk(uint64_t seed) : random_(seed) {}

  // The machine stops and starts again: locks are free, faults are over, what was not synced is
  // gone, whole or in part. Files that are open from before write into nothing.
  void power_cut(Cut cut = Cut::Random);
  // The process ends, the machine goes on: only the lock goes.
  void kill_process();

  // After `operations` more changes (writes, syncs, creations, …) every one fails with an I/O
  // error, until power_cut() or heal(). A failing write leaves a part of its bytes; a failing sync
  // leaves a part of what was to be synced, and the next one will not try that again.
  void fail_after(uint64_t operations);
  void heal();
  bool failing() const;
  // Nothing can grow any more: ErrorKind::NoSpace.
  void set_full(bool full);
  // sync() succeeds and does nothing: for tests of the tests.
  void set_lying(bool lying);

  uint64_t operations() const;  // changes so far
  uint64_t file_syncs() const;
  uint64_t file_writes() const;

  // For tests: a file's bytes as a reader sees them. put() is durable at once.
  std::optional<std::vector<uint8_t>> get(std::string_view name) const;
  void put(std::string_view name, std::vector<uint8_t> bytes);

  // io::Directory
  Result<void> lock() override;
  Result<std::vector<std::string>> list() override;
  Result<std::unique_ptr<io::FileContents>> read(std::string_view name) override;
  Result<std::unique_ptr<io::WritableFile>> create(std::string_view name) override;
  Result<std::unique_ptr<io::WritableFile>> open(std::string_view name) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  std::string path() const override { return "/sim"; }

 private:
  friend class SimFile;

  struct Inode {
    std::vector<uint8_t> visible;  // what readers see: the page cache
    std::vector<uint8_t> durable;  // what a power cut leaves
    std::set<uint64_t> dirty;      // sectors written since the last sync
  };
  using Entries = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;
  // A change of the directory since its last sync.
  struct EntryChange {
    std::string name;
    std::shared_ptr<Inode> inode;  // null: removed
    std::string renamed_from;      // goes at the same moment
  };

  // Counts one change; true when it has to fail.
  bool operation_fails();
  bool chance() { return (random_() & 1) != 0; }
  void change_entry(EntryChange change);
  static void apply(const EntryChange& change, Entries* entries);
  // Makes `share` of the dirty sectors durable: 0 none, 1 any, 2 all.
  void persist(Inode& inode, int share);
  Result<void> write_at(Inode& inode, uint64_t offset, Bytes bytes);
  Result<void> preallocate(Inode& inode, uint64_t size);
  Result<void> sync_file(Inode& inode);

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  Entries visible_, durable_;
  std::vector<EntryChange> unsynced_;
  bool locked_ = false;
  bool full_ = false;
  bool lying_ = false;
  std::optional<uint64_t> fail_at_;
  uint64_t operations_ = 0, file_syncs_ = 0, file_writes_ = 0;
  uint64_t life_ = 0;  // files opened in an earlier one are dead
};

}  // namespace hookline::sim
