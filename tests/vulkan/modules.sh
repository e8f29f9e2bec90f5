#!/usr/bin/env bash
# usage: modules.sh FOLDER: the built shaders for devices without 64-bit integers and small storage ask for neither: besides
# shaders (1) and, where they go by address, addresses (0x14e3), they declare no capability.
set -eu
declare -i seen=0 bad=0
for file in "$1"/*_lean.inc "$1"/*_lean_checked.inc; do
    # Five words of header, then the capabilities, two words each.
    read -ra words < <(head -c 600 "$file" | tr -d '{\n ' | tr ',' ' '; echo)
    seen+=1
    for ((i = 5; i < 30; i += 2)); do
        [ "${words[i]}" = 0x00020011 ] || break
        case $file:${words[i + 1]} in
        *:0x00000001 | *_lean.inc:0x000014e3) ;;
        *)
            echo "$(basename "$file") declares capability ${words[i + 1]}" >&2
            bad+=1
            ;;
        esac
    done
    ((i > 5)) || { echo "$file has no capabilities" >&2; bad+=1; }
done
echo "$seen modules"
((seen >= 80 && bad == 0))
