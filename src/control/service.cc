#include "control/service.h"

namespace hookline::control {

std::string_view serving_state_name(ServingState state) {
  constexpr std::string_view kNames[] = {"serving", "paused", "unauthorized", "not-granting"};
  return kNames[static_cast<size_t>(state)];
}

std::string_view FilterView::driver_of(const filter::Report::CalloutLine& callout) const {
  for (const DriverRow& driver : drivers) {
    if (callout.device != nullptr && driver.device == callout.device) return driver.name;
  }
  return {};
}

bool LeaseFilter::matches(const LeaseRow& row) const {
  if (state ? row.state != *state : row.state == LeaseState::Free) return false;
  if (address && row.address != *address) return false;
  if (scope && row.scope != *scope) return false;
  if (hardware_address && row.hardware_address != *hardware_address) return false;
  return !client_id || row.client_id == *client_id;
}

}  // namespace hookline::control
