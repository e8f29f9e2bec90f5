#!/usr/bin/env bash
# A compiler launcher: where another build tree has made an object by the same command, takes that one, and else compiles.
# usage: reuse_object.sh OTHER_TREE THIS_TREE compiler arguments…
other=$1 this=$2
shift 2
words=() object='' source=''
arguments=("$@")
for ((i = 0; i < $#; i++)); do
    case ${arguments[i]} in
    -MD) continue ;;
    -MT | -MF) ((i++)); continue ;;
    -o) object=${arguments[i + 1]} ;;
    -c) source=${arguments[i + 1]} ;;
    esac
    words+=("${arguments[i]//"$this"/$other}")
done
made=$other/$(realpath -m --relative-to="$this" "${object:-/}")
if [ -n "$source" ] && [ "$made" -nt "${source/#"$this"/$other}" ] && grep -qF "${words[*]}\"" "$other/compile_commands.json"; then
    exec cp "$made" "$object"
fi
exec "$@"
