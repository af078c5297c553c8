// What a helper process is told before it loads its callout: which, and what the services are made
// of. Written by the server into the shared memory before the helper starts, and read once by it.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "line/config.h"

namespace hookline::callout {

struct Setup {
  std::string name;                   // as configured
  std::u16string chain;               // ChainDlls
  CalloutConfig config;               // names, files, dir and the registry of it
  bool network = false;               // may it talk to others?
  std::vector<std::string> readable;  // files and folders, with all below
  std::vector<std::string> writable;
  bool wine = false;  // a Windows DLL, for a helper of Wine's

  bool operator==(const Setup&) const = default;
};

std::vector<uint8_t> encode_setup(const Setup& setup);
// Invalid: it is no such thing.
Result<Setup> decode_setup(Bytes bytes);

}  // namespace hookline::callout
