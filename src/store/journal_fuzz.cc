// Recovery, verify, dump and repair on arbitrary bytes: nothing may crash, and what opens once
// opens again. The input is a list of files: kind and number (one byte), size (two bytes,
// little-endian), bytes. The top bit of the first byte asks for checksums to be made right, so that
// the fuzzer reaches what stands behind them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../../tests/sim/disk.cc"  // NOLINT(bugprone-suspicious-include)
#include "store/crc32c.h"
#include "store/journal.h"
#include "store/offline.h"

namespace {

using namespace hookline;
using namespace hookline::store;

class NoBackground final : public io::Background {
 public:
  void post(std::function<void()>) override {}
};

// Makes the header's checksum and those of the frames right, as far as sizes lead.
void mend(std::vector<uint8_t>* bytes, FileName name) {
  if (bytes->size() < kFileHeaderBytes) return;
  FileHeader header;
  header.kind = name.kind;
  header.number = name.number;
  std::memcpy(&header.first_sequence, bytes->data() + 24, 8);
  std::memcpy(&header.previous_end, bytes->data() + 32, 8);
  encode_header(header, bytes->data());
  uint64_t at = kFileHeaderBytes;
  while (bytes->size() - at >= kFrameHeaderBytes) {
    uint8_t* frame = bytes->data() + at;
    FrameHeader h = load_frame_header(frame);
    h.size = static_cast<uint32_t>(frame[0] | frame[1] << 8) & ~7u;
    if (h.size < kFrameHeaderBytes || h.size > bytes->size() - at) return;
    encode_frame_header(h, frame);
    seal_frame(frame, name);
    at += h.size;
  }
}

void fill(sim::SimDisk* disk, const uint8_t* data, size_t size) {
  while (size >= 3) {
    const FileName name{(data[0] & 0x40) != 0 ? FileKind::Snapshot : FileKind::Segment,
                        1u + (data[0] & 3)};
    const bool mended = (data[0] & 0x80) != 0;
    const size_t length = std::min<size_t>(data[1] | data[2] << 8, size - 3);
    std::vector<uint8_t> bytes(data + 3, data + 3 + length);
    if (mended) mend(&bytes, name);
    disk->put(file_name(name.kind, name.number), std::move(bytes));
    data += 3 + length;
    size -= 3 + length;
  }
}

bool opens(sim::SimDisk* disk, Logger& log, uint64_t* records) {
  NoBackground background;
  Journal::Options options;
  options.commit_records_max = 1;
  options.segment_bytes = 4096;
  *records = 0;
  auto journal = Journal::open(
      *disk, background, log, options, [records](const LeaseRecord&) { ++*records; }, nullptr);
  const bool opened = journal.has_value();
  if (!opened && journal.error().kind != ErrorKind::Corrupt) std::abort();
  disk->kill_process();
  return opened;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::FILE* quiet = std::fopen("/dev/null", "w");
  static Logger log(quiet, LogLevel::Error);  // lines have a time: runs would differ
  sim::SimDisk disk(1);
  fill(&disk, data, size);
  auto report = verify(disk);
  if (!report) std::abort();
  (void)report->text();
  (void)dump(disk, [](const DumpedRecord&) {});
  uint64_t records = 0, again = 0;
  const bool opened = opens(&disk, log, &records);
  if (opened != report->ok()) std::abort();
  if (opened) {
    if (records != report->records) std::abort();
    if (!opens(&disk, log, &again) || again != records) std::abort();
    return 0;
  }
  auto repaired = repair(disk);
  disk.kill_process();
  if (repaired && !opens(&disk, log, &again)) std::abort();
  return 0;
}
