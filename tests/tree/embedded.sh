#!/usr/bin/env bash
# Cresset with its backends linked in, as a shared library and as an archive: configured with CRESSET_STATIC_BACKENDS, built,
# installed, and used by a program that is linked to it alone. What the main build has made by the same command is taken
# from there, so that only the backends' entries are compiled anew.
# usage: embedded.sh SOURCE BUILD BACKEND…
set -eu
source=$1 main=$2
shift 2
here=$source/tests/tree
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
build=$folder/build
unset CRESSET_BACKEND CRESSET_BACKEND_PATH CMAKE_C_COMPILER_LAUNCHER
fail() { echo "FAILED: $*" >&2; exit 1; }

cached() { sed -n "s/^$1:[A-Z]*=//p" "$main/CMakeCache.txt"; }
configure() {
    cmake -G "$(cached CMAKE_GENERATOR)" -S "$source" -B "$build" "-DCMAKE_BUILD_TYPE=$(cached CMAKE_BUILD_TYPE)" \
        "-DCMAKE_C_COMPILER=$(cached CMAKE_C_COMPILER)" "-DCRESSET_STATIC_BACKENDS=$(IFS=';'; echo "$*")" \
        "-DCMAKE_C_COMPILER_LAUNCHER=$here/reuse_object.sh;$main;$build" "-DBUILD_SHARED_LIBS=$shared" >"$folder/log" 2>&1
}

# What a name that is none leads to.
shared=ON
! configure cpu abacus || fail "a backend that does not exist was taken"
grep -q 'there is no backend "abacus"' "$folder/log" || { cat "$folder/log"; fail "it isn't said that there is no abacus"; }

for shared in ON OFF; do
    usr=$folder/usr-$shared
    configure "$@" || { cat "$folder/log"; fail "configuring"; }
    cmake --build "$build" >"$folder/log" 2>&1 || { tail -30 "$folder/log"; fail "building"; }
    cmake --install "$build" --prefix "$usr" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "installing"; }
    [ -z "$(find "$usr" -name 'libcresset_*')" ] || fail "backends were installed as files of their own"
    library=$(dirname "$(find "$usr" -name 'libcresset.*' | head -n 1)")
    export PKG_CONFIG_PATH=$library/pkgconfig
    # shellcheck disable=SC2046
    cc -std=c11 -Wall -Wextra -Werror "$here/embedded.c" $(pkg-config --cflags --libs cresset) -ldl -Wl,-rpath,"$library" -o "$folder/one-$shared"
    mkdir -p "$folder/app"
    cp "$here/embedded.c" "$folder/app/main.c"
    cat >"$folder/app/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(app C)
find_package(cresset REQUIRED)
add_executable(app main.c)
target_link_libraries(app PRIVATE cresset::cresset ${CMAKE_DL_LIBS})
END
    {
        cmake -G "$(cached CMAKE_GENERATOR)" -S "$folder/app" -B "$folder/app-$shared" -DCMAKE_PREFIX_PATH="$usr"
        cmake --build "$folder/app-$shared"
    } >"$folder/log" 2>&1 || { cat "$folder/log"; fail "a program by CMake"; }
    rm -rf "$build/lib/cresset"
    for backend in "$@"; do
        for program in "$folder/one-$shared" "$folder/app-$shared/app"; do
            CRESSET_BACKEND=$backend CRESSET_BACKEND_PATH=$main/lib/cresset "$program" "$backend" >"$folder/out" 2>&1 ||
                { cat "$folder/out"; fail "$program on $backend"; }
            for line in "device $backend" "gradient 80" "convolution 3888" "loads 0, mapped 0" "backend $1 (built in)" \
                "backend $backend (built in)" "refused: .*has its backends built in and loads no others"; do
                grep -q "^$line" "$folder/out" || { cat "$folder/out"; fail "\"$line\" isn't said by $program on $backend"; }
            done
        done
    done
    "$usr/bin/cresset" backends >"$folder/out"
    [ "$(grep -c '(built in)' "$folder/out")" -eq $# ] || { cat "$folder/out"; fail "cresset backends"; }
done
