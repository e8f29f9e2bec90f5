#!/usr/bin/env bash
# Every public header compiles alone, as C11 and as C++17, without a warning, with each compiler at hand.
set -eu
source=$1 build=$2
include=(-I"$source/include" -I"$build/generated")
for header in "$source"/include/cresset/*.h "$build/generated/cresset/ops.h"; do
    name=$(basename "$header")
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        echo "#include <cresset/$name>" | $cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "${include[@]}" -x c -
    done
    for cxx in g++ clang++; do
        command -v $cxx >/dev/null || continue
        echo "#include <cresset/$name>" | $cxx -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "${include[@]}" -x c++ -
    done
done
