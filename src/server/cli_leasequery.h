// hookline leasequery: asks a server who has which address. RFC 4388 over UDP, RFC 6926 and
// RFC 7724 over TCP. It asks any server that speaks these, and reads only what they say.
#pragma once

#include <string>

#include "server/cli.h"

namespace hookline::cli {

// Texts as they were typed; empty: not given.
struct LeaseQueryArguments {
  std::string server;  // ADDRESS or ADDRESS:PORT
  std::string address, mac, client_id, relay_id, remote_id;
  bool all = false;
  bool bulk = false;  // what it does anyway
  bool udp = false;
  bool active = false;
  std::string since, start, end;  // seconds since 1970, a UTC time, or a duration: so long ago
  std::string from;               // own address
  uint64_t count = 0;             // of leases, after which it ends; 0: no limit
  bool json = false;
  bool quiet = false;  // only how many there were
};

// Exit status: kExitFailed when the server refused or broke off, or the address is unknown to it.
int lease_query(const LeaseQueryArguments& arguments, Streams streams);

}  // namespace hookline::cli
