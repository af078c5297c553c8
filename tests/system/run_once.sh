#!/usr/bin/env bash
# `./run --once` succeeds and leaves nothing behind; interrupted at any moment, it leaves nothing
# either.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ((EUID != 0)) || ! ip netns add hl-probe-$$ 2>/dev/null; then
  echo "SKIPPED: network namespaces need root and a kernel that allows them" >&2
  exit 77
fi
ip netns del hl-probe-$$

TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# Of a demo with this process id.
nothing_left() {
  local pid=$1
  if ip netns list | grep -E "^hl-demo-(srv|cli)-$pid\b"; then
    echo "a namespace was left behind" >&2
    return 1
  fi
  if [[ $(ls -A "$TMPDIR") ]]; then
    echo "files were left behind: $(ls -A "$TMPDIR")" >&2
    return 1
  fi
  if pgrep -af -- "$TMPDIR"; then
    echo "a process was left behind" >&2
    return 1
  fi
}

export HOOKLINE_PRESET=dev
./run --once &
wait $!
nothing_left $!

# Signals reach the whole demo through its first process, at different stages of its life.
for delay in 0.3 1.0 1.7; do
  scripts/demo.sh "$PWD/build/$HOOKLINE_PRESET/hookline" --once >/dev/null 2>&1 &
  pid=$!
  sleep "$delay"
  kill -TERM "$pid" 2>/dev/null || true
  wait "$pid" || true
  nothing_left "$pid"
done

# It fails when the client does not get what it should: a demo that cannot fail shows nothing.
if scripts/demo.sh /bin/true --once >/dev/null 2>&1; then
  echo "the demo succeeded without a server" >&2
  exit 1
fi
[[ ! $(ls -A "$TMPDIR") ]]
