// What every host promises, in this process and in another one (host.h).
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <stdexcept>

#include "callout/in_process_host.h"
#include "callout/isolated_host.h"
#include "callout/ring_server.h"
#include "callout/testing.h"
#include "callout/testing_helpers.h"
#include "io/linux/memory.h"

namespace hookline::callout {
namespace {

using testing::reset_scripts;
using testing::script;
using testing::script_table;

// Stands still unless a test moves it; hooks of the test move it, too.
class StillClock final : public io::Clock {
 public:
  io::ClockReading read() override { return {ns, 0}; }
  std::atomic<int64_t> ns = 1;
};

enum class Where { InProcess, Isolated };

class AnyHost : public ::testing::TestWithParam<Where> {
 protected:
  AnyHost() {
    reset_scripts();
    log_file_ = std::tmpfile();
    log_.emplace(log_file_, LogLevel::Debug);
    make(script_table(0));
    bytes_.assign(kPacketBytesMax, 0);
    for (size_t i = 0; i < 300; ++i) bytes_[i] = static_cast<uint8_t>(i);
  }
  ~AnyHost() override {
    host_.reset();
    std::fclose(log_file_);
    reset_scripts();
  }

  void make(DHCP_CALLOUT_TABLE table) {
    host_.reset();
    if (GetParam() == Where::InProcess) {
      host_ = std::make_unique<InProcessHost>(LoadedCallout{"mac.dll", "/mac.so", table, nullptr},
                                              InProcessHost::Options{.slots = 4}, clock_, memory_,
                                              *log_);
      return;
    }
    helpers_.emplace([this, table](io::HelperSide& side) {
      RingServer ring(side, clock_);
      HookRunner runner(table, 4, memory_, ring.watcher());
      ring.loaded(runner.hooks(), "/mac.so");
      ring.serve(runner);
    });
    IsolatedHost::Options options;
    options.name = "mac.dll";
    options.slots = 4;
    auto host =
        std::make_unique<IsolatedHost>(options, std::vector<uint8_t>{}, *helpers_, clock_, *log_);
    EXPECT_FALSE(host->begin_load().has_value());
    EXPECT_FALSE(host->finish_load(1'000'000'000).has_value());
    host_ = std::move(host);
  }
  // What nobody waits for may run later: now it has run, and is counted.
  void settle() {
    host_->turn_ended();
    if (GetParam() == Where::InProcess) return;
    while (!helpers_->last->is_idle()) std::this_thread::yield();
    clock_.ns += 10'000'000;
    host_->turn_ended();
  }
  Call packet_call(Hook hook, uint32_t slot = 1) {
    Call call;
    call.hook = hook;
    call.slot = slot;
    call.address = 0x0A4D0001;
    call.buffer = bytes_.data();
    call.size = 300;
    return call;
  }
  Call run(Call call) {
    host_->run({&call, 1});
    settle();
    return call;
  }
  uint64_t breaches(Hook hook, Breach what) const {
    return host_->stats().by_hook[static_cast<size_t>(hook)].breaches[static_cast<size_t>(what)];
  }
  std::string logged() const {
    std::fflush(log_file_);
    std::rewind(log_file_);
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), log_file_));
    return text;
  }

