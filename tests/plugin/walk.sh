#!/usr/bin/env bash
# Follows plugins/template/README.md literally, against an installed Cresset: every command block, in order, each of which has
# to end well. Then the ways to build that it names, the same training as on cpu, and the file's length.
# usage: walk.sh SOURCE BUILD
set -euo pipefail
source=$1 build=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset CRESSET_BACKEND CRESSET_BACKEND_PATH CRESSET_FALLBACK
cmake --install "$build" --prefix "$folder/usr" >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$folder/usr" -name cresset.pc)")
export PKG_CONFIG_PATH PATH="$folder/usr/bin:$PATH"
cp -r "$source/plugins/template" "$folder/walk"
cd "$folder/walk"

awk '/^```sh/ { inside = 1; print "echo \"== block " ++n "\""; next } /^```/ { inside = 0 } inside' README.md >../walk.sh
[ "$(grep -c '^echo "== block' ../walk.sh)" -ge 7 ]
bash -euo pipefail ../walk.sh

rm foo.c # template.c again
lines=$(cat ./*.c | wc -l)
[ "$lines" -le 300 ] || { echo "the plugin has $lines lines"; exit 1; }
[ "$(awk 'length > 100' template.c | wc -l)" -eq 0 ] || { echo "a line has more than 100 columns"; exit 1; }

# The bare header alone, strictly; and CMake, with an installed Cresset and with the header alone.
mkdir -p ../alone/cresset
cp "$source/include/cresset/backend.h" ../alone/cresset
cc -std=c11 -Wall -Wextra -Wpedantic -Wno-unused-parameter -Werror -shared -fPIC -I../alone template.c -o ../alone/libfoo.so -lm
cresset conform --backend "$folder/alone/libfoo.so" --level memory >/dev/null
generator=$(sed -n "s/^CMAKE_GENERATOR:INTERNAL=//p" "$build/CMakeCache.txt")
cmake -G "$generator" -S . -B one -DCMAKE_PREFIX_PATH="$folder/usr" >/dev/null
cmake -G "$generator" -S . -B two -DCRESSET_INCLUDE="$folder/alone" >/dev/null
for way in one two; do
    cmake --build $way >/dev/null
    cresset conform --backend "$PWD/$way/libfoo.so" --level memory >/dev/null
done

# LeNet learns on it what it learns on cpu.
line() { grep -o "^epoch 1/1  loss [0-9.]*  accuracy [0-9.]*  test loss [0-9.]*" "$1"; }
train() { CRESSET_BACKEND=$1 cresset train lenet --epochs 1 --limit 48 --batch-size 8 --out "$2" >"$2.txt"; }
if [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]; then
    CRESSET_FALLBACK=error train "$PWD/one/libfoo.so" "$folder/ours"
    train cpu "$folder/cpu"
    [ "$(line "$folder/ours.txt")" = "$(line "$folder/cpu.txt")" ] || { cat "$folder/ours.txt" "$folder/cpu.txt"; exit 1; }
fi
