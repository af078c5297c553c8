// libFuzzer: any bytes from a peer, in any pieces, with leases that change meanwhile. The first
// byte says how large the pieces are. What comes back has to be whole, well-formed messages.
#include "query/testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookline;
  using namespace hookline::query::testing;
  if (size == 0 || size > 16384) return 0;
  static World& w = *new World(nullptr, 8);
  static bool filled = false;
  if (!filled) {
    for (uint32_t n = 0; n < 20; ++n)
      w.lease(n, n % 3 == 0 ? LeaseState::Released : LeaseState::Active);
    filled = true;
  }
  const size_t piece = size_t{data[0]} + 1;
  const Bytes input = Bytes(data, size).subspan(1);
  const size_t peer = w.port.connect();
  for (size_t at = 0; at < input.size(); at += piece) {
    w.port.send(peer, input.subspan(at, std::min(piece, input.size() - at)));
    w.turn();
  }
  w.apply(w.record(static_cast<uint32_t>(size % 20)));
  w.settle(100);
  w.said(peer);  // checks each of them
  CHECK(w.unread(peer) == 0 || w.turn(), "no half message is left");
  w.port.at(peer).peer_reset = true;
  w.settle(100);
  CHECK(w.server.connections() == 0, "whoever is gone is forgotten");
  w.port.attempts.clear();
  w.forget();
  return 0;
}
