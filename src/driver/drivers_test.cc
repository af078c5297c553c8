// Drivers into a running engine and out of it again, right and wrong ones.
#include "driver/drivers.h"

#include <filesystem>
#include <fstream>

#include "driver/status.h"
#include "driver/testing.h"

namespace hookline::driver {
namespace {

using namespace testing;
using std::chrono::milliseconds;

uint32_t load_le(const uint8_t* bytes) {
  uint32_t number = 0;
  for (int i = 3; i >= 0; --i) number = number << 8 | bytes[i];
  return number;
}

constexpr uint32_t code(uint32_t function) { return 0x12u << 16 | function << 2; }
constexpr uint32_t kCount = code(0x800);
constexpr uint32_t kEcho = code(0x801);
constexpr uint32_t kNever = code(0x802);
constexpr uint32_t kInjectLocked = code(0x803);
constexpr uint32_t kLacking = code(0x804);

TEST(Drivers, LoadsSeesTrafficAndIsUnloadedUnderIt) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
  b.classify(50);
  const auto count = b.control("modes", kCount);
  ASSERT_TRUE(count) << count.error().text;
  EXPECT_EQ(count->status, 0u);
  ASSERT_EQ(count->data.size(), 4u);
  EXPECT_GE(load_le(count->data.data()), 40u);
  const filter::Report report = b.engine.report();
  ASSERT_EQ(report.callouts.size(), 1u);
  const std::vector<DriverReport> drivers = b.drivers.report();
  ASSERT_EQ(drivers.size(), 1u);
  EXPECT_EQ(report.callouts[0].device, drivers[0].device);
  EXPECT_EQ(drivers[0].state, State::Running);
  EXPECT_EQ(drivers[0].devices, std::vector<std::string>{"\\Device\\Modes"});
  b.drivers.unload_all();
  b.classify(10);
  EXPECT_TRUE(b.engine.report().callouts.empty());
  EXPECT_TRUE(b.drivers.report().empty());
  EXPECT_FALSE(b.drivers.any_left());
  EXPECT_FALSE(b.out.has("broke a rule")) << b.out.text();
  EXPECT_FALSE(b.out.has("classify at")) << "classifyFn is called at DISPATCH_LEVEL";
}

TEST(Drivers, ManyTimesUnderTraffic) {
  Bench b;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
    b.classify(3);
    b.drivers.unload_all();
  }
  EXPECT_FALSE(b.out.has("broke a rule")) << b.out.text();
}

// --- wrong files -------------------------------------------------------------------------------

std::string why_not(const std::string& path) {
  Bench b;
  FilterDriver driver;
  driver.path = path;
  driver.name = "wrong";
  const std::string why = b.why_not(driver);
  EXPECT_TRUE(b.drivers.report().size() == 1 && b.drivers.report()[0].state == State::Gone);
  EXPECT_EQ(b.drivers.missing().size(), 1u);
  EXPECT_FALSE(b.drivers.any_left());
  return why;
}

TEST(Drivers, WrongFilesAreNamed) {
  EXPECT_NE(why_not("/nowhere/x.so").find("No such file"), std::string::npos);
  EXPECT_NE(why_not(kFiles + "/text.so").find("not a library"), std::string::npos);
  EXPECT_NE(why_not(kFiles).find("not a regular file"), std::string::npos);
  EXPECT_NE(why_not(kFiles + "/callout.so").find("it is a DHCP callout"), std::string::npos);
  EXPECT_NE(why_not(kFiles + "/nothing.so").find("exports no hookline_driver_attach"),
            std::string::npos);
  EXPECT_NE(why_not(kFiles + "/newer.so").find("another version of the SDK"), std::string::npos);
  EXPECT_NE(why_not(kFiles + "/half.so").find("exports no hookline_driver_locks_held"),
            std::string::npos);
}

