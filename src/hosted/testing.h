// Callouts of tests/zoo in real helper processes, driven packet by packet. Included by test files
// only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "callout/isolated_host.h"
#include "callout/loader.h"
#include "io/linux/clock.h"
#include "io/linux/helpers.h"
#include "io/linux/library.h"
#include "io/linux/memory.h"
#include "zoo/zoo.h"

namespace hookline::callout::testing {

inline constexpr size_t kSlots = 64;
inline constexpr uint32_t kRequestBytes = 300;

class HostedTest : public ::testing::Test {
 protected:
  // The references outlive it. `zoo`: the callout's file.
  HostedTest(io::LinuxHelpers& helpers, const std::string& zoo) : helpers_(helpers) {
    log_file_ = std::tmpfile();
    log_.emplace(log_file_, LogLevel::Debug);
    config_.enabled = true;
    config_.chaining = CalloutChaining::ByServer;
    config_.names = {zoo};
    config_.dir = "/nowhere";
    config_.warn_slower_ns = 0;
    config_.hosting.budget_ns = 2'000'000'000;  // the machine may be busy
    config_.hosting.restart_first_ns = 1'000'000;
    config_.hosting.faults_max = 1000;
  }
  ~HostedTest() override {
    host_.reset();
    if (HasFailure()) std::fputs(logged().c_str(), stderr);
    std::fclose(log_file_);
  }

  Host& load() {
    Loader::Loaded loaded = loader().load(config_);
    EXPECT_EQ(loaded.failures, std::vector<std::string>{});
    host_ = loaded.hosts.empty() ? nullptr : std::move(loaded.hosts.front());
    if (host_ == nullptr) throw std::runtime_error("not loaded");
    control(Control::Start);
    return *host_;
  }
  Loader& loader() {
    loader_.emplace(libraries_, clock_, memory_, *log_, kSlots, &helpers_);
    return *loader_;
  }
  void set_value(const std::string& name, std::vector<uint8_t> data) {
    data.resize(4);
    config_.registry.push_back({"", name, 4, data});
  }

