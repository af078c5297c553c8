#!/usr/bin/env bash
# Fuzzes one program from its committed corpus, which is only read; an input that crashes is kept
# and its name shown.
#
#   tests/fuzz/fuzz.sh PROGRAM smoke            the corpus, then a fixed number of inputs from a
#                                               fixed seed: every run does the same
#   tests/fuzz/fuzz.sh PROGRAM SECONDS [SEED]   as long as that, from a fresh seed, which is printed
set -euo pipefail

program=$1 how_long=$2
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
options=(-timeout=60 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 -print_funcs=0
  -print_final_stats=1 "-artifact_prefix=$crashes/")
[[ -e $here/$name.dict ]] && options+=("-dict=$here/$name.dict")

if [[ $how_long == smoke ]]; then
  case $name in
    frame_fuzz | decode_fuzz | config_fuzz) runs=20000 ;;
    isolated_host_fuzz) runs=1000 ;; # each input is a callout's whole life
    *) runs=4000 ;; # each input is a whole journal, or all options
  esac
  # libFuzzer learns from compared values, addresses among them, and from the order of the corpus.
  same=()
  setarch -R true 2>/dev/null && same=(setarch -R)
  find "$corpus" -type f | LC_ALL=C sort | paste -sd, | tr -d '\n' >"$new/seeds"
  # The bound in time is for a machine that is very busy: it does less of the same.
  command=("${same[@]}" "$program" -seed=1 "-runs=$runs" -max_total_time=60 -reload=0
    "-seed_inputs=@$new/seeds")
  echo "$name: $runs inputs from seed 1"
else
  seed=${3:-$((RANDOM * 32768 + RANDOM + 1))}
  command=("$program" -seed="$seed" "-max_total_time=$how_long" "$new" "$corpus")
  echo "$name: seed $seed, $how_long s; again: tests/fuzz/fuzz.sh $program $how_long $seed"
fi
status=0
"${command[@]}" "${options[@]}" || status=$?
if ((status)); then
  echo "$name failed on:" && ls -l "$crashes"
fi
exit "$status"