TEST(Drivers, AnotherMachinesLibrary) {
  std::ifstream in(kFiles + "/modes.so", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  bytes[18] = 0x28;  // e_machine: ARM
  const std::string path = ::testing::TempDir() + "arm.so";
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_NE(why_not(path).find("ARM"), std::string::npos) << why_not(path);
  std::filesystem::remove(path);
}

TEST(Drivers, WhatAFailingDriverEntryMadeIsTakenBackAndReported) {
  Bench b;
  const std::string why = b.why_not(Bench::modes("fail", "\\Device\\Modes"));
  EXPECT_NE(why.find("DriverEntry failed: STATUS_DEVICE_CONFIGURATION_ERROR (0xC0000182)"),
            std::string::npos)
      << why;
  EXPECT_TRUE(b.out.has("left 1 registered callout; removed")) << b.out.text();
  EXPECT_TRUE(b.out.has("left 1 open session; removed"));
  EXPECT_TRUE(b.out.has("left 1 filter; removed"));
  EXPECT_TRUE(b.engine.report().filters.empty());
  EXPECT_TRUE(b.engine.report().callouts.empty());
  EXPECT_FALSE(b.drivers.any_left());
  b.classify(5);
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "") << "it can be loaded again";
}

TEST(Drivers, WhatADriverLeavesIsRemovedAndReported) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("leave", "\\Device\\Modes")), "");
  b.classify(5);
  b.drivers.unload_all();
  for (const char* what :
       {"left 1 registered callout; removed", "left 1 open session; removed",
        "left 1 filter; removed", "left 2 sublayer or callout objects; removed"}) {
    EXPECT_TRUE(b.out.has(what)) << what << "\n" << b.out.text();
  }
  EXPECT_TRUE(b.engine.report().callouts.empty());
  EXPECT_TRUE(b.injections.report().handles.empty()) << "its injection handle";
  EXPECT_FALSE(b.drivers.any_left());
  b.classify(5);
}

TEST(Drivers, OneThatIsNotRequiredIsPassedOver) {
  Bench b;
  FilterDriver missing;
  missing.path = "/nowhere/x.so";
  missing.name = "x";
  missing.required = false;
  EXPECT_TRUE(b.drivers.start(Bench::config({missing, Bench::modes("")})));
  EXPECT_EQ(b.drivers.report().size(), 2u);
  missing.required = true;
  b.drivers.unload_all();
  const auto refused = b.drivers.start(Bench::config({missing, Bench::modes("")}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text.find("driver x: /nowhere/x.so: "), 0u) << refused.error().text;
  EXPECT_TRUE(b.engine.report().callouts.empty()) << "nothing is loaded after it";
}

TEST(Drivers, AFileIsInMemoryOnce) {
  Bench b;
  FilterDriver again = Bench::modes("");
  again.name = "again";
  const auto started = b.drivers.start(Bench::config({Bench::modes(""), again}));
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().text.find("in memory already"), std::string::npos);
  EXPECT_EQ(b.engine.report().callouts.size(), 1u) << "the first one is unharmed";
}

// --- deadlines -----------------------------------------------------------------------------------

TEST(Drivers, ADriverEntryThatHangsCostsAnErrorAndEndsByItself) {
  Options options;
  options.start_wait = milliseconds(50);
  Bench b(options);
  const std::string why = b.why_not(Bench::modes("slow-start", "", 1000));
  EXPECT_NE(why.find("DriverEntry did not return within"), std::string::npos) << why;
  EXPECT_TRUE(b.drivers.any_left());
  ASSERT_FALSE(b.drivers.report().empty());
  EXPECT_EQ(b.drivers.report()[0].state, State::Hanging);
  EXPECT_TRUE(Bench::comes_true([&] { return !b.drivers.any_left(); })) << b.out.text();
  EXPECT_TRUE(b.out.has("returned from DriverEntry at last")) << b.out.text();
  EXPECT_TRUE(b.engine.report().callouts.empty());
}

