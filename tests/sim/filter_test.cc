// The filter in a whole server in a simulated world: rules by a virtual clock, a reload of them,
// and a driver that is loaded and unloaded between turns.
#include <gtest/gtest.h>

#include <atomic>

#include "driver/drivers.h"
#include "house.h"
#include "io/linux/library.h"

namespace hookline::sim {
namespace {

const std::string kBase =
    "[server]\ninterfaces = [\"eth0\"]\n[[scope]]\nid = \"a\"\nsubnet = \"10.77.0.0/16\"\n"
    "ranges = [\"10.77.1.0-10.77.9.254\"]\n";

std::shared_ptr<const Config> config_of(const std::string& more) {
  const config::Loaded loaded = config::load_text(kBase + more, "filter.toml");
  EXPECT_TRUE(loaded.errors.empty()) << config::format(loaded.errors.front());
  return loaded.config;
}

uint64_t blocked(House& house) { return house.dropped(Drop::BlockedByFilter); }

void discover(House& house, uint32_t client) {
  house.say(client_of(client), {{option::kMessageType, {1}}});
}

TEST(FilterRules, ALimitByTheVirtualClock) {
  const std::string text =
      kBase + "[[filter.rule]]\naction = \"limit\"\nrate = \"1/s\"\nburst = 2\nper = \"mac\"\n";
  House house(text.c_str());
  const auto say_five = [&] {
    for (int i = 0; i < 5; ++i) {
      discover(house, 1);
      house.run();
    }
  };
  say_five();
  EXPECT_EQ(blocked(house), 3u);
  discover(house, 2);
  house.run();
  EXPECT_EQ(blocked(house), 3u) << "another sender has a rate of its own";
  house.pass(1);
  say_five();
  EXPECT_EQ(blocked(house), 7u) << "one more a second";
  EXPECT_EQ(house.core->packets_in_flight(), 0u);
  const Counters& counters = house.core->counters();
  EXPECT_EQ(counters.packets_entered.value(), 11u);
  EXPECT_EQ(counters.packets_completed.value() + blocked(house), 11u) << "counters add up";
}

TEST(FilterRules, AReloadReplacesThem) {
  House house(kBase.c_str());
  discover(house, 1);
  house.run();
  EXPECT_EQ(house.replies().size(), 1u);
  ASSERT_TRUE(house.core->reconfigure(config_of("[[filter.rule]]\naction = \"block\"\n")));
  const uint64_t trace = *house.core->traces().open("any");
  discover(house, 2);
  house.run();
  std::string line;
  ASSERT_TRUE(house.core->traces().next(trace, line));
  EXPECT_NE(line.find("dropped  a filter blocked it: rule 1"), std::string::npos) << line;
  house.core->traces().close(trace);
  EXPECT_EQ(house.replies().size(), 0u);
  EXPECT_EQ(blocked(house), 1u);
  const uint64_t before = house.core->filters().report().filters.size();
  ASSERT_TRUE(house.core->reconfigure(config_of("[[filter.rule]]\naction = \"block\"\n")));
  discover(house, 2);
  house.run();
  EXPECT_EQ(house.core->filters().report().filters.size(), before);
  EXPECT_EQ(house.core->filters().report().filters[0].hits, 2u)
      << "the same rules stay, with their counts and rates";
  ASSERT_TRUE(house.core->reconfigure(config_of("")));
  discover(house, 3);
  house.run();
  EXPECT_EQ(house.replies().size(), 1u);
}

TEST(FilterRules, WhatGoesOutIsBlockedToo) {
  const std::string text = kBase +
                           "[[filter.rule]]\naction = \"block\"\nlayer = \"outbound-transport\"\n"
                           "when = { remote-port = 68 }\n";
  House house(text.c_str());
  discover(house, 1);
  house.run();
  EXPECT_EQ(house.replies().size(), 0u);
  EXPECT_EQ(house.core->counters().send_failures.value(), 1u);
  EXPECT_EQ(house.core->packets_in_flight(), 0u);
}

// The server in a world where drivers live by the virtual clock, too.
struct DriverHouse {
  explicit DriverHouse(const std::string& text) : config(config_of(text)) {
    driver::Options options;
    options.clock = [](void* self) -> uint64_t {
      return static_cast<DriverHouse*>(self)->now_ns.load();
    };
    options.clock_context = this;
    options.while_waiting = [this] { core->turn(); };
    drivers.emplace(libraries, log, options);
    auto started = server::Core::start(
        {clock, disk, background, wire, wire, log, 1, nullptr, &*drivers}, config);
    EXPECT_TRUE(started) << started.error().text;
    core = std::move(*started);
    drivers->connect({core->filters(), core->lists(), core->injections()});
    auto loaded = drivers->start(config->filter);
    EXPECT_TRUE(loaded) << loaded.error().text;
  }
  ~DriverHouse() {
    drivers->unload_all();
    core->stop();
    core.reset();
    std::fclose(quiet);
  }
  void say(uint32_t client) {
    wire.client_sends(make_frame(client_of(client),
                                 message(client_of(client), {{option::kMessageType, {1}}}), false));
    while (core->turn()) {
    }
  }
  uint64_t blocked() const {
    return core->counters().drops[static_cast<size_t>(Drop::BlockedByFilter)].value();
  }

  std::shared_ptr<const Config> config;
  std::FILE* quiet = std::fopen("/dev/null", "w");
  Logger log{quiet, LogLevel::Error};
  io::LinuxLibraries libraries;
  SimClock clock;
  std::atomic<uint64_t> now_ns{1'700'000'000'000'000'000};
  Random random{1};
  SimWire wire{random};
  SimDisk disk{1};
  SimBackground background;
  std::optional<driver::Drivers> drivers;
  std::unique_ptr<server::Core> core;
};

TEST(FilterDrivers, OneThatBlocksIsUnloadedBetweenTurns) {
  DriverHouse house("[[filter.driver]]\npath = \"" DRIVER_FILES
                    "/modes.so\"\n[filter.driver.parameters]\nMode = \"block\"\n");
  house.say(1);
  EXPECT_EQ(house.blocked(), 1u);
  EXPECT_EQ(house.wire.take_sent().size(), 0u);
  ASSERT_EQ(house.core->filters().report().callouts.size(), 1u);
  EXPECT_EQ(house.core->filters().report().callouts[0].blocked, 1u);
  house.drivers->unload_all();
  house.say(2);
  EXPECT_EQ(house.blocked(), 1u);
  EXPECT_EQ(house.wire.take_sent().size(), 1u);
  EXPECT_FALSE(house.drivers->any_left());
}

}  // namespace
}  // namespace hookline::sim
