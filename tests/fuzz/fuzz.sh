#!/usr/bin/env bash
# Fuzzes one program from its committed corpus for some seconds, with a seed that is printed. The
# committed corpus is only read; an input that crashes is kept and its name shown.
#
#   tests/fuzz/fuzz.sh PROGRAM SECONDS [SEED]
set -euo pipefail

program=$1 seconds=$2
seed=${3:-$((RANDOM * 32768 + RANDOM + 1))}
name=$(basename "$program")
here=$(cd "$(dirname "$0")" && pwd)
corpus=$here/corpus/$name
[[ -d $corpus ]] || corpus=$here/corpus/${name%_fuzz}
if [[ ! -d $corpus ]]; then
  echo "$name has no corpus ($here/corpus/$name)" >&2
  exit 1
fi
crashes=$(dirname "$program")/crashes/$name
mkdir -p "$crashes"
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
dictionary=()
[[ -e $here/$name.dict ]] && dictionary=("-dict=$here/$name.dict")

echo "$name: seed $seed, ${seconds} s; again: tests/fuzz/fuzz.sh $program $seconds $seed"
status=0
"$program" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
  -verbosity=0 -print_final_stats=1 -artifact_prefix="$crashes/" \
  "${dictionary[@]}" "$new" "$corpus" || status=$?
if ((status)); then
  echo "$name failed on:" && ls -l "$crashes"
fi
exit "$status"
