#!/usr/bin/env bash
# What is converted there and back is the same, and refusals leave files alone.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
printf 'a,b\n1,2.5\n3,4.5\n' >table.csv
expect 0 "$cresset" convert table.csv table.safetensors
says out "int64"
expect 0 "$cresset" convert table.safetensors table.npz
expect 0 "$cresset" convert table.npz again.safetensors
cmp -s table.safetensors again.safetensors || complain "not the same after a round"
expect 0 "$cresset" convert table.npz b.npy --name b
expect 0 "$cresset" convert b.npy b.safetensors
says out "float64"
cp b.npy before.npy
expect 1 "$cresset" convert table.npz b.npy
says err "choose one with --name"
one_sentence
cmp -s b.npy before.npy || complain "a refusal changed the file"
expect 1 "$cresset" convert table.npz b.npy --name c
says err 'no tensor "c"'
expect 1 "$cresset" convert nowhere.npz x.npy
one_sentence
expect 2 "$cresset" convert table.csv table.txt
expect 2 "$cresset" convert table.txt table.npz
expect 2 "$cresset" convert table.csv
head -c 40 table.npz >short.npz
expect 1 "$cresset" convert short.npz x.safetensors
one_sentence
[ ! -e x.safetensors ] || complain "a file was left"
finish