TEST(Drivers, AThreadThatDoesNotEndKeepsTheFileInMemory) {
  Options options;
  options.unload_wait = milliseconds(3000);
  Bench b(options);
  const FilterDriver driver = Bench::modes("thread", "", 60'000, "modes_stuck");
  ASSERT_EQ(b.why_not(driver), "");
  b.drivers.unload_all();
  ASSERT_EQ(b.drivers.report().size(), 1u);
  EXPECT_EQ(b.drivers.report()[0].state, State::Stuck);
  EXPECT_NE(b.drivers.report()[0].why.find("1 thread of it did not end"), std::string::npos)
      << b.drivers.report()[0].why;
  EXPECT_TRUE(b.drivers.any_left());
  EXPECT_TRUE(b.engine.report().callouts.empty()) << "it sees no packet any more";
  EXPECT_NE(b.why_not(driver).find("in memory already"), std::string::npos);
}

// --- rules that are broken -----------------------------------------------------------------------

TEST(Drivers, ALockHeldAcrossAReturnIsNamed) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("lock")), "");
  b.classify(20);
  EXPECT_TRUE(b.out.has("in=classifyFn what=\"returned while it holds 1 spin lock\""))
      << b.out.text();
  EXPECT_GE(b.drivers.report()[0].breaches, 1u);
}

TEST(Drivers, ALevelThatIsNotPutBackIsNamedAndNotLoggedWithoutEnd) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("lower")), "");
  b.classify(200);
  EXPECT_TRUE(b.out.has("returned at PASSIVE_LEVEL; it was called at DISPATCH_LEVEL"))
      << b.out.text();
  EXPECT_GE(b.drivers.report()[0].breaches, 150u);
  size_t lines = 0;
  const std::string text = b.out.text();
  for (size_t at = 0; (at = text.find("broke a rule", at)) != std::string::npos; ++at) ++lines;
  EXPECT_LT(lines, 25u);
}

TEST(Drivers, ALockHeldAcrossAnInjectionIsNamed) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
  const auto answer = b.control("modes", kInjectLocked);
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->status, 0u);
  EXPECT_TRUE(b.out.has("FwpsInjectMacSendAsync0")) << b.out.text();
  EXPECT_TRUE(b.out.has("spin lock held: a completion may ask for the same")) << b.out.text();
}

TEST(Drivers, WhatIsNotThereYetSaysSoOnce) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
  const auto answer = b.control("modes", kLacking);
  ASSERT_TRUE(answer);
  EXPECT_EQ(status_text(answer->status), "STATUS_NOT_SUPPORTED (0xC00000BB)");
  const std::string text = b.out.text();
  const std::string_view line = "function=FwpsAcquireWritableLayerDataPointer0";
  const size_t first = text.find(line);
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find(line, first + 1), std::string::npos);
}

// Those that change what a layer shows: redirection is no server's.
TEST(Drivers, OnlyChangedLayerDataAreLacking) {
  EXPECT_EQ(lacking_functions(),
            (std::vector<std::string_view>{"FwpsAcquireWritableLayerDataPointer0",
                                           "FwpsApplyModifiedLayerData0"}));
}

// --- control devices -----------------------------------------------------------------------------

TEST(Drivers, AControlDeviceByAllItsNames) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("", "\\DosDevices\\Modes")), "");
  for (const char* name : {"modes", "MODES", "\\\\.\\Modes", "\\??\\modes", "\\DosDevices\\Modes",
                           "\\DosDevices\\Global\\Modes"}) {
    const auto answer = b.control(name, kEcho, {1, 2, 3});
    ASSERT_TRUE(answer) << name << ": " << answer.error().text;
    EXPECT_EQ(answer->data, (std::vector<uint8_t>{1, 2, 3}));
  }
  EXPECT_EQ(b.control("\\Device\\Modes", kEcho).error().kind, ErrorKind::Missing);
  const auto wrong = b.control("modes", 1);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(status_text(wrong->status), "STATUS_INVALID_DEVICE_REQUEST (0xC0000010)");
}

TEST(Drivers, ADriverWithoutADevice) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("")), "");
  const auto answer = b.control("modes", kEcho);
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text.find("has no control device"), std::string::npos);
}

