#!/usr/bin/env bash
# An example's last line is a figure, which must lie between two limits.
# usage: example_learns.sh PROGRAM LOW HIGH FILE [ARGUMENT…], skipped without FILE
set -eu
program=$1 low=$2 high=$3 file=$4
shift 4
[ -e "$file" ] || { echo "no $file on this machine" >&2; exit 77; }
last=$("$program" "$@" | tail -n 1)
echo "$last"
awk -v "low=$low" -v "high=$high" '{ exit !($NF >= low && $NF <= high) }' <<<"$last"
