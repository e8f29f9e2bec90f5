#!/usr/bin/env bash
# A very short LeNet training comes to the cpu backend's losses.
# shellcheck source=tests/opencl/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }

loss() { sed -n 's/^epoch 1.*test loss \([0-9.]*\).*/\1/p' out; }
for backend in cpu opencl; do
    expect 0 "$cresset" train lenet --epochs 1 --limit 320 --seed 7 --backend "$backend" --name "$backend"
    eval "$backend=\$(loss)"
done
# shellcheck disable=SC2154
awk "BEGIN { d = ${opencl:-0} - ${cpu:-9}; exit !(d < 0.01 && d > -0.01) }" || complain "test loss $opencl, cpu has $cpu"
finish