  std::FILE* log_file_;
  std::optional<Logger> log_;
  StillClock clock_;
  io::LinuxMemory memory_;
  std::vector<uint8_t> bytes_;
  std::optional<testing::ThreadHelpers> helpers_;
  std::unique_ptr<Host> host_;
};

TEST_P(AnyHost, NewPktGetsTheTrueBytesInItsOwnBuffer) {
  const uint8_t* seen = nullptr;
  script(0).new_packet = [&](LPBYTE* packet, DWORD* size, LPVOID* context, LPBOOL process_it) {
    seen = *packet;
    EXPECT_EQ(*size, 300u);
    EXPECT_EQ(*context, nullptr);
    EXPECT_EQ(*process_it, TRUE);
  };
  const Call call = run(packet_call(Hook::NewPkt));
  EXPECT_NE(seen, bytes_.data());
  EXPECT_TRUE(call.process_it);
  EXPECT_FALSE(call.changed);
  const testing::Event& event = script(0).events.at(0);
  EXPECT_TRUE(equal(event.bytes, Bytes(bytes_.data(), 300)));
  EXPECT_EQ(event.address, 0x0A4D0001u);
}

TEST_P(AnyHost, EditsInPlaceComeBackLongerAndShorter) {
  for (const DWORD size : {4096u, 301u, 300u, 1u}) {
    script(0).new_packet = [&](LPBYTE* packet, DWORD* at, LPVOID*, LPBOOL) {
      std::memset(*packet, 0x77, size);
      *at = size;
    };
    std::fill(bytes_.begin(), bytes_.end(), 0);
    const Call call = run(packet_call(Hook::NewPkt));
    EXPECT_TRUE(call.changed);
    EXPECT_EQ(call.size, size);
    EXPECT_EQ(std::count(bytes_.begin(), bytes_.begin() + size, 0x77), size);
    script(0).new_packet = nullptr;
  }
  EXPECT_EQ(host_->stats().edited, 4u);
}

TEST_P(AnyHost, ASwappedPointerIsCopiedAtOnce) {
  static std::vector<uint8_t> own;
  own.assign(500, 0x42);
  script(0).new_packet = [&](LPBYTE* packet, DWORD* size, LPVOID*, LPBOOL) {
    *packet = own.data();
    *size = 500;
  };
  Call call = run(packet_call(Hook::NewPkt));
  EXPECT_TRUE(call.changed);
  EXPECT_EQ(call.size, 500u);
  EXPECT_TRUE(equal(own, Bytes(bytes_.data(), 500)));
  // What it does to its buffer afterwards is its own business; later hooks get the server's slot.
  own.assign(500, 0x43);
  call = run(packet_call(Hook::PktDrop));
  EXPECT_EQ(script(0).events.back().bytes, std::vector<uint8_t>(500, 0x42));
}

TEST_P(AnyHost, APointerIntoItsOwnBufferIsASwapLikeAnother) {
  script(0).new_packet = [&](LPBYTE* packet, DWORD* size, LPVOID*, LPBOOL) {
    *packet += 10;
    *size = 200;
  };
  const std::vector<uint8_t> before = bytes_;
  const Call call = run(packet_call(Hook::NewPkt));
  EXPECT_EQ(call.size, 200u);
  EXPECT_TRUE(equal(Bytes(bytes_.data(), 200), Bytes(before).subspan(10, 200)));
}

TEST_P(AnyHost, NonsenseSizesAndPointersAreIgnored) {
  const std::vector<uint8_t> before = bytes_;
  for (const DWORD size : {0u, 4097u, 0xFFFFFFFFu}) {
    script(0).new_packet = [&](LPBYTE* packet, DWORD* at, LPVOID*, LPBOOL) {
      (*packet)[0] = 0xEE;
      *at = size;
    };
    const Call call = run(packet_call(Hook::NewPkt));
    EXPECT_FALSE(call.changed);
    EXPECT_TRUE(call.process_it);
    EXPECT_EQ(call.size, 300u);
  }
  for (uint8_t* nowhere : {static_cast<uint8_t*>(nullptr), reinterpret_cast<uint8_t*>(0x1000)}) {
    script(0).new_packet = [&](LPBYTE* packet, DWORD*, LPVOID*, LPBOOL) {
      (*packet)[0] = 0xEE;
      *packet = nowhere;
    };
    EXPECT_FALSE(run(packet_call(Hook::NewPkt)).changed);
  }
  EXPECT_EQ(bytes_, before);
  run(packet_call(Hook::PktDrop));
  EXPECT_TRUE(equal(script(0).events.back().bytes, Bytes(before.data(), 300)));
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::BadSize), 3u);
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::BadPointer), 2u);
  EXPECT_NE(logged().find("hook=DhcpNewPktHook"), std::string::npos) << logged();
}

TEST_P(AnyHost, ARefusalNeedsNoSize) {
  script(0).new_packet = [&](LPBYTE*, DWORD* size, LPVOID* context, LPBOOL process_it) {
    *size = 0;
    *context = this;
    *process_it = FALSE;
  };
  const Call call = run(packet_call(Hook::NewPkt));
  EXPECT_FALSE(call.process_it);
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::BadSize), 0u);
  run(packet_call(Hook::PktDrop));
  EXPECT_EQ(script(0).events.back().context, this);
  EXPECT_EQ(host_->stats().refused, 1u);
}

TEST_P(AnyHost, WhatAByValueHookScribblesIsItsOwnCopy) {
  run(packet_call(Hook::NewPkt));
  const std::vector<uint8_t> before = bytes_;
  LPBYTE given = nullptr;
  DHCP_CALLOUT_TABLE table = script_table(0);
  static LPBYTE scribbled;
  table.DhcpAddressOfferHook = [](LPBYTE packet, DWORD size, DWORD, DWORD, DWORD, DWORD, DWORD,
                                  LPVOID, LPVOID) -> DWORD {
    std::memset(packet, 0xFF, size);
    scribbled = packet;
    return 0;
  };
  make(table);
  run(packet_call(Hook::NewPkt));
  run(packet_call(Hook::AddressOffer));
  given = scribbled;
  EXPECT_NE(given, bytes_.data());
  EXPECT_EQ(bytes_, before);
}

