#!/usr/bin/env bash
# Configures a preset and builds targets of it, quietly: on failure the
# compiler's words, else one line. The whole log stays in build/PRESET/build.log.
#
#   scripts/build.sh PRESET [TARGET …]
#
# HOOKLINE_JOBS limits the compilers that run at once (default: one a core).
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
directory=build/$preset
log=$directory/build.log
mkdir -p "$directory"
: >"$log"

failed() {
  # ninja repeats the command of each step that failed: errors say more.
  grep -nE 'error:|CMake Error|FAILED|undefined reference|^ninja:' "$log" | head -n 40 >&2 || true
  echo "hookline: building $preset failed (log: $log)." >&2
  exit 1
}

started=$SECONDS
cmake --preset "$preset" >>"$log" 2>&1 || failed
ninja -C "$directory" -j "${HOOKLINE_JOBS:-$(nproc)}" "$@" >>"$log" 2>&1 || failed
if tail -n 1 "$log" | grep -q 'no work to do'; then
  echo "$preset: up to date"
else
  echo "$preset: built in $((SECONDS - started)) s"
fi
