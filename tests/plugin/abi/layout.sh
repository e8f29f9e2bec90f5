#!/usr/bin/env bash
# Holds the layout of ABI 1.0 (layout.c) on its own header and on today's, with each compiler at hand, for 64 and 32 bits;
# and the header compiles alone, including nothing but the C library, as C11 and C++17.
# usage: layout.sh SOURCE
set -eu
source=$1 done=0
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    for include in "$source/include" "$source/tests/plugin/abi/1.0"; do
        for bits in 64 32; do
            # Freestanding, so that no 32-bit C library is needed; a compiler for another processor has no -m32.
            echo 'int x;' | $cc -m$bits -fsyntax-only -x c - 2>/dev/null || continue
            $cc -m$bits -ffreestanding -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" "$source/tests/plugin/abi/layout.c"
            done=$((done + 1))
        done
    done
done
for pair in gcc:c:c11 clang:c:c11 g++:c++:c++17 clang++:c++:c++17; do
    IFS=: read -r compiler language standard <<<"$pair"
    command -v "$compiler" >/dev/null || continue
    for include in "$source/include" "$source/tests/plugin/abi/1.0"; do
        echo '#include <cresset/backend.h>' | "$compiler" -std="$standard" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$include" -x "$language" -
        done=$((done + 1))
    done
done
if grep '^#include' "$source/include/cresset/backend.h" | grep -Ev '<(stdbool|stddef|stdint)\.h>'; then
    echo "backend.h includes more than the C library"
    exit 1
fi
[ "$done" -ge 4 ]
echo "$done compilations"
