// Journal::open: recovery, step by step.
#include <fmt/core.h>

#include <algorithm>

#include "store/journal.h"
#include "store/scan.h"

namespace hookline::store {
namespace {

// Gives the leases of one file to `restore`. Corrupt where a record that checks makes no sense:
// another program wrote it, or we had a bug.
Result<void> replay(const io::Directory& directory, const LoadedFile& file, int64_t final_shift_s,
                    const std::function<void(const LeaseRecord&)>& restore, Recovered* recovered) {
  uint64_t offset = kFileHeaderBytes;
  for (Frame frame; next_frame(file, &offset, &frame);) {
    FrameDecoder decoder(frame, final_shift_s);
    for (DecodedRecord record; decoder.next(&record);) {
      if (record.kind != RecordKind::Lease) continue;
      restore(record.lease);
      recovered->records++;
    }
    if (decoder.error() != nullptr) {
      const Damage damage{file.text_name, frame.offset, decoder.error()};
      return tl::unexpected(corrupt_error(directory, damage));
    }
    LeaseRecord at;
    at.start = frame.header.base_s;
    shift_times(&at, final_shift_s - frame.header.clock_shift_s);
    recovered->newest_s = std::max(recovered->newest_s, at.start);
  }
  return {};
}

// The process before may have died of a failed write or sync, after which the page cache holds what
// the disk does not: the last commit is written again. The first of a segment came with its header.
Result<void> rewrite_last_frame(io::Directory& directory, const LoadedFile& file) {
  const uint64_t from = file.scan.frames <= 1 ? 0 : file.scan.last_frame;
  const Bytes bytes = file.contents->view().subspan(from, file.scan.end - from);
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  auto opened = directory.open(file.text_name);
  if (!opened) return tl::unexpected(opened.error());
  if (auto done = (*opened)->write_at(from, copy); !done) return done;
  return (*opened)->sync();
}

// A prepared segment whose first commit was torn becomes an empty one again.
Result<void> clear_torn_segment(io::Directory& directory, const LoadedFile& file) {
  auto opened = directory.open(file.text_name);
  if (!opened) return tl::unexpected(opened.error());
  const std::vector<uint8_t> zeros(file.scan.torn_bytes, 0);
  if (auto done = (*opened)->write_at(0, zeros); !done) return done;
  return (*opened)->sync();
}

}  // namespace

struct Journal::Open {
  Journal& journal;
  io::Directory& directory;
  Logger& log;

  Result<void> recover(const std::function<void(const LeaseRecord&)>& restore, Recovered* out) {
    auto loaded = load_image(directory);
    if (!loaded) return tl::unexpected(loaded.error());
    const Image& image = *loaded;
    if (!image.damage.empty()) return tl::unexpected(corrupt_error(directory, image.damage[0]));

    if (image.snapshot) {
      if (auto done = replay_file(image, *image.snapshot, restore, out); !done) return done;
      journal.stats_.last_snapshot_bytes = image.snapshot->contents->view().size();
    }
    const uint64_t from_snapshot = out->records;
    for (size_t i = 0; i < image.used; ++i) {
      if (auto done = replay_file(image, image.segments[i], restore, out); !done) return done;
      journal.bytes_since_snapshot_ += image.segments[i].scan.end;
    }
    out->sequence = image.sequence;
    out->torn_bytes = image.torn_bytes;
    out->segments = image.used;
    out->had_snapshot = image.snapshot.has_value();
    take_over(image);
    // What was written by a process that is gone is written once more, by one that is there.
    journal.snapshot_asked_ = out->records != from_snapshot || image.torn_bytes != 0;
    if (auto done = settle(image); !done) return done;
    return first_segment();
  }

  Result<void> replay_file(const Image& image, const LoadedFile& file,
                           const std::function<void(const LeaseRecord&)>& restore, Recovered* out) {
    return replay(directory, file, image.clock_shift_s, restore, out);
  }

  void take_over(const Image& image) {
    journal.sequence_ = image.sequence;
    journal.clock_shift_s_ = image.clock_shift_s;
    journal.first_segment_ = image.replay_from;
    journal.next_number_ = image.replay_from + image.used;
    if (const LoadedFile* last = image.last_used()) journal.previous_end_ = last->scan.end;
  }

  // Makes durable what was read, then removes what is not needed.
  Result<void> settle(const Image& image) {
    if (const LoadedFile* last = image.last_used()) {
      if (auto done = rewrite_last_frame(directory, *last); !done) return done;
    }
    if (image.used < image.segments.size()) {
      const LoadedFile& next = image.segments[image.used];
      if (next.scan.torn_bytes != 0) {
        if (auto done = clear_torn_segment(directory, next); !done) return done;
      }
    }
    if (auto done = directory.sync(); !done) return done;
    for (const auto* names : {&image.leftovers, &image.outdated_segments}) {
      for (const std::string& name : *names) {
        if (auto done = directory.remove(name); !done) return done;
      }
    }
    return {};
  }

  Result<void> first_segment() {
    auto segment = prepare_segment(directory, journal.next_number_, journal.options_.segment_bytes);
    if (!segment && segment.error().kind != ErrorKind::NoSpace) {
      return tl::unexpected(segment.error());
    }
    journal.segment_came(std::move(segment), Now{});
    return {};
  }
};

Result<std::unique_ptr<Journal>> Journal::open(
    io::Directory& directory, io::Background& background, Logger& log, Options options,
    const std::function<void(const LeaseRecord&)>& restore, Recovered* recovered) {
  if (auto locked = directory.lock(); !locked) return tl::unexpected(locked.error());
  std::unique_ptr<Journal> journal(new Journal(directory, background, log, options));
  Recovered found;
  Open steps{*journal, directory, log};
  if (auto done = steps.recover(restore, &found); !done) return tl::unexpected(done.error());
  if (found.torn_bytes != 0) {
    log.warning("the lease journal ended in a commit that a crash cut short; nobody was told of it",
                {{"directory", directory.path()}, {"bytes", found.torn_bytes}});
  }
  if (recovered != nullptr) *recovered = found;
  return journal;
}

}  // namespace hookline::store
