#!/usr/bin/env bash
# The demo of ./run: two network namespaces joined by a wire, the server in one, a stock DHCP client
# (busybox's udhcpc) in the other.
#
#   scripts/demo.sh HOOKLINE-BINARY [--once]
#
# Everything it makes is named after its process id or lies in one temporary directory, and is taken
# away on every way out.
set -euo pipefail
cd "$(dirname "$0")/.."

hookline=$1
once=false
[[ ${2-} == --once ]] && once=true

server_ns=hl-demo-srv-$$
client_ns=hl-demo-cli-$$
config=examples/demo.toml
dir=$(mktemp -d -t hookline-demo.XXXXXX)
control=$dir/control.sock
server_pid= client_pid= trace_pid=

say() { printf '%s\n' "$*"; }
step() { printf '\n%s\n' "$*"; }
indent() { sed 's/^/    /'; }

give_up() {
  say "FAILED: $*" >&2
  [[ -s $dir/server.log ]] && { say "The server's log:" >&2; tail -n 30 "$dir/server.log" >&2; }
  [[ -s $dir/client.log ]] && { say "The client's log:" >&2; tail -n 10 "$dir/client.log" >&2; }
  exit 1
}

# Asks a process to stop; kills it when it does not within 10 s. 1: it had to be killed.
stop() {
  local pid=$1 i
  [[ $pid ]] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || { wait "$pid" 2>/dev/null || true; return 0; }
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  return 1
}

cleanup() {
  local status=$?
  trap '' INT TERM HUP
  set +e
  stop "$client_pid"
  stop "$trace_pid"
  if ! stop "$server_pid"; then
    echo "FAILED: the server did not stop when asked to, and was killed" >&2
    ((status == 0)) && status=1
  fi
  ip netns del "$client_ns" 2>/dev/null
  ip netns del "$server_ns" 2>/dev/null
  rm -rf "$dir"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP PIPE

# until_true SECONDS WHAT COMMAND …: the command's output is thrown away.
until_true() {
  local tries=$(($1 * 10)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((tries-- > 0)) || give_up "waited too long for $what"
    [[ $server_pid ]] && ! kill -0 "$server_pid" 2>/dev/null && give_up "the server ended"
    sleep 0.1
  done
}

events() { grep -c "^$1\$" "$dir/events" 2>/dev/null || true; }
lists_released() { ask leases | grep -q released; }
happened() { (($(events "$1") > $2)); }
ask() { "$hookline" "$@" --control "$control"; }

make_network() {
  ip netns add "$server_ns"
  ip netns add "$client_ns"
  ip -n "$server_ns" link add hl-srv type veth peer name hl-cli netns "$client_ns"
  ip -n "$server_ns" link set lo up
  ip -n "$client_ns" link set lo up
  ip -n "$server_ns" address add 10.77.0.1/24 dev hl-srv
  ip -n "$server_ns" link set hl-srv up
  ip -n "$client_ns" link set hl-cli up
}

start_server() {
  mkdir "$dir/state"
  chmod 755 "$dir"
  ip netns exec "$server_ns" "$hookline" serve --config "$config" --state-dir "$dir/state" \
    --control "$control" >"$dir/server.log" 2>&1 &
  server_pid=$!
  until_true 20 "the server to answer" ask status
  ask trace any >"$dir/trace" 2>&1 &
  trace_pid=$!
  until_true 10 "the trace to open" grep -q following "$dir/trace"
}

start_client() {
  # The options are asked for by number or by udhcpc's names for them.
  HOOKLINE_DEMO=$dir ip netns exec "$client_ns" udhcpc -f -i hl-cli \
    -s "$PWD/scripts/demo_client_event" -x hostname:demo-client \
    -O search -O ntpsrv -t 5 -T 1 -A 1 \
    >"$dir/client.log" 2>&1 &
  client_pid=$!
}

# expect NAME WHAT VALUE…: the client was given exactly this.
expect() {
  local name=$1 what=$2 got
  shift 2
  got=$(sed -n "s/^$name=//p" "$dir/env.bound")
  got=${got% }
  if [[ $got == "$*" ]]; then
    printf '    %-16s %s\n' "$what" "$got"
  else
    give_up "$what: the client got '$got', configured is '$*'"
  fi
}

check_lease() {
  local ip last
  ip=$(sed -n 's/^ip=//p' "$dir/env.bound")
  last=${ip##*.}
  [[ $ip == 10.77.0.* ]] && ((last >= 100 && last <= 200)) ||
    give_up "the client's address is '$ip', not one of 10.77.0.100-10.77.0.200"
  printf '    %-16s %s\n' "address" "$ip"
  # What examples/demo.toml says.
  expect serverid "server" 10.77.0.1
  expect subnet "subnet mask" 255.255.255.0
  expect router "router" 10.77.0.1
  expect dns "DNS servers" 10.77.0.53 10.77.0.54
  expect ntpsrv "NTP server" 10.77.0.123
  expect domain "domain" demo.example.org
  expect search "domain search" demo.example.org example.org
  expect lease "lease (seconds)" 600
  ask leases >"$dir/leases"
  grep -qF "$ip" "$dir/leases" || give_up "the server's list of leases does not hold $ip"
}

say "Making a private network: namespaces $server_ns and $client_ns, joined by a wire."
make_network
say "Starting the server there on $config."
start_server

step "A stock client (udhcpc) asks for an address, and gets a lease:"
start_client
until_true 20 "the client to get a lease" happened bound 0
check_lease

kill -USR1 "$client_pid"
until_true 20 "the client to renew its lease" happened renew 0
step "It renewed the lease. The server says (hookline leases):"
ask leases | indent

released=$(events deconfig)
kill -USR2 "$client_pid"
until_true 20 "the client to give its lease back" happened deconfig "$released"
until_true 10 "the server to see the release" lists_released
step "It gave the lease back. The server remembers it for this client:"
ask leases | indent

step "What the server did, packet by packet (hookline trace any):"
sleep 0.2 # until the trace is written
grep -v following "$dir/trace" | indent

if $once; then
  step "OK: lease got, renewed and released; every configured option arrived."
  exit 0
fi

cat <<END

The server goes on serving in its namespace until Ctrl-C. Look at it with
    $hookline status --control $control
    $hookline leases --control $control
    $hookline drops --control $control
    $hookline trace any --control $control
and be a client of it with
    ip netns exec $client_ns udhcpc -f -i hl-cli -s /bin/true
END
while kill -0 "$server_pid" 2>/dev/null; do sleep 0.5; done
give_up "the server ended"
