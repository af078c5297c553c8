#!/usr/bin/env bash
# The one list of Debian 12 packages that this project needs, and their installation.
#
#   scripts/deps.sh build        what `./run` needs: compilers, libraries, the demo's client
#   scripts/deps.sh packages     that, and what `scripts/packages.sh` needs
#   scripts/deps.sh test         all of these, and what `./test` needs
#   scripts/deps.sh --list test  only says what is missing
#
# Installs only what is missing, asks nothing, and lets no daemon start.
set -euo pipefail

build=(
  ca-certificates cmake ninja-build g++ ccache mold pkg-config
  libboost-json1.81-dev libfmt-dev libexpected-dev libtomlplusplus-dev libcli11-dev
  libmnl-dev libseccomp-dev libcap-ng-dev
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
  clang python3 scdoc iproute2 procps udhcpc
)
packages=(
  "${build[@]}"
  g++-mingw-w64-x86-64-posix dpkg-dev file
)
test=(
  "${packages[@]}" adduser
  clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14
  isc-dhcp-client isc-dhcp-relay dhcpcd-base strace socat
)
# What tests can do without: they say so and are left out.
optional=(wine64)

missing() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done
}

# isc-dhcp-relay would start itself: Debian asks this file before any daemon is started.
forbid_daemons() {
  [[ -e /usr/sbin/policy-rc.d ]] && return
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

install() {
  if ! command -v apt-get >/dev/null; then
    echo "hookline: this needs Debian 12's apt-get; install by hand: $*" >&2
    return 1
  fi
  if ((EUID != 0)); then
    echo "hookline: packages are missing and only root can install them: $*" >&2
    return 1
  fi
  local log
  log=$(mktemp)
  echo "Installing $# packages: $*"
  forbid_daemons
  export DEBIAN_FRONTEND=noninteractive
  # An old package list is good enough when it still leads to every package.
  if apt-get install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return
  fi
  if apt-get update >>"$log" 2>&1 </dev/null &&
    apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return
  fi
  tail -n 15 "$log" >&2
  echo "hookline: could not install packages (log: $log)." >&2
  echo "hookline: is this Debian 12, and does it reach its package archive? Missing: $*" >&2
  return 1
}

only_list=false
[[ ${1-} == --list ]] && only_list=true && shift
case ${1-} in
  build) mapfile -t wanted < <(missing "${build[@]}") ;;
  packages) mapfile -t wanted < <(missing "${packages[@]}") ;;
  test) mapfile -t wanted < <(missing "${test[@]}") ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
if $only_list; then
  ((${#wanted[@]} == 0)) || printf '%s\n' "${wanted[@]}"
  exit 0
fi
((${#wanted[@]} == 0)) || install "${wanted[@]}"
if [[ $1 == test ]]; then
  mapfile -t wanted < <(missing "${optional[@]}")
  ((${#wanted[@]} == 0)) || install "${wanted[@]}" ||
    echo "hookline: without ${wanted[*]}: the tests of Windows DLLs will be skipped" >&2
fi
