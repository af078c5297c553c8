// Random traffic through callouts that do random things, and what must hold all the same
// (invariant 5): per packet and callout NewPkt first, one PROCESSED last, Send or a reason but not
// both, the context intact, nothing outside START and STOP.
#include <cstring>
#include <map>
#include <stdexcept>

#include "scripted_house.h"
#include "simulation.h"

namespace hookline::sim {
namespace {

using callout::Hook;

// Looks over one script's shoulder, from one START to its STOP.
class Watcher {
 public:
  Watcher(int number, uint64_t seed, double mischief)
      : number_(number), mischief_(mischief), random_(seed) {}

  void install() {
    Script& s = script(number_);
    s.any = [this](Event& event) { watch(event); };
    s.new_packet = [this](LPBYTE* p, DWORD* n, LPVOID* c, LPBOOL b) { new_packet(p, n, c, b); };
    s.send = [this](LPBYTE* p, DWORD* n) { send(p, n); };
  }

  std::string violation;
  size_t packets = 0, mischiefs = 0;

 private:
  struct State {
    bool sent = false, reason = false;
    std::vector<uint8_t> request;
  };

  void violate(const Event& event, const std::string& why) {
    if (violation.empty()) violation = fmt::format("script {}: {}: {}", number_, event.text(), why);
  }

  void watch(Event& event) {
    script(number_).events.clear();
    if (event.hook == Hook::Control) return control(event);
    if (!started_) violate(event, "outside START and STOP");
    if (event.hook == Hook::DeleteClient) {
      if (event.bytes.size() > 16) violate(event, "a hardware address of more than 16 bytes");
      return;
    }
    if (event.bytes.empty() || event.bytes.size() > kPacketBytesMax) violate(event, "bad size");
    if (event.hook == Hook::NewPkt) {
      if (event.context != nullptr) violate(event, "with a context");
      return;
    }
    if (event.context == nullptr) return without_context(event);
    const auto found = inside_.find(event.context);
    if (found == inside_.end()) return violate(event, "a context that is not inside");
    follow(event, found->second);
    if (event.hook == Hook::PktDrop && event.code == DHCP_DROP_PROCESSED) inside_.erase(found);
  }

  void follow(const Event& event, State& state) {
    const bool over = state.sent || state.reason;
    if (event.hook == Hook::PktSend) {
      if (over) violate(event, "after a Send or a reason");
      state.sent = true;
    } else if (event.hook != Hook::PktDrop) {
      if (over) violate(event, "after a Send or a reason");
    } else if (event.code != DHCP_DROP_PROCESSED) {
      if (over) violate(event, "after a Send or a reason");
      state.reason = true;
    }
  }

  // Of packets whose NewPkt threw: they can't be told apart, but counted.
  void without_context(const Event& event) {
    if (nameless_ == 0) violate(event, "without a context");
    if (event.hook == Hook::PktDrop && event.code == DHCP_DROP_PROCESSED) --nameless_;
  }

  void control(const Event& event) {
    const bool starts = event.code == DHCP_CONTROL_START;
    if (starts && started_) violate(event, "twice");
    if (!starts && !started_) violate(event, "before START");
    if (event.code == DHCP_CONTROL_STOP && (!inside_.empty() || nameless_ != 0)) {
      violate(event, fmt::format("{} packets without PROCESSED", inside_.size() + nameless_));
    }
    started_ = event.code != DHCP_CONTROL_STOP;
  }

