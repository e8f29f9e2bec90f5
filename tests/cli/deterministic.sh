#!/usr/bin/env bash
# CRESSET_DETERMINISTIC=1: training ends with the same bits each time, on one thread and on two, on every processor backend.
# usage: deterministic.sh CRESSET BACKEND…
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }
shift
for backend in "$@"; do
    for threads in 1 2; do
        for time in first second; do
            expect 0 env CRESSET_DETERMINISTIC=1 "CRESSET_BACKEND=$backend" "$cresset" train lenet --epochs 1 --limit 1000 --seed 7 \
                --threads $threads --name "$backend-$threads-$time"
        done
        cmp -s "runs/$backend-$threads-first/best.safetensors" "runs/$backend-$threads-second/best.safetensors" ||
            complain "$backend, $threads threads: the second time learned something else"
    done
    cmp -s "runs/$backend-1-first/best.safetensors" "runs/$backend-2-first/best.safetensors" ||
        complain "$backend: two threads learned something else than one"
done
finish
