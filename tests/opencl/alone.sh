#!/usr/bin/env bash
# The plugin builds from its folder and the public header alone, and works as a file.
# shellcheck source=tests/opencl/lib.sh
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p include/cresset
cp "$root/include/cresset/backend.h" include/cresset/
cp -r "$root/plugins/opencl" plugin
expect 0 cmake -S plugin -B build -DCRESSET_INCLUDE_DIR="$work/include"
expect 0 cmake --build build
expect 0 "$cresset" conform --backend "$work/build/libcresset_opencl.so" --op relu
says out ", 0 failed on opencl"
finish
