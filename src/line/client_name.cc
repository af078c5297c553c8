#include "line/client_name.h"

#include <algorithm>

#include "line/fqdn.h"

namespace hookline {

Bytes client_name(const Message& message) {
  const Bytes host_name = message.options.find(option::kHostName);
  if (!host_name.empty()) return host_name;
  const Bytes option = message.options.find(option::kClientFqdn);
  if (option.size() <= fqdn::kNameAt) return {};
  const Bytes name = option.subspan(fqdn::kNameAt);
  if ((option[0] & fqdn::kWireFormat) != 0) {
    const size_t size = name[0];
    const bool is_label = size <= fqdn::kLabelBytesMax && size < name.size();
    return is_label ? name.subspan(1, size) : Bytes{};
  }
  const auto dot = std::find(name.begin(), name.end(), uint8_t{'.'});
  return name.first(static_cast<size_t>(dot - name.begin()));
}

}  // namespace hookline