  void new_packet(LPBYTE* packet, DWORD* size, LPVOID* context, LPBOOL process_it) {
    ++packets;
    *context = reinterpret_cast<LPVOID>(++next_);
    inside_.emplace(*context, State{});
    if (!chance(random_, mischief_)) return;
    ++mischiefs;
    switch (below(random_, 7)) {
      case 0:
        *process_it = FALSE;
        break;
      case 1:
        *size = chance(random_, 0.5) ? 0 : 4097 + static_cast<DWORD>(below(random_, 1u << 31));
        break;
      case 2:
        *packet = reinterpret_cast<LPBYTE>(below(random_, 4096));
        break;
      case 3:  // the same bytes, somewhere else, and then no more
        own_.assign(*packet, *packet + *size);
        *packet = own_.data();
        break;
      case 4:  // longer, by zeros behind the end option
        if (*size + 100 <= 4096) {
          std::memset(*packet + *size, 0, 100);
          *size += 100;
        }
        break;
      case 5:
        (*packet)[8] ^= 1;  // secs
        break;
      case 6:
        inside_.erase(*context);
        ++nameless_;
        throw std::runtime_error("from NewPkt");
    }
  }

  void send(LPBYTE* packet, DWORD* size) {
    if (!chance(random_, mischief_)) return;
    ++mischiefs;
    switch (below(random_, 5)) {
      case 0:
        *size = 0;
        break;
      case 1:
        *size = 5000;
        break;
      case 2:
        *packet = nullptr;
        break;
      case 3:
        own_.assign(*packet, *packet + *size);
        own_[8] ^= 1;  // secs
        *packet = own_.data();
        break;
      case 4:
        throw 7;
    }
  }

  int number_;
  double mischief_;
  Random random_;
  bool started_ = false;
  uintptr_t next_ = 0;
  size_t nameless_ = 0;
  std::map<void*, State> inside_;
  std::vector<uint8_t> own_;
};

void expect_sound(uint64_t seed, double mischief) {
  reset_scripts();
  constexpr int kScripts = 3;
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int n = 0; n < kScripts; ++n) {
    watchers.push_back(std::make_unique<Watcher>(n, seed * kScripts + n, mischief));
    watchers.back()->install();
  }
  io::LinuxMemory memory;
  std::FILE* quiet = std::fopen("/dev/null", "w");
  Logger log(quiet, LogLevel::Error);
  // Squatters only without mischief: a client whose OFFER is suppressed asks again, which extends
  // the offer beyond what the probe before it is good for.
  Plan plan{.seed = seed, .turns = 600, .squatters = mischief == 0};
  plan.make_callouts = [&](io::Clock& clock, Logger&) {
    callout::Hosts hosts;
    for (int n = 0; n < kScripts; ++n) {
      hosts.push_back(std::make_unique<callout::InProcessHost>(
          callout::LoadedCallout{"random", "", callout::testing::script_table(n), nullptr},
          callout::InProcessHost::Options{}, clock, memory, log));
    }
    return hosts;
  };
  const Outcome outcome = simulate(plan);
  EXPECT_EQ(outcome.violation, "") << "HOOKLINE_SIM_SEED=" << seed << " reproduces it";
  EXPECT_GT(outcome.acks, 20u) << "seed " << seed;
  for (const auto& watcher : watchers) {
    EXPECT_EQ(watcher->violation, "") << "HOOKLINE_SIM_SEED=" << seed << " reproduces it";
    EXPECT_GT(watcher->packets, 1000u);
    EXPECT_EQ(watcher->mischiefs != 0, mischief != 0);
  }
  std::fclose(quiet);
  reset_scripts();
}

TEST(ContractRandom, WellBehaved) {
  for (uint64_t seed = 1; seed <= 3; ++seed) expect_sound(seed, 0);
}

TEST(ContractRandom, FixedSeeds) {
  for (uint64_t seed = 1; seed <= 6; ++seed) expect_sound(seed, 0.1);
}

// HOOKLINE_SIM_SEED picks one.
TEST(ContractRandom, FreshSeed) {
  const char* one = std::getenv("HOOKLINE_SIM_SEED");
  const uint64_t seed = one != nullptr ? std::strtoull(one, nullptr, 10) : std::random_device()();
  fmt::print("seed {}\n", seed);
  expect_sound(seed, 0.15);
}

}  // namespace
}  // namespace hookline::sim
