#!/bin/sh
# dhcpssdk.h and hookline/packet.h compile without a word in every standard, by gcc and clang, with
# wide characters of either size; and a wrong layout is noticed.
include=$(cd "$(dirname "$0")/../include" && pwd)
failed=0
one() {
  printf '#include <%s>\n' dhcpssdk.h hookline/packet.h hookline/host.h stddef.h |
    "$@" -I"$include" -Wall -Wextra -pedantic -Werror -fsyntax-only - || {
    echo "FAILED: $*"
    failed=1
  }
}
for wide in -fshort-wchar -fno-short-wchar; do
  for standard in c11 c17; do
    one gcc -x c -std=$standard $wide
    one clang -x c -std=$standard $wide
  done
  for standard in c++11 c++14 c++17 c++20; do
    one g++ -x c++ -std=$standard $wide
    one clang++ -x c++ -std=$standard $wide
  done
done
# The assertions can fail: with another field type they do.
printf '#include <dhcpssdk.h>\n' |
  gcc -x c '-DDSDomainNameRequested=DSDomainNameRequested[9]' -I"$include" -fsyntax-only - \
    2>/dev/null && { echo "FAILED: a wrong layout compiles"; failed=1; }
exit $failed
