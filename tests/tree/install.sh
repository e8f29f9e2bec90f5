#!/usr/bin/env bash
# Installs into a folder, and builds and runs a program outside of the tree against it: by pkg-config and by CMake.
set -eu
build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$build" --prefix "$folder/usr" >/dev/null
mkdir "$folder/app"
cat >"$folder/app/main.c" <<'END'
#include <cresset/cresset.h>
#include <stdio.h>
int main(void)
{
    cr_tensor *x = cr_requires_grad_(cr_tensor_f32(CR_INTS(2), 3, 4), 1);
    cr_backward(cr_sum(cr_mul(x, x)));
    printf("%g\n", cr_item(cr_sum(cr_grad(x))));
    return cr_exit();
}
END
cat >"$folder/app/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(app C)
find_package(cresset REQUIRED)
add_executable(app main.c)
target_link_libraries(app PRIVATE cresset::cresset)
END
unset CRESSET_BACKEND CRESSET_BACKEND_PATH
library=$(dirname "$(find "$folder/usr" -name libcresset.so)")
PKG_CONFIG_PATH=$library/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$folder/app/main.c" $(pkg-config --cflags --libs cresset) -Wl,-rpath,"$library" -o "$folder/one"
[ "$("$folder/one")" = 14 ]
cmake -G "$(sed -n "s/^CMAKE_GENERATOR:INTERNAL=//p" "$build/CMakeCache.txt")" -S "$folder/app" -B "$folder/app/build" -DCMAKE_PREFIX_PATH="$folder/usr" >/dev/null
cmake --build "$folder/app/build" >/dev/null
[ "$("$folder/app/build/app")" = 14 ]
"$folder/usr/bin/cresset" version
