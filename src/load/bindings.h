// Who holds which address, as the clients see it: the check that a server never gives one address
// to two of them. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/inet.h"

namespace hookline::load {

// A sparse array over 32 bits. Allocates once for every 65,536 neighbouring indexes.
template <class T>
class Sparse {
 public:
  T& at(uint32_t index) {
    std::unique_ptr<Chunk>& chunk = (*chunks_)[index >> 16];
    if (!chunk) chunk = std::make_unique<Chunk>();
    return (*chunk)[index & 0xFFFF];
  }

 private:
  using Chunk = std::array<T, 65536>;
  std::unique_ptr<std::array<std::unique_ptr<Chunk>, 65536>> chunks_ =
      std::make_unique<std::array<std::unique_ptr<Chunk>, 65536>>();
};

class Bindings {
 public:
  // `client` was granted `address` until `until_s`. False: another client's lease on it is alive.
  // What the client held before is given up.
  bool bind(uint32_t client, Ipv4 address, uint32_t now_s, uint32_t until_s) {
    uint32_t& holder = holders_.at(address.value);
    bool alone = true;
    if (holder != 0 && holder - 1 != client) {
      const Lease& other = leases_.at(holder - 1);
      alone = other.address != address || other.until_s <= now_s;
    }
    holder = client + 1;
    leases_.at(client) = {address, until_s};
    return alone;
  }

  void forget(uint32_t client) { leases_.at(client) = {}; }

  // The address that the client holds, alive or expired; none if it never got one.
  Ipv4 address_of(uint32_t client) { return leases_.at(client).address; }

 private:
  struct Lease {
    Ipv4 address;
    uint32_t until_s = 0;
  };
  Sparse<uint32_t> holders_;  // by address: client + 1
  Sparse<Lease> leases_;      // by client
};

}  // namespace hookline::load
