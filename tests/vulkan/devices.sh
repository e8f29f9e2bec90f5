#!/usr/bin/env bash
# Devices by number and name; refusals that say why; and a pipeline cache that others cannot break.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
conform() { expect "$1" env CRESSET_FALLBACK=error "${@:2}" "$cresset" conform --op relu; }

conform 0 CRESSET_BACKEND=vulkan:0
says out ", 0 failed on vulkan"
name=$("$cresset" backends | sed -n 's/^  vulkan  *\([[:alnum:]]*\).*/\1/p' | head -n 1)
conform 0 "CRESSET_BACKEND=vulkan:$(tr '[:lower:]' '[:upper:]' <<<"$name")"
says out ", 0 failed on vulkan"
conform 1 CRESSET_BACKEND=vulkan:999
says err "vulkan:999: it has"
conform 1 CRESSET_BACKEND=vulkan:no-such-card
says err "neither the number of a device nor in a device's name"

nothing=(VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent)
conform 1 "${nothing[@]}" CRESSET_BACKEND=vulkan
says err "no Vulkan driver is installed"
one_sentence
conform 0 "${nothing[@]}" CRESSET_BACKEND=vulkan,cpu
says out ", 0 failed on cpu"

export XDG_CACHE_HOME=$work/cache
conform 0 CRESSET_BACKEND=vulkan
file=$(compgen -G "$work/cache/cresset/vulkan-*.bin") || complain "no pipeline cache was written"
if [ -n "$file" ]; then
    cp "$file" whole
    for damage in cut empty scratched foreign older long; do
        cp whole "$file"
        case $damage in
        cut) truncate -s -1 "$file" ;;
        empty) : >"$file" ;;
        scratched) printf '\377' | dd of="$file" bs=1 seek=78 conv=notrunc 2>/dev/null ;;
        foreign) printf '\1\2\3\4' | dd of="$file" bs=1 seek=8 conv=notrunc 2>/dev/null ;;
        older) printf '\1\2\3\4\5\6\7\10' | dd of="$file" bs=1 seek=40 conv=notrunc 2>/dev/null ;; # of other shaders
        long) head -c 100000 /dev/urandom >>"$file" ;;
        esac
        conform 0 CRESSET_BACKEND=vulkan CRESSET_LOG=info
        says err "is not this driver's or is broken"
        cmp -s whole "$file" || complain "a $damage cache was not replaced"
    done
    conform 0 CRESSET_BACKEND=vulkan CRESSET_LOG=info
    grep -q "is broken" err && complain "a whole cache was called broken"
    chmod 0500 "$work/cache/cresset"
    rm -f "$file" 2>/dev/null
    conform 0 CRESSET_BACKEND=vulkan
    chmod 0700 "$work/cache/cresset"
fi
finish