  // A packet of the client 02:5a:hook:act or 02:5b:what, in its slot.
  struct Sent {
    std::vector<uint8_t> bytes;
    Call call;
  };
  Sent packet(Hook hook, uint32_t slot, int kind, int third, int fourth = 0) {
    Sent sent;
    sent.bytes.assign(kPacketBytesMax, 0);
    const int hardware[] = {2, kind, third, fourth, 0, 1};
    for (int i = 0; i < 6; ++i) sent.bytes[28 + i] = static_cast<uint8_t>(hardware[i]);
    sent.call.hook = hook;
    sent.call.slot = slot;
    sent.call.address = 0x0A4D0001;
    sent.call.buffer = sent.bytes.data();
    sent.call.size = kRequestBytes;
    return sent;
  }
  Call run(Sent& sent) {
    host_->run({&sent.call, 1});
    return sent.call;
  }
  void control(Control code) {
    Call call;
    call.code = static_cast<uint32_t>(code);
    host_->run({&call, 1});
  }
  void end(uint32_t slot) {
    Call call;
    call.hook = Hook::PktDrop;
    call.slot = slot;
    call.code = kDropProcessed;
    host_->run({&call, 1});
  }
  // Every hook of one packet whose client wants `act` done in `hook`; after it all is well again.
  void whole_packet(uint32_t slot, int hook, int act) {
    Sent request = packet(Hook::NewPkt, slot, 0x5a, hook, act);
    run(request);
    ServerOptions options;
    for (const Hook one : {Hook::HandleOptions, Hook::AddressDel, Hook::AddressOffer}) {
      Call call;
      call.hook = one;
      call.slot = slot;
      if (one == Hook::HandleOptions) call.options = &options;
      host_->run({&call, 1});
    }
    Call gone;
    gone.hook = Hook::DeleteClient;
    std::copy_n(request.bytes.begin() + 28, 6, gone.hardware.begin());
    gone.hardware_size = 6;
    host_->run({&gone, 1});
    Sent reply = packet(Hook::PktSend, slot, 0x5a, hook, act);
    run(reply);
    end(slot);
    host_->turn_ended();
  }
  template <class Condition>
  bool wait_for(Condition condition) {
    for (int i = 0; i < 3000; ++i) {
      host_->turn_ended();
      if (condition()) return true;
      timespec moment{0, 5'000'000};
      ::nanosleep(&moment, nullptr);
    }
    return false;
  }
  bool serves_again() {
    return wait_for([&] { return host_->stats().state == "serving" && !is_lost(); });
  }
  // Serving says only that nobody has noticed yet.
  bool is_lost() {
    Sent sent = packet(Hook::NewPkt, 60, 0x5b, ZOO_EDIT);
    const bool edited = run(sent).changed;
    end(60);
    return !edited;
  }
  std::string logged() const {
    std::fflush(log_file_);
    std::rewind(log_file_);
    std::string text(1 << 22, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), log_file_));
    return text;
  }
  bool logged(std::string_view part) const { return logged().find(part) != std::string::npos; }

  // What holds of every host whose callout runs in a process of its own.
  void check_answers_come_back() {
    Host& host = load();
    EXPECT_EQ(host.hooks(), 0xFF);
    Sent edited = packet(Hook::NewPkt, 1, 0x5b, ZOO_EDIT);
    const Call call = run(edited);
    EXPECT_TRUE(call.changed);
    EXPECT_TRUE(call.process_it);
    EXPECT_EQ(call.size, kRequestBytes + 1);
    EXPECT_EQ(edited.bytes[10], 0x77);
    EXPECT_EQ(edited.bytes[kRequestBytes], 0x55);
    Sent refused = packet(Hook::NewPkt, 2, 0x5b, ZOO_REFUSE);
    EXPECT_FALSE(run(refused).process_it);
    Sent mute = packet(Hook::PktSend, 1, 0x5b, ZOO_MUTE);
    EXPECT_EQ(run(mute).size, 0u);
    end(1);
    end(2);
    const HostStats stats = host.stats();
    EXPECT_EQ(stats.refused, 1u);
    EXPECT_EQ(stats.edited, 1u);
    EXPECT_EQ(stats.suppressed, 1u);
    EXPECT_EQ(stats.contexts, 2u);
    EXPECT_EQ(stats.faults, 0u);
    EXPECT_EQ(stats.by_hook[1].calls, 2u);
    EXPECT_EQ(stats.state, "serving");
  }
  void check_a_batch() {
    load();
    std::vector<Sent> sent;
    std::vector<Call> calls;
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      sent.push_back(packet(Hook::NewPkt, slot, 0x5b, slot % 2 == 0 ? ZOO_EDIT : ZOO_REFUSE));
    }
    for (Sent& one : sent) calls.push_back(one.call);
    host_->run(calls);
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      EXPECT_EQ(calls[slot].changed, slot % 2 == 0);
      EXPECT_EQ(calls[slot].process_it, slot % 2 == 0);
      end(slot);
    }
  }
  void check_pointers_stay_good() {
    load();
    Sent kept = packet(Hook::NewPkt, 5, 0x5b, ZOO_KEEP);
    run(kept);
    for (uint32_t slot = 6; slot < 30; ++slot) {
      Sent other = packet(Hook::NewPkt, slot, 0x5b, 0);
      run(other);
      end(slot);
    }
    end(5);
    EXPECT_TRUE(wait_for([&] { return logged("kept until PROCESSED"); }));
    EXPECT_FALSE(logged("is wrong"));
  }
  void check_breaches_are_told() {
    load();
    Sent huge = packet(Hook::NewPkt, 1, 0x5b, ZOO_HUGE);
    EXPECT_FALSE(run(huge).changed);
    end(1);
    EXPECT_EQ(host_->stats().by_hook[1].breaches[0], 1u);
    EXPECT_TRUE(logged("set PacketSize to 5000"));
  }
  void check_start_and_stop() {
    load();
    control(Control::Stop);
    host_.reset();
    const std::string text = logged();
    EXPECT_LT(text.find("text=START"), text.find("text=STOP"));
    EXPECT_NE(text.find("text=STOP"), std::string::npos);
    EXPECT_EQ(text.find("event=1031"), std::string::npos);
  }

  io::LinuxHelpers& helpers_;
  std::FILE* log_file_;
  std::optional<Logger> log_;
  io::LinuxClock clock_;
  io::LinuxLibraries libraries_;
  io::LinuxMemory memory_;
  CalloutConfig config_;
  std::optional<Loader> loader_;
  std::unique_ptr<Host> host_;
};

}  // namespace hookline::callout::testing
