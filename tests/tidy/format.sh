#!/bin/sh
# Every C++ file is as clang-format 14 writes it. `tests/tidy/format.sh --fix` makes it so.
cd "$(dirname "$0")/../.." || exit 1
check="--dry-run -Werror"
[ "${1-}" = --fix ] && check=-i
find src tests bench sdk -name '*.cc' -o -name '*.h' -path 'src/*' -o -name '*.h' -path 'tests/*' |
  sort | xargs clang-format-14 $check
