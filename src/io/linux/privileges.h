// Giving up what is not needed once everything is open: the user, the capabilities, new privileges
// by exec, and the system calls that the server never makes.
//
// Order in main(): open the port, the link monitor, the state directory (lock it, give_to() the
// account), the control socket; then drop_privileges(); then confine().
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"

namespace hookline::io {

struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
};

// None: there is no such user.
std::optional<Account> find_account(const std::string& user);

// Becomes `user`, with no supplementary groups, no_new_privs, and of all capabilities only
// CAP_NET_RAW (an interface that appears later needs a packet socket of its own) and
// CAP_NET_BIND_SERVICE (a reload may listen for leasequery at port 67). (Not needed any more:
// CAP_NET_ADMIN, reading netlink needs none, and LinuxPacketPort keeps spare sockets whose large
// buffers were set before.)
//
// "root" keeps the user and drops the capabilities only. The text is empty, or a warning: the user
// does not exist, or this process may not change its user. It then stays who it is, with the
// capabilities reduced as far as they can be.
//
// Applies to the calling thread and those that it makes later: call it before there are others.
Result<std::string> drop_privileges(const std::string& user);

// What happens at a system call that the server does not make: it fails with EPERM, or the process
// ends (for tests that look for what is missing in the list).
enum class Forbidden { Fails, EndsProcess };

// A seccomp filter for all threads, for good: it can only be narrowed. Allowed stays what the
// server, its allocator and its threads do: files below open directories, sockets, epoll, time;
// not exec, ptrace, mount, module loading or changing users. Programs can't be started any more.
// `symbolizer`: under a sanitizer (built with one, or with its run-time library loaded first, for a
// driver that was), what it needs to name functions and lines in its report is allowed, too.
Result<void> confine(Forbidden forbidden = Forbidden::Fails, bool symbolizer = false);

}  // namespace hookline::io
