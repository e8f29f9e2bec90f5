#!/usr/bin/env bash
# A very short LeNet training comes to the cpu backend's losses.
# shellcheck source=tests/opencl/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }

for backend in cpu opencl; do
    expect 0 "$cresset" train lenet --epochs 1 --limit 320 --seed 7 --backend "$backend" --name "$backend"
    sed -n 's/^epoch 1.*test loss \([0-9.]*\).*/\1/p' out >"loss.$backend"
done
paste loss.cpu loss.opencl | awk 'NF == 2 { d = $1 - $2; near = d < 0.01 && d > -0.01 } END { exit !near }' ||
    complain "test loss $(cat loss.opencl), cpu has $(cat loss.cpu)"
finish
