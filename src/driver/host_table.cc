// The driver's table of functions, made from fwp_calls.def: each call goes to whoever has a
// function of its name: this file's own first (where more is to be done than forwarding), then the
// packets, the injections and the engine. What nobody has is the room of layers to come.
#include "driver/loaded_driver.h"

namespace hookline::driver {
namespace {

constexpr uint8_t kDynamic = FWPM_SESSION_FLAG_DYNAMIC;

// The engine tells drivers apart by the device that registered: here always the driver itself.
class OwnCalls {
 public:
  explicit OwnCalls(LoadedDriver& driver) : driver_(driver), engine_(driver.services().engine) {}

  // NOLINTBEGIN(readability-identifier-naming): the API's own names.
  NTSTATUS FwpmEngineOpen0(const WCHAR* server, UINT32 authn_service,
                           struct _SEC_WINNT_AUTH_IDENTITY_W* identity,
                           const FWPM_SESSION0* session, HANDLE* handle) {
    const NTSTATUS status =
        engine_.FwpmEngineOpen0(server, authn_service, identity, session, handle);
    if (status == STATUS_SUCCESS) {
      driver_.session_opened(*handle, session != nullptr && (session->flags & kDynamic) != 0);
    }
    return status;
  }
  NTSTATUS FwpmEngineClose0(HANDLE handle) {
    const NTSTATUS status = engine_.FwpmEngineClose0(handle);
    if (status == STATUS_SUCCESS) driver_.session_closed(handle);
    return status;
  }
  NTSTATUS FwpsCalloutRegister0(void*, const FWPS_CALLOUT0* callout, UINT32* id) {
    return engine_.FwpsCalloutRegister0(&driver_, callout, id);
  }
  NTSTATUS FwpsCalloutRegister1(void*, const FWPS_CALLOUT1* callout, UINT32* id) {
    return engine_.FwpsCalloutRegister1(&driver_, callout, id);
  }
  NTSTATUS FwpsCalloutRegister2(void*, const FWPS_CALLOUT2* callout, UINT32* id) {
    return engine_.FwpsCalloutRegister2(&driver_, callout, id);
  }
  NTSTATUS FwpsCalloutRegister3(void*, const FWPS_CALLOUT3* callout, UINT32* id) {
    return engine_.FwpsCalloutRegister3(&driver_, callout, id);
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  LoadedDriver& driver_;
  filter::Engine& engine_;
};

// Templates, so that a call that somebody lacks is asked for and not an error.
#define FORWARD(otherwise, function, ...)                                                     \
  if constexpr (requires { own.function(__VA_ARGS__); }) {                                    \
    return own.function(__VA_ARGS__);                                                         \
  } else if constexpr (requires { services.lists.function(driver, __VA_ARGS__); }) {          \
    return services.lists.function(driver, __VA_ARGS__);                                      \
  } else if constexpr (requires { services.injections.function(driver, __VA_ARGS__); }) {     \
    return services.injections.function(driver, __VA_ARGS__);                                 \
  } else if constexpr (requires { services.engine.flows().function(driver, __VA_ARGS__); }) { \
    return services.engine.flows().function(driver, __VA_ARGS__);                             \
  } else if constexpr (requires { services.engine.function(__VA_ARGS__); }) {                 \
    return services.engine.function(__VA_ARGS__);                                             \
  } else {                                                                                    \
    driver.not_supported(#function);                                                          \
    return otherwise;                                                                         \
  }

#define BEGIN                                                 \
  LoadedDriver& driver = *static_cast<LoadedDriver*>(caller); \
  [[maybe_unused]] AllServices& services = driver.services(); \
  [[maybe_unused]] Own own(driver);

template <class AllServices, class Own>
struct Calls {
#define HOOKLINE_FWP_STATUS(irql, function, parameters, arguments)               \
  static NTSTATUS function(void* caller, HOOKLINE_FWP_UNPACK parameters) {       \
    BEGIN FORWARD(STATUS_NOT_SUPPORTED, function, HOOKLINE_FWP_UNPACK arguments) \
  }
#define HOOKLINE_FWP_INJECT(irql, function, parameters, arguments)         \
  static NTSTATUS function(void* caller, HOOKLINE_FWP_UNPACK parameters) { \
    BEGIN driver.check_no_locks(#function);                                \
    FORWARD(STATUS_NOT_SUPPORTED, function, HOOKLINE_FWP_UNPACK arguments) \
  }
#define HOOKLINE_FWP_VOID(irql, function, parameters, arguments)       \
  static void function(void* caller, HOOKLINE_FWP_UNPACK parameters) { \
    BEGIN FORWARD(, function, HOOKLINE_FWP_UNPACK arguments)           \
  }
#define HOOKLINE_FWP_VALUE(type, fallback, irql, function, parameters, arguments) \
  static type function(void* caller, HOOKLINE_FWP_UNPACK parameters) {            \
    BEGIN FORWARD(fallback, function, HOOKLINE_FWP_UNPACK arguments)              \
  }
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, function) \
  static type function(void* caller) {                                \
    LoadedDriver& driver = *static_cast<LoadedDriver*>(caller);       \
    return driver.services().engine.function();                       \
  }
#include "hookline/fwp_calls.def"
#undef HOOKLINE_FWP_STATUS
#undef HOOKLINE_FWP_VOID
#undef HOOKLINE_FWP_VALUE
#undef HOOKLINE_FWP_VALUE_OF_NOTHING
};

// Whether somebody has a function of this name that takes these arguments: what FORWARD asks.
template <class AllServices, class Own>
std::vector<std::string_view> lacking() {
  std::vector<std::string_view> names;
#define HOOKLINE_FWP_STATUS(irql, function, parameters, arguments)                               \
  if constexpr (                                                                                 \
      !requires(AllServices & services, Own & own, LoadedDriver & driver,                        \
                HOOKLINE_FWP_UNPACK parameters) { own.function arguments; } &&                   \
      !requires(AllServices & services, LoadedDriver & driver, HOOKLINE_FWP_UNPACK parameters) { \
        services.lists.function(driver, HOOKLINE_FWP_UNPACK arguments);                          \
      } &&                                                                                       \
      !requires(AllServices & services, LoadedDriver & driver, HOOKLINE_FWP_UNPACK parameters) { \
        services.injections.function(driver, HOOKLINE_FWP_UNPACK arguments);                     \
      } &&                                                                                       \
      !requires(AllServices & services, LoadedDriver & driver, HOOKLINE_FWP_UNPACK parameters) { \
        services.engine.flows().function(driver, HOOKLINE_FWP_UNPACK arguments);                 \
      } &&                                                                                       \
      !requires(AllServices & services, HOOKLINE_FWP_UNPACK parameters) {                        \
        services.engine.function arguments;                                                      \
      }) {                                                                                       \
    names.push_back(#function);                                                                  \
  }
#define HOOKLINE_FWP_VOID HOOKLINE_FWP_STATUS
#define HOOKLINE_FWP_VALUE(type, fallback, irql, function, parameters, arguments) \
  HOOKLINE_FWP_STATUS(irql, function, parameters, arguments)
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, function)
#include "hookline/fwp_calls.def"
#undef HOOKLINE_FWP_STATUS
#undef HOOKLINE_FWP_VOID
#undef HOOKLINE_FWP_VALUE
#undef HOOKLINE_FWP_VALUE_OF_NOTHING
  return names;
}

}  // namespace

std::vector<std::string_view> lacking_functions() { return lacking<Services, OwnCalls>(); }

void LoadedDriver::fill_table() {
  using Table = Calls<Services, OwnCalls>;
#define HOOKLINE_FWP_STATUS(irql, function, parameters, arguments) \
  host_.function = &Table::function;
#define HOOKLINE_FWP_VOID HOOKLINE_FWP_STATUS
#define HOOKLINE_FWP_VALUE(type, fallback, irql, function, parameters, arguments) \
  host_.function = &Table::function;
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, function) \
  host_.function = &Table::function;
#include "hookline/fwp_calls.def"
}

}  // namespace hookline::driver
