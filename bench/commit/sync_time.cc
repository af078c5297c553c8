// How long this disk takes to make one record durable: a write into a preallocated file of zeros
// and an fdatasync, one after the other. The floor under an ACK's latency.
//
//   bench_sync_time DIRECTORY BYTES COUNT
#include <fcntl.h>
#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "load/histogram.h"

namespace {

constexpr size_t kFile = 16u << 20;

int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// A file whose blocks are written already, as the journal's are: only data goes out on a sync.
int open_file(const std::string& path) {
  const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fd;
  const std::vector<uint8_t> zeros(1u << 20);
  for (size_t at = 0; at < kFile; at += zeros.size()) {
    if (pwrite(fd, zeros.data(), zeros.size(), static_cast<off_t>(at)) < 0) return -1;
  }
  return fsync(fd) == 0 ? fd : -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: bench_sync_time DIRECTORY BYTES COUNT\n");
    return 2;
  }
  const size_t bytes = std::strtoul(argv[2], nullptr, 10);
  const unsigned long count = std::strtoul(argv[3], nullptr, 10);
  const std::string path = std::string(argv[1]) + "/sync_time";
  const int fd = open_file(path);
  if (fd < 0 || bytes == 0 || bytes > 65536) {
    std::perror("bench_sync_time");
    return 1;
  }
  const std::vector<uint8_t> record(bytes, 0x5A);
  const auto times = std::make_unique<hookline::load::Histogram>();
  off_t at = 0;
  for (unsigned long i = 0; i < count; ++i) {
    if (static_cast<size_t>(at) + bytes > kFile) at = 0;
    const int64_t start_ns = now_ns();
    if (pwrite(fd, record.data(), bytes, at) < 0 || fdatasync(fd) != 0) {
      std::perror("bench_sync_time");
      return 1;
    }
    times->add(now_ns() - start_ns);
    at += static_cast<off_t>(bytes);
  }
  close(fd);
  unlink(path.c_str());
  fmt::print("{{\"count\":{},\"p50\":{},\"p99\":{},\"max\":{}}}\n", count,
             static_cast<double>(times->quantile_ns(0.5)) / 1e3,
             static_cast<double>(times->quantile_ns(0.99)) / 1e3,
             static_cast<double>(times->max_ns()) / 1e3);
}