TEST_P(AnyHost, WritesJustOutsideAreFound) {
  script(0).new_packet = [](LPBYTE* packet, DWORD*, LPVOID*, LPBOOL) { (*packet)[4096] = 1; };
  run(packet_call(Hook::NewPkt));
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::WroteOutside), 1u);
  script(0).new_packet = [](LPBYTE* packet, DWORD*, LPVOID*, LPBOOL) { (*packet)[-1] = 1; };
  run(packet_call(Hook::NewPkt));
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::WroteOutside), 2u);
  script(0).new_packet = nullptr;
  run(packet_call(Hook::NewPkt));
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::WroteOutside), 2u) << "the guards were laid again";
  script(0).send = [](LPBYTE* packet, DWORD*) { (*packet)[4096] = 1; };
  run(packet_call(Hook::PktSend));
  EXPECT_EQ(breaches(Hook::PktSend, Breach::WroteOutside), 1u);
}

TEST_P(AnyHost, PktSendEditsSwapsAndSuppresses) {
  run(packet_call(Hook::NewPkt));
  script(0).send = [](LPBYTE* packet, DWORD* size) { (*packet)[(*size)++] = 0x99; };
  Call call = run(packet_call(Hook::PktSend));
  EXPECT_TRUE(call.changed);
  EXPECT_EQ(call.size, 301u);
  EXPECT_EQ(bytes_[300], 0x99);
  script(0).send = [](LPBYTE*, DWORD* size) { *size = 0; };
  call = run(packet_call(Hook::PktSend));
  EXPECT_TRUE(call.changed);
  EXPECT_EQ(call.size, 0u);
  script(0).send = [](LPBYTE* packet, DWORD* size) { *packet = nullptr, *size = 5000; };
  call = run(packet_call(Hook::PktSend));
  EXPECT_FALSE(call.changed);
  EXPECT_EQ(call.size, 300u);
  const HostStats stats = host_->stats();
  EXPECT_EQ(stats.suppressed, 1u);
  EXPECT_EQ(stats.edited, 1u);
}

TEST_P(AnyHost, AnExceptionIsCaughtLoggedOnceAndCounted) {
  script(0).any = [](testing::Event&) { throw std::runtime_error("bad idea"); };
  script(0).new_packet = nullptr;
  const std::vector<uint8_t> before = bytes_;
  EXPECT_TRUE(run(packet_call(Hook::NewPkt)).process_it);
  run(packet_call(Hook::AddressDel));
  script(0).any = [](testing::Event&) { throw 7; };
  run(packet_call(Hook::PktSend));
  run(packet_call(Hook::PktDrop));
  run({});
  EXPECT_EQ(bytes_, before);
  EXPECT_EQ(breaches(Hook::NewPkt, Breach::Exception), 1u);
  EXPECT_EQ(breaches(Hook::AddressDel, Breach::Exception), 1u);
  EXPECT_EQ(breaches(Hook::PktSend, Breach::Exception), 1u);
  EXPECT_EQ(breaches(Hook::PktDrop, Breach::Exception), 1u);
  EXPECT_EQ(breaches(Hook::Control, Breach::Exception), 1u);
  const std::string text = logged();
  EXPECT_EQ(text.find("1031"), text.rfind("1031")) << text;
  EXPECT_NE(text.find("bad idea"), std::string::npos) << text;
}

// What a hook did before it threw counts as not done.
TEST_P(AnyHost, AThrowingNewPktChangesNothing) {
  script(0).new_packet = [&](LPBYTE* packet, DWORD* size, LPVOID* context, LPBOOL process_it) {
    (*packet)[0] = 0xEE;
    *size = 100;
    *context = this;
    *process_it = FALSE;
    throw std::runtime_error("late");
  };
  const Call call = run(packet_call(Hook::NewPkt));
  EXPECT_TRUE(call.process_it);
  EXPECT_FALSE(call.changed);
  run(packet_call(Hook::PktDrop));
  EXPECT_EQ(script(0).events.back().context, nullptr);
  EXPECT_EQ(script(0).events.back().bytes.size(), 300u);
  EXPECT_EQ(script(0).events.back().bytes[0], 0);
}

TEST_P(AnyHost, ContextsBelongToSlots) {
  int first = 0, second = 0;
  void* next = &first;
  script(0).new_packet = [&](LPBYTE*, DWORD*, LPVOID* context, LPBOOL) { *context = next; };
  run(packet_call(Hook::NewPkt, 0));
  next = &second;
  run(packet_call(Hook::NewPkt, 3));
  run(packet_call(Hook::AddressOffer, 0));
  EXPECT_EQ(script(0).events.back().context, &first);
  run(packet_call(Hook::AddressOffer, 3));
  EXPECT_EQ(script(0).events.back().context, &second);
}

