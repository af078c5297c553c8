// Every call of the filter engine, from a driver built by hookline-cc to a host that writes down
// what arrives; and the text functions of addresses.

#include <arpa/inet.h>
#include <dlfcn.h>
#include <hookline/driver_entry.h>
#include <hookline/driver_host.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace {

// What the engine was asked: the function's name and its arguments as numbers.
struct Call {
  std::string name;
  std::vector<uint64_t> arguments;
  bool operator==(const Call& other) const = default;
};

std::ostream& operator<<(std::ostream& out, const Call& call) {
  out << call.name << "(";
  for (uint64_t argument : call.arguments) {
    out << " " << argument;
  }
  return out << " )";
}

template <typename T>
uint64_t number(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<uint64_t>(value);
  } else {
    return static_cast<uint64_t>(value);
  }
}

template <typename T>
T value_of(uint64_t n) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<T>(n);
  } else {
    return static_cast<T>(n);
  }
}

// A server whose engine does nothing but write down.
struct Host {
  HooklineDriverHost table{};
  std::vector<Call> calls;
  std::vector<std::string> lines;
  std::vector<std::string> breaches;

  Host() {
    table.size = sizeof table;
    table.context = this;
    table.name = "calls";
    table.log = [](void* self, uint32_t, const char* text) { of(self)->lines.emplace_back(text); };
    table.breach = [](void* self, const char* function, const char* text) {
      of(self)->breaches.push_back(std::string(function) + ": " + text);
    };
#define HOOKLINE_FWP_VALUE(type, fallback, irql, name, parameters, arguments) \
  table.name = [](void* self, HOOKLINE_FWP_UNPACK parameters) -> type {       \
    of(self)->take(#name, HOOKLINE_FWP_UNPACK arguments);                     \
    return value_of<type>(kAnswer);                                           \
  };
#define HOOKLINE_FWP_STATUS(irql, name, parameters, arguments) \
  HOOKLINE_FWP_VALUE(NTSTATUS, 0, irql, name, parameters, arguments)
#define HOOKLINE_FWP_VOID(irql, name, parameters, arguments)    \
  table.name = [](void* self, HOOKLINE_FWP_UNPACK parameters) { \
    of(self)->take(#name, HOOKLINE_FWP_UNPACK arguments);       \
  };
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, name) \
  table.name = [](void* self) -> type {                           \
    of(self)->take(#name);                                        \
    return value_of<type>(kAnswer);                               \
  };
#include <hookline/fwp_calls.def>
#undef HOOKLINE_FWP_STATUS
#undef HOOKLINE_FWP_VOID
#undef HOOKLINE_FWP_VALUE
#undef HOOKLINE_FWP_VALUE_OF_NOTHING
  }

  static constexpr uint64_t kAnswer = 3;

  static Host* of(void* self) { return static_cast<Host*>(self); }

  template <typename... Arguments>
  void take(const char* name, Arguments... arguments) {
    calls.push_back(Call{name, {number(arguments)...}});
  }
};

// The driver, attached to a host. Loaded once for the process: its own state is what it told.
class Driver {
 public:
  explicit Driver(Host* host, const std::string& name = "driver_calls")
      : library_(dlopen((SDK_CALLOUTS "/" + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) {
      ADD_FAILURE() << dlerror();
      std::abort();
    }
    EXPECT_EQ(function<HooklineDriverAttach>(HOOKLINE_DRIVER_ATTACH_SYMBOL)(&host->table), 0U);
  }
  ~Driver() {
    function<HooklineDriverAttach>(HOOKLINE_DRIVER_ATTACH_SYMBOL)(nullptr);
    dlclose(library_);
  }
  Driver(const Driver&) = delete;

  template <typename Function>
  Function function(const std::string& name) const {
    auto found = reinterpret_cast<Function>(dlsym(library_, name.c_str()));
    EXPECT_NE(found, nullptr) << name;
    return found;
  }

 private:
  void* library_;
};

// Calls the driver's NAME with a different number for each argument; what the host should have got.
template <typename Result, typename... Arguments, size_t... Index>
Call call_with_numbers(const Driver& driver, const char* name, Result (*)(void*, Arguments...),
                       uint64_t* result, std::index_sequence<Index...> /*each*/) {
  const auto where = driver.function<void* (*)()>(std::string("address_of_") + name);
  const auto function = reinterpret_cast<Result (*)(Arguments...)>(where());
  const std::tuple<Arguments...> arguments{value_of<Arguments>(Index + 2)...};
  if constexpr (std::is_void_v<Result>) {
    std::apply(function, arguments);
    *result = Host::kAnswer;
  } else {
    *result = number(std::apply(function, arguments));
  }
  return Call{name, {number(std::get<Index>(arguments))...}};
}

template <typename Result, typename... Arguments>
Call call_with_numbers(const Driver& driver, const char* name, Result (*type)(void*, Arguments...),
                       uint64_t* result) {
  return call_with_numbers(driver, name, type, result, std::index_sequence_for<Arguments...>());
}

struct Expected {
  Call call;
  uint64_t result;
  uint64_t result_without_engine;
  bool passive;
};

std::vector<Expected> call_all(const Driver& driver) {
  std::vector<Expected> made;
  const HooklineDriverHost types{};
  uint64_t result = 0;
#define MADE(name, otherwise, irql)                                                     \
  {                                                                                     \
    const Call call = call_with_numbers(driver, #name, types.name, &result);            \
    made.push_back(Expected{call, result, number(otherwise), (irql) == PASSIVE_LEVEL}); \
  }
#define HOOKLINE_FWP_STATUS(irql, name, parameters, arguments) \
  MADE(name, STATUS_NOT_IMPLEMENTED, irql)
#define HOOKLINE_FWP_VOID(irql, name, parameters, arguments) MADE(name, Host::kAnswer, irql)
#define HOOKLINE_FWP_VALUE(type, fallback, irql, name, parameters, arguments) \
  MADE(name, static_cast<type>(fallback), irql)
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, name) MADE(name, fallback, irql)
#include <hookline/fwp_calls.def>
#undef HOOKLINE_FWP_STATUS
#undef HOOKLINE_FWP_VOID
#undef HOOKLINE_FWP_VALUE
#undef HOOKLINE_FWP_VALUE_OF_NOTHING
  return made;
}

TEST(DriverCalls, EachReachesTheEngineWithItsArguments) {
  Host host;
  const Driver driver(&host);
  const std::vector<Expected> made = call_all(driver);
  EXPECT_GT(made.size(), 60U);
  ASSERT_EQ(host.calls.size(), made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    EXPECT_EQ(host.calls[i], made[i].call);
    EXPECT_EQ(made[i].result, Host::kAnswer) << made[i].call;
  }
  EXPECT_TRUE(host.breaches.empty());
  EXPECT_TRUE(host.lines.empty());
}

TEST(DriverCalls, AnOlderHostHasNoneAndIsTold) {
  Host host;
  host.table.size = offsetof(HooklineDriverHost, FwpmBfeStateGet0);
  const Driver driver(&host);
  for (int again = 0; again < 2; ++again) {
    for (const Expected& made : call_all(driver)) {
      EXPECT_EQ(made.result, made.result_without_engine) << made.call;
      EXPECT_EQ(std::count_if(host.lines.begin(), host.lines.end(),
                              [&](const std::string& line) {
                                return line.rfind(made.call.name + ":", 0) == 0;
                              }),
                1)
          << made.call;
    }
  }
  EXPECT_TRUE(host.calls.empty());
}

TEST(DriverCalls, AHostMayLeaveOneOut) {
  Host host;
  host.table.FwpsFlowAbort0 = nullptr;
  host.table.size = offsetof(HooklineDriverHost, FwpsStreamInjectAsync0);
  const Driver driver(&host);
  const size_t made = call_all(driver).size();
  EXPECT_LT(host.calls.size(), made);
  EXPECT_EQ(host.calls.size() + host.lines.size(), made);
  EXPECT_EQ(host.calls.back().name, "FwpsFlowRemoveContext0");
}

TEST(DriverCalls, TheLevelIsChecked) {
  Host host;
  const Driver driver(&host);
  auto set_irql = driver.function<HooklineDriverSetIrql>(HOOKLINE_DRIVER_SET_IRQL_SYMBOL);
  const uint8_t before = set_irql(DISPATCH_LEVEL);
  const std::vector<Expected> made = call_all(driver);
  set_irql(before);
  size_t at = 0;
  for (const Expected& one : made) {
    if (one.passive) {
      ASSERT_LT(at, host.breaches.size());
      EXPECT_EQ(host.breaches[at++].rfind(one.call.name + ": ", 0), 0U) << host.breaches[at - 1];
    }
  }
  EXPECT_EQ(at, host.breaches.size());
  EXPECT_EQ(host.calls.size(), made.size()) << "a breach is reported, and the call is made";
}

TEST(DriverCalls, InjectionWithALockHeldIsABreach) {
  Host host;
  const Driver driver(&host);
  driver.function<NTSTATUS (*)(NET_BUFFER_LIST*)>("inject_with_lock")(nullptr);
  ASSERT_EQ(host.breaches.size(), 1U);
  EXPECT_EQ(host.breaches[0].rfind("FwpsInjectMacSendAsync0: ", 0), 0U) << host.breaches[0];
  EXPECT_EQ(host.calls.size(), 1U);
}

TEST(DriverCalls, AttachRefusesWhatIsNoHost) {
  Host host;
  const Driver driver(&host);
  HooklineDriverHost tiny{};
  tiny.size = 8;
  EXPECT_EQ(driver.function<HooklineDriverAttach>(HOOKLINE_DRIVER_ATTACH_SYMBOL)(&tiny), 87U);
}

// --- a whole driver ---

std::vector<std::string> names(const std::vector<Call>& calls) {
  std::vector<std::string> found;
  found.reserve(calls.size());
  for (const Call& call : calls) {
    found.push_back(call.name);
  }
  return found;
}

FWPS_CALLOUT3 registered;

TEST(MinimalDriver, RegistersAndTakesBack) {
  Host host;
  host.table.FwpsCalloutRegister3 = [](void* self, void*, const FWPS_CALLOUT3* callout,
                                       UINT32* id) -> NTSTATUS {
    Host::of(self)->take("FwpsCalloutRegister3");
    registered = *callout;
    *id = 77;
    return STATUS_SUCCESS;
  };
  host.table.FwpmFilterAdd0 = [](void* self, HANDLE, const FWPM_FILTER0* filter,
                                 PSECURITY_DESCRIPTOR, UINT64*) -> NTSTATUS {
    Host::of(self)->take("FwpmFilterAdd0");
    EXPECT_EQ(std::memcmp(&filter->layerKey, &FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, 16), 0);
    EXPECT_EQ(std::memcmp(&filter->action.calloutKey, &registered.calloutKey, 16), 0);
    EXPECT_EQ(std::u16string(filter->displayData.name), u"minimal");
    EXPECT_EQ(filter->numFilterConditions, 1U);
    EXPECT_EQ(std::memcmp(&filter->filterCondition[0].fieldKey, &FWPM_CONDITION_ETHER_TYPE, 16), 0);
    EXPECT_EQ(filter->filterCondition[0].conditionValue.uint16, 0x0800);
    return STATUS_SUCCESS;
  };
  const Driver driver(&host, "driver_minimal");
  EXPECT_EQ(driver.function<HooklineDriverStart>(HOOKLINE_DRIVER_START_SYMBOL)(), 0U);
  EXPECT_EQ(names(host.calls), (std::vector<std::string>{"FwpsCalloutRegister3", "FwpmEngineOpen0",
                                                         "FwpmCalloutAdd0", "FwpmFilterAdd0"}));
  EXPECT_EQ(registered.calloutKey.Data1, 0x5f1b2a0cU);
  host.calls.clear();
  EXPECT_EQ(driver.function<HooklineDriverUnload>(HOOKLINE_DRIVER_UNLOAD_SYMBOL)(), 0U);
  EXPECT_EQ(names(host.calls),
            (std::vector<std::string>{"FwpmEngineClose0", "FwpsCalloutUnregisterById0"}));
  EXPECT_EQ(host.calls.back().arguments, std::vector<uint64_t>{77});
  EXPECT_TRUE(host.breaches.empty());
}

TEST(MinimalDriver, ClassifiesThroughTheSameStructures) {
  Host host;
  host.table.FwpsCalloutRegister3 = [](void*, void*, const FWPS_CALLOUT3* callout,
                                       UINT32*) -> NTSTATUS {
    registered = *callout;
    return STATUS_SUCCESS;
  };
  const Driver driver(&host, "driver_minimal");
  ASSERT_TRUE(NT_SUCCESS(driver.function<HooklineDriverStart>(HOOKLINE_DRIVER_START_SYMBOL)()));

  NET_BUFFER packet{};
  packet.DataLength = 300;
  NET_BUFFER_LIST list{};
  list.FirstNetBuffer = &packet;
  FWPS_INCOMING_VALUE0 fields[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_MAX] = {};
  fields[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_ETHER_TYPE].value.type = FWP_UINT16;
  fields[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_ETHER_TYPE].value.uint16 = 0x0800;
  const FWPS_INCOMING_VALUES0 values{FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET,
                                     FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_MAX, fields};
  const FWPS_INCOMING_METADATA_VALUES0 metadata{};
  FWPS_FILTER3 filter{};
  filter.flags = FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT;

  const auto classify = [&](UINT32 rights) {
    FWPS_CLASSIFY_OUT0 out{};
    out.actionType = FWP_ACTION_NONE;
    out.rights = rights;
    registered.classifyFn(&values, &metadata, &list, nullptr, &filter, 0, &out);
    return std::pair(out.actionType, out.rights);
  };
  EXPECT_EQ(classify(FWPS_RIGHT_ACTION_WRITE), std::pair(UINT32{FWP_ACTION_CONTINUE}, UINT32{0}));
  EXPECT_EQ(classify(0), std::pair(UINT32{FWP_ACTION_NONE}, UINT32{0}));
  packet.DataLength = 1501;
  EXPECT_EQ(classify(FWPS_RIGHT_ACTION_WRITE).first, UINT32{FWP_ACTION_NONE});
  driver.function<HooklineDriverUnload>(HOOKLINE_DRIVER_UNLOAD_SYMBOL)();
}

// A name without a number is the one that the driver's Windows had.
TEST(PatternsDriver, CallsTheVersionsOfItsWindows) {
  const std::pair<const char*, std::string> kDrivers[] = {{"driver_patterns", "3"},
                                                          {"driver_patterns_win8", "2"},
                                                          {"driver_patterns_win7", "1"},
                                                          {"driver_patterns_vista", "0"}};
  for (const auto& [name, version] : kDrivers) {
    Host host;  // its answer means success, a running service, and a handle
    const Driver driver(&host, name);
    driver.function<HooklineDriverStart>(HOOKLINE_DRIVER_START_SYMBOL)();
    EXPECT_EQ(names(host.calls),
              (std::vector<std::string>{
                  "FwpmBfeStateGet0", "FwpsInjectionHandleCreate0", "FwpsInjectionHandleCreate0",
                  "NdisAllocateGenericObject", "NdisAllocateNetBufferListPool",
                  "FwpsCalloutRegister" + version, "FwpmEngineOpen0", "FwpmTransactionBegin0",
                  "FwpmSubLayerAdd0", "FwpmFilterAdd0", "FwpmFilterAdd0", "FwpmFilterAdd0",
                  "FwpmTransactionCommit0", "FwpmEngineClose0"}))
        << name;
    EXPECT_TRUE(host.breaches.empty());
    driver.function<HooklineDriverUnload>(HOOKLINE_DRIVER_UNLOAD_SYMBOL)();
  }
}

// --- addresses as text ---

struct Text {
  Host host;
  Driver driver{&host};

  NTSTATUS v4(const std::u16string& text, bool strict, std::string* address, uint32_t* read) const {
    address->assign(4, '\xee');
    return driver.function<NTSTATUS (*)(const char16_t*, BOOLEAN, char*, uint32_t*)>("read_v4")(
        text.c_str(), strict, address->data(), read);
  }
  NTSTATUS v6(const std::u16string& text, std::string* address, uint32_t* read) const {
    address->assign(16, '\xee');
    return driver.function<NTSTATUS (*)(const char16_t*, char*, uint32_t*)>("read_v6")(
        text.c_str(), address->data(), read);
  }
  std::string write(const char* function, const void* address) const {
    char16_t out[64] = {};
    const uint32_t length =
        driver.function<uint32_t (*)(const void*, char16_t*)>(function)(address, out);
    return {out, out + length};
  }
};

std::u16string wide(const std::string& text) { return {text.begin(), text.end()}; }

TEST(AddressText, Ipv4) {
  const Text text;
  std::string address;
  uint32_t read = 0;
  EXPECT_EQ(text.v4(u"192.168.10.255", true, &address, &read), STATUS_SUCCESS);
  EXPECT_EQ(address, std::string("\xc0\xa8\x0a\xff", 4));
  EXPECT_EQ(read, 14U);
  EXPECT_EQ(text.v4(u"10.0.0.1/24", true, &address, &read), STATUS_SUCCESS);
  EXPECT_EQ(read, 8U) << "what follows the address is the caller's affair";
  for (const char16_t* bad :
       {u"", u"10.0.0", u"10.0.0.256", u"10.0.0.01", u"0x0a.0.0.1", u"a.b.c.d", u"10..0.1",
        u"99999999999999999999.1.1.1", u"\u0661.1.1.1"}) {
    EXPECT_EQ(text.v4(bad, true, &address, &read), STATUS_INVALID_PARAMETER)
        << std::string(bad, bad + std::char_traits<char16_t>::length(bad));
    EXPECT_EQ(address, "\xee\xee\xee\xee");
  }
  EXPECT_EQ(text.v4(u"0x7f.1", false, &address, &read), STATUS_SUCCESS);
  EXPECT_EQ(address, std::string("\x7f\0\0\x01", 4));
  EXPECT_EQ(text.v4(u"10.1.65535", false, &address, &read), STATUS_SUCCESS);
  EXPECT_EQ(address, std::string("\x0a\x01\xff\xff", 4));
  EXPECT_EQ(text.v4(u"10.1.65536", false, &address, &read), STATUS_INVALID_PARAMETER);
}

TEST(AddressText, Ipv6) {
  const Text text;
  std::string address;
  uint32_t read = 0;
  EXPECT_EQ(text.v6(u"2001:DB8::7%eth0", &address, &read), STATUS_SUCCESS);
  EXPECT_EQ(address, std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16));
  EXPECT_EQ(read, 11U) << "a zone is the caller's affair";
  EXPECT_EQ(text.v6(u"1:2:3:4:5:6:7.8.9.10", &address, &read), STATUS_SUCCESS);
  EXPECT_EQ(address, std::string("\0\1\0\2\0\3\0\4\0\5\0\6\7\x8\x9\xa", 16));
  for (const char16_t* bad : {u"", u":", u"1", u"1:2", u"1::2::3", u"::12345", u"1:2:3:4:5:6:7:",
                              u"1:2:3:4:5:6:7:1.2.3.4", u"::1.2.3", u"::1.2.3.256", u":1::",
                              u"1:2:3:4:5:6:7:8::", u"::1:2:3:4:5:6:7:8", u"g::"}) {
    const std::string shown(bad, bad + std::char_traits<char16_t>::length(bad));
    const NTSTATUS status = text.v6(bad, &address, &read);
    EXPECT_TRUE(status == STATUS_INVALID_PARAMETER || read < shown.size()) << shown;
    EXPECT_TRUE(status == STATUS_SUCCESS || address == std::string(16, '\xee')) << shown;
  }
  EXPECT_EQ(text.v6(u"::12345", &address, &read), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(text.v6(u"1:2:3:4:5:6:7:1.2.3.4", &address, &read), STATUS_SUCCESS) << "up to the dot";
  EXPECT_EQ(read, 15U);
}

// The C library's own reader and writer are the judge.
RC_GTEST_PROP(AddressText, Ipv4AsTheCLibraryHasIt, ()) {
  const Text text;
  const std::string bytes = *rc::gen::container<std::string>(4, rc::gen::arbitrary<char>());
  char expected[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, bytes.data(), expected, sizeof expected);
  const std::string written = text.write("write_v4", bytes.data());
  RC_ASSERT(written == expected);
  std::string back;
  uint32_t read = 0;
  RC_ASSERT(text.v4(wide(written), true, &back, &read) == STATUS_SUCCESS);
  RC_ASSERT(back == bytes);
}

RC_GTEST_PROP(AddressText, Ipv6AsTheCLibraryHasIt, ()) {
  const Text text;
  std::string bytes = *rc::gen::container<std::string>(
      16,
      rc::gen::weightedOneOf<char>({{3, rc::gen::just('\0')}, {2, rc::gen::arbitrary<char>()}}));
  if (*rc::gen::inRange(0, 4) == 0) {
    bytes.replace(0, 12, std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12));
  }
  char expected[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, bytes.data(), expected, sizeof expected);
  RC_ASSERT(text.write("write_v6", bytes.data()) == expected);
  std::string back;
  uint32_t read = 0;
  RC_ASSERT(text.v6(wide(expected), &back, &read) == STATUS_SUCCESS);
  RC_ASSERT(back == bytes);
  RC_ASSERT(read == std::strlen(expected));
}

RC_GTEST_PROP(AddressText, AnyTextIsReadAsTheCLibraryDoes, ()) {
  const Text text;
  const std::string any =
      *rc::gen::container<std::string>(rc::gen::elementOf(std::string("::::01234fF.gx")));
  std::string expected(16, '\0');
  std::string address;
  uint32_t read = 0;
  const NTSTATUS status = text.v6(wide(any), &address, &read);
  RC_ASSERT(read <= any.size());
  const bool whole = status == STATUS_SUCCESS && read == any.size();
  RC_ASSERT(whole == (inet_pton(AF_INET6, any.c_str(), expected.data()) == 1));
  if (whole) {
    RC_ASSERT(address == expected);
  }
}

}  // namespace
