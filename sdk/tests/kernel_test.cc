// The kernel services of drivers: what they do, and which breaches they report.

#include <atomic>
#include <cstring>
#include <thread>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "driver_kit.h"
#include "drivers/sample_codes.h"

namespace sdk {
namespace {

using KernelCase = const char* (*)(int, const char**);
using BreachCase = int (*)(const char*);
using Plain = void (*)();

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

// What it allocates may be lost.
void without_leak_check(Plain function) {
#if defined(__SANITIZE_ADDRESS__)
  __lsan_disable();
  function();
  __lsan_enable();
#else
  function();
#endif
}

// Runs every case of a driver; how many there were.
int run_cases(const LoadedDriver& driver) {
  const auto run = driver.function<KernelCase>("KernelCase");
  int cases = 0;
  for (const char* name = nullptr;; ++cases) {
    const char* wrong = run(cases, &name);
    if (name == nullptr) {
      return cases;
    }
    EXPECT_STREQ(wrong, nullptr) << name;
  }
}

TEST(Kernel, EachServiceDoesWhatItSays) {
  DriverHost host;
  LoadedDriver driver("driver_kernel.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  EXPECT_EQ(run_cases(driver), 18);
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
  EXPECT_TRUE(host.logged("z\u00e4hler=42 (ansi, wide, 123456789abc)"));
  EXPECT_TRUE(host.logged("1 bad 1"));
  EXPECT_TRUE(host.logged("checked 1"));
  EXPECT_TRUE(
      host.logged("entered with \\Registry\\Machine\\System\\CurrentControlSet\\Services\\tested"));
  EXPECT_TRUE(host.logged("unloaded \\Driver\\tested"));
}

TEST(Kernel, ReleaseDriversRunTheSame) {
  DriverHost host;
  LoadedDriver driver("driver_kernel_release.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  EXPECT_EQ(run_cases(driver), 18);
  EXPECT_FALSE(host.logged("checked 0"));
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
}

TEST(Kernel, TheFrameworkDoesWhatItSays) {
  DriverHost host;
  host.set_dword("Number", 0xFFFFFFFEU);
  host.set_text("t\u00e4xt", u"a\u00e4z");
  LoadedDriver driver("driver_framework.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  EXPECT_EQ(run_cases(driver), 6);
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
}

struct Expected {
  const char* name;
  const char* breach;
};

constexpr Expected kBreaches[] = {
    {"WaitAtDispatch", "KeWaitForSingleObject: called at DISPATCH_LEVEL; at most APC_LEVEL"},
    {"WaitWithLock", "KeWaitForSingleObject: waits while a spin lock is held"},
    {"WaitForNothing", "KeWaitForSingleObject: waits for what is no initialized"},
    {"DelayAtDispatch", "KeDelayExecutionThread: called at DISPATCH_LEVEL"},
    {"LockTwice", "KeAcquireSpinLock: this thread holds the spin lock already"},
    {"ReleaseForeign", "KeReleaseSpinLock: this thread does not hold the spin lock"},
    {"DpcLockAtPassive", "KeAcquireSpinLockAtDpcLevel: called below DISPATCH_LEVEL"},
    {"LowerWithLock", "KeLowerIrql: to PASSIVE_LEVEL while a spin lock is held"},
    {"RaiseDown", "KeRaiseIrql: raises the level from DISPATCH_LEVEL to APC_LEVEL"},
    {"FreeTwice", "is no pool block, or was freed already"},
    {"FreeWrongTag", "has the tag 'Brch', not 'Oher': not freed"},
    {"PagedAtDispatch", "ExAllocatePoolWithTag: called at DISPATCH_LEVEL; at most APC_LEVEL"},
    {"NoTag", "ExAllocatePool2: the tag is 0"},
    {"ThreadAtDispatch", "ZwClose: called at DISPATCH_LEVEL; at most PASSIVE_LEVEL"},
    {"WorkKeepsLevel", "a work item's routine: returned at DISPATCH_LEVEL"},
    {"QueueTwice", "IoQueueWorkItem: the work item is queued already"},
    {"StaleHandle", "WdfRequestComplete: 0x1230 is no handle, or its object is gone"},
    {"Assertion", "ASSERT: breaches.c:"},
    {"SemaphoreLimit", "KeReleaseSemaphore: 1 more than 1 goes above the limit 1"},
    {"DeadLookaside", "ExDeleteLookasideListEx: 1 entry was not returned to the list"},
    {"PagedCode", "PagedCode: called at DISPATCH_LEVEL; at most APC_LEVEL"},
};

TEST(Kernel, BreachesAreReportedByName) {
  for (const Expected& expected : kBreaches) {
    DriverHost host;
    LoadedDriver driver("driver_breaches.so", &host);
    ASSERT_EQ(driver.start(), 0U);
    ASSERT_EQ(driver.function<BreachCase>("BreachCase")(expected.name), 1) << expected.name;
    EXPECT_EQ(driver.unload(), 0U);
    EXPECT_TRUE(host.breached(expected.breach)) << expected.name << "\n" << all(host.breaches());
  }
}

TEST(Kernel, LeaksAreReportedAtUnload) {
  DriverHost host;
  LoadedDriver driver("driver_breaches.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  without_leak_check(driver.function<Plain>("Leak"));
  EXPECT_EQ(all(host.breaches()), "");
  EXPECT_EQ(driver.unload(), 0U);
  for (const char* part :
       {"ExAllocatePool: leak: tag 'Brch', 2 blocks, 128 bytes",
        "ExAllocatePool: leak: tag '2Two', 1 block, 7 bytes", "IoAllocateMdl: 1 MDL was not freed",
        "IoAllocateWorkItem: 1 work item was not freed",
        "ExInitializeLookasideListEx: 1 list was not deleted", "KeSetTimer: 1 timer was not",
        "ZwClose: 1 thread handle was not closed"}) {
    EXPECT_TRUE(host.breached(part)) << part << "\n" << all(host.breaches());
  }
}

TEST(Kernel, AThreadThatDoesNotEndKeepsTheLibraryLoaded) {
  DriverHost host;
  LoadedDriver driver("driver_breaches.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  driver.function<Plain>("StartStubborn")();
  EXPECT_EQ(driver.unload(), 1U);
  EXPECT_TRUE(
      host.breached("PsCreateSystemThread: 1 system thread still ran after the unload "
                    "routine, and did not end"));
  driver.function<Plain>("EndStubborn")();
  EXPECT_EQ(driver.unload(), 0U);
}

TEST(Kernel, TimersFollowTheHostsClockExactly) {
  DriverHost host;
  LoadedDriver driver("driver_kernel.so", &host);
  static std::atomic<uint64_t> now{1'800'000'000'000'000'000U};
  const uint64_t begin = now;
  driver.function<HooklineDriverSetClock>(HOOKLINE_DRIVER_SET_CLOCK_SYMBOL)(
      [](void* clock) { return static_cast<std::atomic<uint64_t>*>(clock)->load(); }, &now);
  const auto changed =
      driver.function<HooklineDriverClockChanged>(HOOKLINE_DRIVER_CLOCK_CHANGED_SYMBOL);
  ASSERT_EQ(driver.start(), 0U);
  driver.function<void (*)(int32_t, int32_t)>("ClockStart")(5, 3);
  for (int ms = 1; ms <= 12; ++ms) {
    now += 1'000'000;
    changed();
  }
  now += 6'000'000;  // two periods at once: both run, both at the later time
  changed();
  long long times[64];
  ASSERT_EQ(driver.function<int32_t (*)(long long*)>("ClockStop")(times), 5);
  const long long start = static_cast<long long>(begin / 100);
  const long long expected[] = {5, 8, 11, 18, 18};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ((times[i] - start) / 10000, expected[i]) << i;
  }
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
}

// --- the sample driver ---

uint32_t read_u32(const std::string& bytes) {
  uint32_t value = 0;
  if (bytes.size() == 4) {
    std::memcpy(&value, bytes.data(), 4);
  }
  return value;
}

TEST(Sample, ReadsItsParametersCountsAndAnswers) {
  DriverHost host;
  host.set_dword("intervalms", 2);
  host.set_text("Greeting", u"h\u00e9llo");
  LoadedDriver driver("driver_sample.so", &host);
  ASSERT_EQ(driver.start(), 0U) << all(host.breaches());
  EXPECT_EQ(all(host.devices()), "0 \\Device\\Sample\n0 \\DosDevices\\Sample\n");
  std::string out(64, '\0');
  EXPECT_EQ(driver.control(0, kSampleParameters, "", &out), 0U);
  EXPECT_EQ(out, "h\u00e9llo/2");
  out.assign(16, '\0');
  EXPECT_EQ(driver.control(0, kSampleEcho, "abcd", &out), 0U);
  EXPECT_EQ(out, "abcd");
  out.assign(2, '\0');
  EXPECT_EQ(driver.control(0, kSampleEcho, "abcd", &out), 0xC0000023U);  // BUFFER_TOO_SMALL
  EXPECT_EQ(out, "");
  EXPECT_EQ(driver.control(0, 0x12345678, "", &out), 0xC0000010U);       // INVALID_DEVICE_REQUEST
  EXPECT_EQ(driver.control(7, kSampleEcho, "abcd", &out), 0xC000000EU);  // NO_SUCH_DEVICE
  uint32_t ticks = 0;
  while (ticks < 3) {
    out.assign(4, '\0');
    ASSERT_EQ(driver.control(0, kSampleCount, "", &out), 0U);
    ticks = read_u32(out);
  }
  out.assign(4, '\0');
  EXPECT_EQ(driver.control(0, kSampleLater, "", &out), 0U);  // by timer and work item
  EXPECT_EQ(read_u32(out), 0x600DU);
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
  EXPECT_TRUE(host.logged("sample: cleaned up"));
  EXPECT_EQ(host.devices().back(), "gone 0");
}

TEST(Sample, ManyCallersAreServedOneAfterTheOther) {
  DriverHost host;
  LoadedDriver driver("driver_sample.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        std::string out(4, '\0');
        const uint32_t code = round % 10 == 0 ? kSampleLater : kSampleEcho;
        good += driver.control(0, code, "1234", &out) == 0 && out.size() == 4 ? 1 : 0;
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(good, 200);
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
}

TEST(Sample, ARequestThatNobodyCompletesIsCancelledAtUnload) {
  DriverHost host;
  LoadedDriver driver("driver_sample.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  std::atomic<uint32_t> status{1};
  std::atomic<bool> asked{false};
  std::thread caller([&] {
    std::string out(4, '\0');
    asked = true;
    status = driver.control(0, kSampleNever, "", &out);
  });
  while (!asked) {
    std::this_thread::yield();
  }
  EXPECT_EQ(driver.unload(), 0U);
  caller.join();
  EXPECT_EQ(status, 0xC0000120U);  // STATUS_CANCELLED
  std::string out;
  EXPECT_EQ(driver.control(0, kSampleCount, "", &out), 0xC0000120U);
}

TEST(Sample, ARequestEndsOnceAndWithinItsBuffer) {
  DriverHost host;
  LoadedDriver driver("driver_sample.so", &host);
  ASSERT_EQ(driver.start(), 0U);
  std::string out(4, '\0');
  EXPECT_EQ(driver.control(0, kSampleTwice, "", &out), 0U);
  EXPECT_TRUE(host.breached("WdfRequestComplete: the request was completed already"));
  out.assign(4, '\0');
  EXPECT_EQ(driver.control(0, kSampleTooMuch, "", &out), 0U);
  EXPECT_EQ(out.size(), 4U);
  EXPECT_TRUE(host.breached("WdfRequestComplete: 5 bytes of information"));
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(host.breaches().size(), 2U);
}

TEST(Sample, FailsWhenANameIsTakenOrAParameterIsOfAnotherType) {
  for (const char* name : {"\\Device\\Sample", "\\DosDevices\\Sample"}) {
    DriverHost host;
    host.take_name(name);
    LoadedDriver driver("driver_sample.so", &host);
    EXPECT_EQ(driver.start(), 0xC0000035U);  // STATUS_OBJECT_NAME_COLLISION
    EXPECT_EQ(driver.unload(), 0U);
    EXPECT_EQ(all(host.breaches()), "") << name;
    EXPECT_FALSE(host.logged("sample: unloading"));
  }
  DriverHost host;
  host.set_text("IntervalMs", u"often");
  LoadedDriver driver("driver_sample.so", &host);
  EXPECT_EQ(driver.start(), 0xC0000024U);  // STATUS_OBJECT_TYPE_MISMATCH
  EXPECT_EQ(driver.unload(), 0U);
  EXPECT_EQ(all(host.breaches()), "");
}

TEST(Sample, EachAllocationMayFail) {
  uint64_t wanted = 0;
  {
    DriverHost host;
    LoadedDriver driver("driver_sample.so", &host);
    const auto fail =
        driver.function<HooklineDriverFailAllocation>(HOOKLINE_DRIVER_FAIL_ALLOCATION_SYMBOL);
    ASSERT_EQ(driver.start(), 0U);
    wanted = fail(0);
  }
  ASSERT_GT(wanted, 5U);
  for (uint64_t n = 1; n <= wanted; ++n) {
    DriverHost host;
    LoadedDriver driver("driver_sample.so", &host);
    driver.function<HooklineDriverFailAllocation>(HOOKLINE_DRIVER_FAIL_ALLOCATION_SYMBOL)(n);
    EXPECT_EQ(driver.start(), 0xC000009AU) << n;  // STATUS_INSUFFICIENT_RESOURCES
    EXPECT_EQ(driver.unload(), 0U);
    EXPECT_EQ(all(host.breaches()), "") << n;
  }
}

}  // namespace
}  // namespace sdk
