# shellcheck shell=bash disable=SC2154
# Sourced after lib.sh: how each server under comparison is configured and started. Each gets a
# fresh state directory under $bench_dir unless the caller reuses one.

hookline_bin=${HOOKLINE:-$build_dir/hookline}

# Kea from Debian, unpacked but never started by its packages.
install_kea() {
  [ -x /usr/sbin/kea-dhcp4 ] && return 0
  local guard=/usr/sbin/policy-rc.d kept=
  if [ -e $guard ]; then
    kept=$(mktemp)
    cp -a $guard "$kept"
  fi
  printf '#!/bin/sh\nexit 101\n' >$guard
  chmod 755 $guard
  local status=0
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    kea-dhcp4-server kea-admin >"$bench_dir/apt.log" 2>&1 || status=$?
  if [ -n "$kept" ]; then mv "$kept" $guard; else rm -f $guard; fi
  [ $status = 0 ] || {
    tail -5 "$bench_dir/apt.log" >&2
    bench_die "Kea can't be installed"
  }
}

need_jq() {
  command -v jq >/dev/null && return 0
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends jq >/dev/null ||
    bench_die "jq can't be installed"
}

# Single-threaded and pinned is Kea's fastest here; no host reservations, no statistics history,
# warnings only. Lease caching is off: Kea answers a renewal in the first quarter of the lease with
# the old expiry and without a record, which no client that renews at T1 ever meets but which every
# renewal of a benchmark would (KEA_CACHE=0.25 shows it). Raw sockets answer clients on the wire,
# UDP sockets serve relays with less work.
kea_config() {
  local dir=$1 socket=$2
  cat <<END
{ "Dhcp4": {
  "interfaces-config": { "interfaces": ["vs"], "dhcp-socket-type": "$socket", "re-detect": false },
  "multi-threading": { "enable-multi-threading": false },
  "lease-database": { "type": "memfile", "persist": true, "name": "$dir/leases.csv" },
  "valid-lifetime": 3600, "cache-threshold": ${KEA_CACHE:-0.000001},
  "reservations-global": false, "reservations-in-subnet": false,
  "statistic-default-sample-count": 1,
  "subnet4": [ {
    "id": 1, "subnet": "10.64.0.0/10",
    "pools": [ { "pool": "$pool_first-$pool_last" } ],
    "option-data": [
      { "name": "routers", "data": "$server_ip" },
      { "name": "domain-name-servers", "data": "10.64.0.53" },
      { "name": "domain-name", "data": "example.org" } ] } ],
  "loggers": [ { "name": "kea-dhcp4", "severity": "WARN",
    "output_options": [ { "output": "stdout" } ] } ]
} }
END
}

hookline_config() {
  cat <<END
[server]
interfaces = ["vs"]
authoritative = true

[leases]
default-time = "1h"

[[scope]]
id = "bench"
subnet = "10.64.0.0/10"
ranges = ["$pool_first-$pool_last"]
lease-time = "1h"
[scope.options]
routers = ["$server_ip"]
domain-name-servers = ["10.64.0.53"]
domain-name = "example.org"
END
}

# start_server kea|hookline|responder direct|relayed STATE-DIR; returns when it answers.
start_server() {
  local which=$1 path=$2 dir=$3
  mkdir -p "$dir"
  launch_server "$which" "$path" "$dir"
  # shellcheck disable=SC2046
  bench_wait "$dir/log" $(bench_path "$path")
}

launch_server() {
  local which=$1 path=$2 dir=$3
  case $which in
    kea)
      kea_config "$dir" "$([ "$path" = direct ] && echo raw || echo udp)" >"$dir/kea.json"
      # A copy, because an AppArmor profile confines the installed path to its own directories.
      cp /usr/sbin/kea-dhcp4 "$dir/kea-dhcp4"
      KEA_PIDFILE_DIR=$dir KEA_LOCKFILE_DIR=$dir \
        bench_start "$dir/log" "$dir/kea-dhcp4" -c "$dir/kea.json"
      ;;
    hookline)
      hookline_config >"$dir/hookline.toml"
      mkdir -p "$dir/state"
      bench_start "$dir/log" "$hookline_bin" serve --config "$dir/hookline.toml" \
        --state-dir "$dir/state" --control "$dir/control.sock" --log-level warning
      ;;
    responder)
      bench_start "$dir/log" "$build_dir/bench/bench_responder" vs $server_ip $pool_first
      ;;
    *) bench_die "no such server: $which" ;;
  esac
}

# One measured run of the generator: a line of JSON to $out, a line of text to the terminal.
# measure OUT SERVER PATH EXCHANGE WINDOW REPETITION SEED
measure() {
  local report
  # shellcheck disable=SC2046
  report=$(bench_load $(bench_path "$3") --exchange "$4" --window "$5" --duration "${seconds}s" \
    --seed "$7" --client-id --server-pid "$server_pid" --json) || true
  [ -n "$report" ] || bench_die "the generator failed"
  jq -c --arg server "$2" --argjson repetition "$6" --arg commit "$(bench_commit)" \
    '{server: $server, repetition: $repetition, commit: $commit} + .' <<<"$report" >>"$1"
  jq -r --arg server "$2" '[$server, .path, .exchange, "W=\(.window)",
    "\(.rate | round)/s", "p99 \(.exchange_us.p99 | round) us",
    "\(.server_cpu_us_per_exchange * 100 | round / 100) us CPU",
    if .clean then "clean" else "NOT CLEAN: \(.failed) failed, \(.naks) NAK, "
      + "\(.duplicate_addresses) duplicate, \(.unexpected) unexpected, "
      + "\(.malformed) malformed \(.fault), \(.warm_failed) without a lease before"
    end] | join("  ")' <<<"$report"
}

# All of $servers on all $paths, with $exchanges and $windows, $repetitions times: the servers take
# turns, each on a fresh state directory. Every measurement has new clients.
compare_all() {
  local out=$1 repetition path server exchange window dir seed
  mkdir -p "$(dirname "$out")"
  : >"$out"
  case " $servers " in
    *" hookline "*)
      [ -x "$hookline_bin" ] || bench_die "$hookline_bin is not there: build the release preset" ;;
  esac
  for repetition in $(seq "$repetitions"); do
    for path in $paths; do
      for server in $servers; do
        dir=$bench_dir/$server.$path.$repetition
        start_server "$server" "$path" "$dir"
        seed=1
        for exchange in $exchanges; do
          for window in $windows; do
            measure "$out" "$server" "$path" "$exchange" "$window" "$repetition" "$seed"
            seed=$((seed + 1))
          done
        done
        bench_stop_server
        rm -rf "$dir"
      done
    done
  done
}

bench_summary() {
  echo
  echo "$(bench_machine), commit $(bench_commit), median of $2 x $3 s"
  jq -rs -f "$bench_root/bench/summary.jq" "$1"
}
