// The name that a client calls itself by.
#pragma once

#include "base/bytes.h"
#include "line/message.h"

namespace hookline {

// Option 12; where a client sent none, the first label of its FQDN (option 81, RFC 4702 section
// 2.3). A view into the message, as the client wrote it; empty where it says no name.
Bytes client_name(const Message& message);

}  // namespace hookline
