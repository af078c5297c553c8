// Nothing allocates on the packet path after start (ARCHITECTURE.md): whole turns of a whole
// server, and the journal's commits. The world outside (wire, disk, clients) is a simulation that
// allocates as it likes, and is not counted. A program of its own, because it replaces operator
// new.
#include <execinfo.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <new>

#include "house.h"

namespace {

bool counting = false;
size_t allocations = 0;

// Where the first ones came from.
struct Stack {
  std::array<void*, 24> frames;
  int size;
};
std::array<Stack, 16> stacks;

// `addr2line -Cfpe PROGRAM OFFSET` reads them.
void print_stacks() {
  for (size_t i = 0; i < std::min(allocations, stacks.size()); ++i) {
    std::fprintf(stderr, "allocation %zu:\n", i + 1);
    backtrace_symbols_fd(stacks[i].frames.data(), stacks[i].size, 2);
  }
}

}  // namespace

// A sanitizer has an allocator of its own, which must not be cut in two: nothing is counted there.
#ifndef HOOKLINE_SANITIZED
namespace {

void count() {
  if (!counting) return;
  counting = false;  // backtrace() allocates when it is called first
  if (allocations < stacks.size()) {
    Stack& stack = stacks[allocations];
    stack.size = backtrace(stack.frames.data(), static_cast<int>(stack.frames.size()));
  }
  ++allocations;
  counting = true;
}

}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  count();
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t align) {
  count();
  const auto a = static_cast<size_t>(align);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
#endif

namespace hookline::sim {
namespace {

// Where the server calls out, counting stops until it is back.
class Outside {
 public:
  Outside() : was_(std::exchange(counting, false)) {}
  ~Outside() { counting = was_; }

 private:
  bool was_;
};

class OutsideWire final : public io::PacketPort, public io::LinkMonitor {
 public:
  explicit OutsideWire(SimWire& wire) : wire_(wire) {}
  size_t receive(std::span<io::RxFrame> frames) override {
    Outside outside;
    return wire_.receive(frames);
  }
  void send(std::span<io::TxFrame> frames) override {
    Outside outside;
    wire_.send(frames);
  }
  int send_udp(Ipv4 from, Ipv4 to, uint16_t port, uint32_t ifindex, Bytes payload) override {
    return wire_.send_udp(from, to, port, ifindex, payload);
  }
  uint64_t kernel_drops() const override { return 0; }
  const io::LinkTable& table() const override { return wire_.table(); }
  bool changed() override { return wire_.changed(); }
  std::optional<io::NextHop> resolve(Ipv4 to) override { return wire_.resolve(to); }

 private:
  SimWire& wire_;
};

class OutsideFile final : public io::WritableFile {
 public:
  explicit OutsideFile(std::unique_ptr<io::WritableFile> file) : file_(std::move(file)) {}
  Result<void> preallocate(uint64_t size) override {
    Outside outside;
    return file_->preallocate(size);
  }
  Result<void> write_at(uint64_t offset, Bytes bytes) override {
    Outside outside;
    return file_->write_at(offset, bytes);
  }
  Result<void> sync() override {
    Outside outside;
    return file_->sync();
  }

 private:
  std::unique_ptr<io::WritableFile> file_;
};

class OutsideDisk final : public io::Directory {
 public:
  Result<void> lock() override { return disk_.lock(); }
  Result<std::vector<std::string>> list() override { return disk_.list(); }
  Result<std::unique_ptr<io::FileContents>> read(std::string_view name) override {
    return disk_.read(name);
  }
  Result<std::unique_ptr<io::WritableFile>> create(std::string_view name) override {
    return wrap(disk_.create(name));
  }
  Result<std::unique_ptr<io::WritableFile>> open(std::string_view name) override {
    return wrap(disk_.open(name));
  }
  Result<void> rename(std::string_view from, std::string_view to) override {
    return disk_.rename(from, to);
  }
  Result<void> remove(std::string_view name) override { return disk_.remove(name); }
  Result<void> sync() override { return disk_.sync(); }
  std::string path() const override { return disk_.path(); }

 private:
  static Result<std::unique_ptr<io::WritableFile>> wrap(
      Result<std::unique_ptr<io::WritableFile>> file) {
    if (!file) return file;
    return std::make_unique<OutsideFile>(std::move(*file));
  }
  SimDisk disk_{1};
};

// Making a job allocates, and may: one for a segment, a few for a snapshot (store/journal.h).
class OutsideBackground final : public io::Background {
 public:
  void post(std::function<void()> job) override {
    if (counting) ++counted_posts;
    Outside outside;
    jobs_.post(std::move(job));
  }
  bool run_one() { return jobs_.run_one(); }

  size_t counted_posts = 0;

 private:
  SimBackground jobs_;
};

constexpr const char* kConfig = R"(
[server]
interfaces = ["eth0"]
[leases]
default-time = "10m"
offer-hold = "60s"
[options]
domain-name-servers = ["10.77.0.53"]
[[scope]]
id = "wide"
subnet = "10.77.0.0/16"
ranges = ["10.77.1.0-10.77.100.255"]
[scope.options]
routers = ["10.77.0.1"]
domain-name = "example.org"
domain-search = ["example.org", "corp.example.org"]
[[scope.reservation]]
hw-address = "02:00:01:00:00:07"
address = "10.77.0.7"
hostname = "printer"
[[scope]]
id = "relayed"
subnet = "10.99.0.0/16"
ranges = ["10.99.1.0-10.99.100.255"]
)";

// Segments small enough that some rounds fill them, and snapshots on the way.
store::Journal::Options small_segments(io::Offload* offload) {
  store::Journal::Options options;
  options.segment_bytes = size_t{1} << 20;
  options.snapshot_after_bytes = size_t{256} << 10;
  options.offload = offload;
  return options;
}

class TurnAllocation : public ::testing::Test {
 protected:
  TurnAllocation() {
    auto loaded = config::load_text(kConfig, "house.toml");
    CHECK(loaded.config != nullptr, "the configuration is valid");
    auto started = server::Core::start({clock_, disk_, background_, port_, port_, log_, 1},
                                       loaded.config, small_segments(&offload_));
    CHECK(started.has_value(), "the server starts");
    core_ = std::move(*started);
    for (uint32_t n = 0; n < kClients; ++n) {
      Client client = client_of(n);
      client.relayed = n % 4 == 2;
      if (n % 3 == 1) client.client_id.assign(1 + n % 200, static_cast<uint8_t>(n));
      clients_.push_back(client);
    }
  }
  ~TurnAllocation() override {
    core_->stop();
    core_.reset();
    std::fclose(quiet_);
  }

  // Turns until nothing is left to do; only they are counted.
  void turns() {
    for (bool busy = true; busy;) {
      counting = counted_;
      busy = core_->turn();
      counting = false;
      while (background_.run_one()) busy = true;
    }
    take_replies();
  }
  void take_replies() {
    for (const auto& frame : wire_.take_sent()) {
      load::Reply reply;
      if (!load::read_reply(frame, false, reply).empty()) continue;
      const uint32_t number = reply.xid - 0x10000000;
      if (number >= clients_.size()) continue;
      Client& client = clients_[number];
      ++seen_[static_cast<size_t>(reply.type)];
      if (reply.type == load::MessageType::Offer) {
        client.offered = reply.yiaddr;
        client.offered_by = reply.server_id;
      } else if (reply.type == load::MessageType::Ack && reply.yiaddr) {
        client.bound = reply.yiaddr;
      }
    }
  }
  void all_say(Say what, double share = 1) {
    for (const Client& client : clients_) {
      if (!chance(random_, share)) continue;
      auto frame = make_frame(client, what, random_);
      if (!frame.empty()) wire_.client_sends(std::move(frame));
    }
    turns();
  }
  // The life of clients, and of those that mean no good.
  void round() {
    all_say(Say::Discover);
    all_say(Say::Select);
    all_say(Say::Renew);
    all_say(Say::Inform, 0.1);
    all_say(Say::RapidDiscover, 0.1);
    all_say(Say::InitReboot, 0.1);
    all_say(Say::SelectOther, 0.1);
    all_say(Say::ForeignRelease, 0.1);
    all_say(Say::Garbage);
    wrong_network();
    all_say(Say::Decline, 0.01);
    all_say(Say::Release, 0.5);
    clock_.pass(601 * kNsPerSecond);  // the others run out
    turns();
  }
  // INIT-REBOOT on another network: a NAK.
  void wrong_network() {
    for (const Client& client : clients_) {
      if (client.number % 5 != 0) continue;
      const Options options = {{option::kMessageType, {3}},
                               {option::kRequestedAddress, {192, 0, 2, 1}}};
      wire_.client_sends(make_frame(client, message(client, options), client.relayed));
    }
    turns();
  }

  static constexpr uint32_t kClients = 1500;
  SimClock clock_;
  Random random_{1};
  SimWire wire_{random_};
  OutsideWire port_{wire_};
  OutsideDisk disk_;
  OutsideBackground background_;
  SimOffload offload_;
  std::FILE* quiet_ = std::fopen("/dev/null", "w");
  Logger log_{quiet_, LogLevel::Error};
  std::unique_ptr<server::Core> core_;
  std::vector<Client> clients_;
  std::array<size_t, 9> seen_{};
  bool counted_ = false;
};

TEST_F(TurnAllocation, NoneOnceItIsWarm) {
  round();
  const auto warm = seen_;
  allocations = 0;
  counted_ = true;
  for (int i = 0; i < 3; ++i) round();
  EXPECT_LE(allocations, background_.counted_posts);
  if (HasFailure()) print_stacks();
  EXPECT_LT(background_.counted_posts, 100u);
  // All of it was there, and the counted rounds did it.
  for (auto type : {load::MessageType::Offer, load::MessageType::Ack, load::MessageType::Nak}) {
    EXPECT_GT(seen_[static_cast<size_t>(type)], warm[static_cast<size_t>(type)] + 500);
  }
  EXPECT_GT(core_->counters().leases_released.value(), 1000u);
  EXPECT_GT(core_->counters().leases_expired.value(), 1000u);
  EXPECT_GT(core_->journal().stats().snapshots, 0u);
}

// What no packet asked for: an operator's release, committed at once.
TEST_F(TurnAllocation, NoneInACommit) {
  all_say(Say::Discover);
  all_say(Say::Select);
  allocations = 0;
  size_t released = 0;
  for (const Client& client : clients_) {
    if (!client.bound) continue;
    counting = true;
    released += core_->release_lease(client.bound) ? 1 : 0;
    counting = false;
  }
  EXPECT_GT(released, kClients / 2);
  EXPECT_LE(allocations, background_.counted_posts);
  if (HasFailure()) print_stacks();
}

// The counting counts.
TEST_F(TurnAllocation, AnAllocationIsSeen) {
#ifdef HOOKLINE_SANITIZED
  GTEST_SKIP() << "a sanitizer has the allocator";
#endif
  allocations = 0;
  counting = true;
  ::operator delete(::operator new(1));
  ::operator delete (::operator new (1, std::align_val_t{64}), std::align_val_t{64});
  {
    Outside outside;
    ::operator delete(::operator new(1));
  }
  counting = false;
  EXPECT_EQ(allocations, 2u);
}

}  // namespace
}  // namespace hookline::sim
