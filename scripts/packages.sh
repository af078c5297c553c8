#!/usr/bin/env bash
# Makes the Debian packages of this checkout, in build/packages: hookline, hookline-sdk and
# hookline-wine.
#
#   scripts/packages.sh
#   apt install build/packages/hookline_*.deb
#
# Installs what it needs and is missing (scripts/deps.sh), which takes root; the rest does not.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh packages
scripts/build.sh release product
folder=build/packages
log=$folder/cpack.log
rm -rf "$folder"
mkdir -p "$folder"
if ! cpack --config build/release/CPackConfig.cmake -B "$folder" >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  echo "hookline: packaging failed (log: $log)." >&2
  exit 1
fi
rm -rf "$folder/_CPack_Packages"
printf '%s\n' "$folder"/*.deb