TEST(Drivers, TwoDriversCannotHaveOneDevice) {
  Bench b;
  const auto started = b.drivers.start(Bench::config(
      {Bench::modes("", "\\Device\\Both"), Bench::modes("", "\\device\\both", 0, "modes_two")}));
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().text.find("STATUS_OBJECT_NAME_COLLISION"), std::string::npos);
  EXPECT_TRUE(b.out.has("another device has this name"));
  EXPECT_TRUE(b.control("\\Device\\Both", kEcho, {7})) << "the first one is unharmed";
}

TEST(Drivers, ARequestThatIsNotCompletedIsBoundedAndCancelledByTheUnload) {
  Options options;
  options.control_wait = milliseconds(20);
  Bench b(options);
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
  const auto answer = b.control("modes", kNever);
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text.find("has not completed the request"), std::string::npos);
  EXPECT_TRUE(b.drivers.any_left());
  b.drivers.unload_all();
  EXPECT_TRUE(b.drivers.report().empty()) << b.out.text();
  EXPECT_TRUE(Bench::comes_true([&] { return !b.drivers.any_left(); }));
}

TEST(Drivers, RequestsAreBounded) {
  Bench b;
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
  std::vector<uint64_t> calls;
  for (size_t i = 0; i < kControlCallsMax; ++i) {
    const auto call = b.drivers.control_open("modes", kNever, {});
    ASSERT_TRUE(call);
    calls.push_back(*call);
  }
  EXPECT_EQ(b.drivers.control_open("modes", kNever, {}).error().kind, ErrorKind::Busy);
  EXPECT_EQ(b.drivers.control_open("modes", kEcho, std::vector<uint8_t>(kControlBytesMax + 1))
                .error()
                .kind,
            ErrorKind::Invalid);
  b.drivers.unload_all();
  for (const uint64_t call : calls) {
    EXPECT_TRUE(Bench::comes_true([&] { return b.drivers.control_next(call).has_value(); }));
    const auto answer = b.drivers.control_next(call);
    if (*answer) {
      EXPECT_EQ(status_text((*answer)->status), "STATUS_CANCELLED (0xC0000120)");
    }
    b.drivers.control_close(call);
  }
  ASSERT_EQ(b.why_not(Bench::modes("", "\\Device\\Modes")), "");
  EXPECT_TRUE(b.control("modes", kEcho, {1})) << "there is room again";
}

// --- reload --------------------------------------------------------------------------------------

using Lines = std::vector<std::string>;

TEST(Drivers, AReloadChangesWhatChanged) {
  Bench b;
  const FilterDriver one = Bench::modes("", "\\Device\\One");
  const FilterDriver two = Bench::modes("", "\\Device\\Two", 0, "modes_two");
  ASSERT_TRUE(b.drivers.start(Bench::config({one})));
  EXPECT_EQ(b.drivers.apply(Bench::config({one})), Lines{});
  EXPECT_EQ(b.drivers.apply(Bench::config({one, two})), Lines{"driver modes_two loaded"});
  FilterDriver other = Bench::modes("", "\\Device\\Other");
  EXPECT_EQ(b.drivers.apply(Bench::config({other, two})),
            (Lines{"driver modes unloaded", "driver modes loaded"}));
  EXPECT_FALSE(b.control("\\Device\\One", kEcho, {1}));
  EXPECT_TRUE(b.control("\\Device\\Other", kEcho, {1}));
  EXPECT_EQ(b.drivers.apply(Bench::config({other})), Lines{"driver modes_two unloaded"});
  EXPECT_EQ(b.drivers.reload(), (Lines{"driver modes unloaded", "driver modes loaded"}));
  FilterDriver bad = Bench::modes("fail", "", 0, "modes_two");
  const Lines failed = b.drivers.apply(Bench::config({other, bad}));
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_NE(failed[0].find("driver modes_two not loaded: "), std::string::npos);
  EXPECT_EQ(b.drivers.missing().size(), 1u);
  EXPECT_TRUE(b.control("\\Device\\Other", kEcho, {1})) << "the others go on";
}

}  // namespace
}  // namespace hookline::driver
