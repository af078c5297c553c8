#!/usr/bin/env bash
# The demo of ./run: two network namespaces joined by a wire, the server in one, a stock DHCP client
# (busybox's udhcpc) in the other, and a callout in the server (sdk/examples/audit) that tells what
# happens.
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
server_pid= client_pid= trace_pid= tail_pid=

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
  stop "$tail_pid"
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
settle() { sleep 0.3; } # until what others write is written
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

build_callout() {
  sdk/hookline-cc sdk/examples/audit/audit.c sdk/examples/audit/audit.def -DUNICODE -D_UNICODE \
    -o "$dir/audit.so" --sdk-build build/sdk ||
    give_up "the callout did not compile"
  chmod 755 "$dir/audit.so"
}

# What the callout writes into the server's log, as it comes.
show_callout() {
  tail -n +1 -f "$dir/server.log" > >(
    exec sed -un \
      's/.* callout source=audit event=\([0-9]*\) text="\(.*\)"$/    audit, event \1: \2/p'
  ) 2>/dev/null &
  tail_pid=$!
}

audited() { grep -q "callout source=audit event=$1 " "$dir/server.log"; }

start_server() {
  mkdir "$dir/state"
  chmod 755 "$dir"
  cp "$config" "$dir/demo.toml"
  ip netns exec "$server_ns" "$hookline" serve --config "$dir/demo.toml" --state-dir "$dir/state" \
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
say "Compiling a callout as a Windows developer wrote it: sdk/examples/audit."
build_callout
say "Starting the server there on $config, with the callout in it."
start_server
show_callout

step "A stock client (udhcpc) asks for an address. What the callout sees of it, as it happens:"
start_client
until_true 20 "the client to get a lease" happened bound 0
# 110: a new packet, 121: an address given, 112: a reply, 111: the packet's end.
for event in 110 121 112 111; do
  until_true 10 "the callout to log event $event" audited "$event"
done
settle
step "The client got a lease:"
check_lease

step "It renews the lease:"
kill -USR1 "$client_pid"
until_true 20 "the client to renew its lease" happened renew 0
settle
say "The server says (hookline leases):"
ask leases | indent

step "It gives the lease back:"
released=$(events deconfig)
kill -USR2 "$client_pid"
until_true 20 "the client to give its lease back" happened deconfig "$released"
until_true 10 "the server to see the release" lists_released
settle
say "The server remembers it for this client:"
ask leases | indent

step "What the callout cost (hookline callouts):"
ask callouts --format csv | cut -d, -f1,4-8 | indent

step "What the server did, packet by packet (hookline trace any):"
settle
grep -v following "$dir/trace" | indent

if $once; then
  step "OK: lease got, renewed and released; every option arrived; the callout saw it all."
  exit 0
fi

cat <<END

The server goes on serving in its namespace until Ctrl-C. Look at it with
    $hookline status --control $control
    $hookline leases --control $control
    $hookline drops --control $control
    $hookline callouts --control $control
    $hookline trace any --control $control
and be a client of it with
    ip netns exec $client_ns udhcpc -f -i hl-cli -s /bin/true
END
while kill -0 "$server_pid" 2>/dev/null; do sleep 0.5; done
give_up "the server ended"
