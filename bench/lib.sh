# shellcheck shell=bash disable=SC2034
# Sourced by the benchmarks: two namespaces with a wire between them, and their clean removal.
#
#   hlbench-PID-s  vs 10.64.0.1/10  the server, on CPU 0
#   hlbench-PID-c  vc 10.64.0.2/10  the load generator, on CPU 1, spinning
#
# The pool 10.64.1.0-10.127.255.254 is routed to the generator's end, with static neighbours, so
# that no server waits for ARP. Nothing outside these namespaces is touched; everything is removed
# when the script ends, however it ends.

set -euo pipefail

bench_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=${BUILD_DIR:-$bench_root/build/release}
server_cpu=${SERVER_CPU:-0}
load_cpu=${LOAD_CPU:-1}
# Benchmark processes go before whatever else the machine does; without effect on an idle one.
bench_nice=${BENCH_NICE:--20}

server_ns=hlbench-$$-s
load_ns=hlbench-$$-c
server_ip=10.64.0.1
relay_ip=10.64.0.2
relay_mac=02:ff:00:00:00:03
pool_first=10.64.1.0
pool_last=10.127.255.254

bench_dir=
server_pid=
load_before=$(cut -d' ' -f1 /proc/loadavg)

bench_die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

bench_cleanup() {
  local status=$?
  trap - EXIT
  set +e
  bench_stop_server
  ip netns del "$server_ns" 2>/dev/null
  ip netns del "$load_ns" 2>/dev/null
  [ -n "$bench_dir" ] && rm -rf "$bench_dir"
  exit $status
}

# Where the state of the servers goes: a real disk, not a tmpfs.
bench_begin() {
  [ "$(id -u)" = 0 ] || bench_die "needs root, for network namespaces"
  [ "$(nproc)" -ge 2 ] || bench_die "needs 2 CPUs"
  trap bench_cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  mkdir -p "${BENCH_STATE:-$bench_root/build/bench}"
  bench_dir=$(mktemp -d -p "${BENCH_STATE:-$bench_root/build/bench}")
  chmod 755 "$bench_dir" # a server may give up being root
  bench_network
}

bench_network() {
  ip netns add "$server_ns"
  ip netns add "$load_ns"
  ip -n "$server_ns" link add vs address 02:ff:00:00:00:01 type veth \
    peer name vc address 02:ff:00:00:00:02 netns "$load_ns"
  ip netns exec "$server_ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
  ip netns exec "$load_ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
  ip -n "$server_ns" addr add $server_ip/10 dev vs
  ip -n "$load_ns" addr add $relay_ip/10 dev vc
  ip -n "$server_ns" link set lo up
  ip -n "$load_ns" link set lo up
  ip -n "$server_ns" link set vs up
  ip -n "$load_ns" link set vc up
  # Not the generator's own hardware address: it reads from a packet socket, and its kernel need not
  # deliver every frame once more, at the cost of whichever server sent it.
  ip -n "$server_ns" neigh replace $relay_ip lladdr $relay_mac dev vs nud permanent
  ip -n "$load_ns" neigh replace $server_ip lladdr 02:ff:00:00:00:01 dev vc nud permanent
  ip -n "$server_ns" route add $relay_ip/32 dev vs
  ip -n "$server_ns" route add 10.64.0.0/11 via $relay_ip dev vs
  ip -n "$server_ns" route add 10.96.0.0/11 via $relay_ip dev vs
}

# Puts a command before everything else on its CPU: in a scheduling group of its own, where the
# kernel groups by session, and with that priority in it.
bench_first='{ echo "$0" >/proc/self/autogroup; } 2>/dev/null; exec nice -n "$0" "$@"'

# bench_start LOG COMMAND...: the server, in its namespace, on its CPU.
bench_start() {
  local log=$1
  shift
  # The subshell is replaced by the server, so that $! is the server's.
  (exec setsid sh -c "$bench_first" "$bench_nice" \
    ip netns exec "$server_ns" taskset -c "$server_cpu" "$@") >"$log" 2>&1 &
  server_pid=$!
}

bench_stop_server() {
  [ -n "$server_pid" ] || return 0
  kill -TERM "$server_pid" 2>/dev/null || true
  local i
  for i in $(seq 100); do
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$server_pid" 2>/dev/null && echo "the server did not stop in 10 s: killed" >&2
  wait "$server_pid" 2>/dev/null || true
  server_pid=
}

# Until the server answers one DISCOVER. bench_wait LOG PATH-FLAGS...
bench_wait() {
  local log=$1 i
  shift
  for i in $(seq 150); do
    kill -0 "$server_pid" 2>/dev/null || {
      cat "$log" >&2
      bench_die "the server ended"
    }
    if bench_load "$@" --exchange discover --count 1 --timeout 100ms --tries 1 --seed 250 \
      >/dev/null 2>&1; then
      return 0
    fi
    sleep 0.1
  done
  tail -20 "$log" >&2
  bench_die "the server does not answer"
}

# The generator, in its namespace, on its CPU. Exit 1 (a report that is not clean) is the caller's.
bench_load() {
  setsid -w sh -c "$bench_first" "$bench_nice" ip netns exec "$load_ns" \
    "$build_dir/bench/hookline-load" --interface vc --cpu "$load_cpu" --spin "$@"
}

# Flags of one path.
bench_path() {
  case $1 in
    direct) echo ;;
    relayed) echo "--relay $relay_ip --relay-mac $relay_mac --server $server_ip" ;;
    *) bench_die "no such path: $1" ;;
  esac
}

bench_machine() {
  local model
  model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
  echo "$(nproc) x $model, Linux $(uname -r), load average before: $load_before"
}

bench_commit() {
  git -C "$bench_root" rev-parse --short HEAD 2>/dev/null || echo unknown
}
