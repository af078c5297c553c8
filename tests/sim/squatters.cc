#include "squatters.h"

namespace hookline::sim {

int SimProbe::ask(const io::AddressQuestion& question) {
  ++asked;
  resting = false;
  if (refuses_with != 0) return refuses_with;
  const uint32_t address = question.address.value;
  if (!squatters_.contains(address)) return 0;
  if (!lost_.contains(address) && chance(random_, lose)) {
    lost_.insert(address);
    return 0;
  }
  lost_.erase(address);
  const bool arp = question.ifindex != 0;
  answers_.push_back(
      {question.address, question.ifindex, arp ? std::optional(kSquatterMac) : std::nullopt});
  return 0;
}

size_t SimProbe::answers(std::span<io::AddressAnswer> out) {
  size_t count = 0;
  for (; count < out.size() && !answers_.empty(); ++count) {
    out[count] = answers_.front();
    answers_.pop_front();
  }
  return count;
}

void SimProbe::rest() {
  answers_.clear();
  resting = true;
}

}  // namespace hookline::sim