TEST_P(AnyHost, ARefreshedCallBringsTheServersBytes) {
  run(packet_call(Hook::NewPkt));
  bytes_[5] = 0xAB;
  Call call = packet_call(Hook::AddressDel);
  call.refresh = true;
  call.size = 299;
  run(call);
  EXPECT_EQ(script(0).events.back().bytes.size(), 299u);
  EXPECT_EQ(script(0).events.back().bytes[5], 0xAB);
}

TEST_P(AnyHost, DeleteClientHasRoomForSixteenBytes) {
  Call call;
  call.hook = Hook::DeleteClient;
  call.address = 0x0A4D0007;
  call.hardware.fill(7);
  call.hardware_size = 16;
  run(call);
  EXPECT_EQ(script(0).events.back().address, 0x0A4D0007u);
  EXPECT_EQ(script(0).events.back().bytes, std::vector<uint8_t>(16, 7));
}

TEST_P(AnyHost, OnlyTheHooksThatAreSetAreCalled) {
  DHCP_CALLOUT_TABLE table{};
  table.DhcpPktDropHook = script_table(0).DhcpPktDropHook;
  // Reserved ones are never called: these would crash.
  table.DhcpExtensionHook = table.DhcpReservedHook = reinterpret_cast<LPVOID>(8);
  make(table);
  EXPECT_EQ(host_->hooks(), hook_bit(Hook::PktDrop));
  for (size_t i = 0; i < kHookCount; ++i) {
    if (static_cast<Hook>(i) != Hook::HandleOptions) run(packet_call(static_cast<Hook>(i)));
  }
  EXPECT_EQ(script(0).texts(), std::vector<std::string>{"Drop ?"});
}

TEST_P(AnyHost, TimesAndSlowCallsAreCounted) {
  script(0).new_packet = [&](LPBYTE*, DWORD*, LPVOID*, LPBOOL) { clock_.ns += 2'000'000; };
  script(0).send = [&](LPBYTE*, DWORD*) { clock_.ns += 1000; };
  std::array calls = {packet_call(Hook::NewPkt), packet_call(Hook::PktSend),
                      packet_call(Hook::PktSend)};
  host_->run(calls);
  settle();
  const HostStats stats = host_->stats();
  const HookStats& slow = stats.by_hook[static_cast<size_t>(Hook::NewPkt)];
  EXPECT_EQ(slow.calls, 1u);
  EXPECT_EQ(slow.slow, 1u);
  EXPECT_EQ(slow.max_ns, 2'000'000u);
  EXPECT_EQ(slow.p99_ns, 2'000'000u);
  const HookStats& send = stats.by_hook[static_cast<size_t>(Hook::PktSend)];
  EXPECT_EQ(send.calls, 2u);
  EXPECT_EQ(send.total_ns, 2000u);
  EXPECT_EQ(send.slow, 0u);
  EXPECT_NE(logged().find("slow"), std::string::npos);
}

TEST_P(AnyHost, ItLogsOnceASecond) {
  script(0).new_packet = [&](LPBYTE*, DWORD* size, LPVOID*, LPBOOL) { *size = 0; };
  for (int i = 0; i < 50; ++i) run(packet_call(Hook::NewPkt));
  clock_.ns += 1'000'000'001;
  run(packet_call(Hook::NewPkt));
  const std::string text = logged();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_NE(text.find("lines_left_out=49"), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(Host, AnyHost, ::testing::Values(Where::InProcess, Where::Isolated),
                         [](const auto& info) {
                           return info.param == Where::InProcess ? "InProcess" : "Isolated";
                         });

TEST(HookTimes, PercentilesAreWithinABucket) {
  HookTimes times;
  EXPECT_EQ(times.percentile_ns(500), 0u);
  for (int64_t ns = 1; ns <= 1000; ++ns) times.add(ns);
  EXPECT_EQ(times.count(), 1000u);
  EXPECT_NEAR(static_cast<double>(times.percentile_ns(500)), 500, 63);
  EXPECT_NEAR(static_cast<double>(times.percentile_ns(990)), 990, 124);
  EXPECT_EQ(times.max_ns(), 1000u);
  times.add(int64_t{1} << 50);
  EXPECT_EQ(times.percentile_ns(1000), (uint64_t{1} << 38) - 1) << "the last bucket's end";
  times.add(-5);
  EXPECT_EQ(times.count(), 1002u);
}

}  // namespace
}  // namespace hookline::callout
