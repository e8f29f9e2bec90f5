#!/usr/bin/env bash
# A shortened LeNet training comes to the cpu backend's accuracy, computes everything itself, and validates.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }

accuracy() { sed -n 's/^test accuracy 0\.\([0-9]\{4\}\).*/1\1/p' out; }
export CRESSET_FALLBACK=error
expect 0 "$cresset" train lenet --epochs 2 --limit 3000 --seed 7 --backend cpu --name cpu
cpu=$(accuracy)
expect 0 "$cresset" train lenet --epochs 2 --limit 3000 --seed 7 --backend vulkan --name vulkan
vulkan=$(accuracy)
difference=$((${vulkan:-0} - ${cpu:-0}))
[ "${difference#-}" -le 300 ] || complain "accuracy $((vulkan - 10000)) of 10000, cpu has $((cpu - 10000))"

# On a device that lacks 64-bit integers and small storage, too: the same losses as far as they are printed.
expect 0 "$cresset" train lenet --epochs 1 --limit 128 --seed 7 --backend cpu --name cpu128
losses=$(sed -n 's/^epoch 1\/1  \(loss .*\)  [0-9]* images.*/\1/p' out)
expect 0 env CRESSET_VULKAN_WITHOUT=int64 "$cresset" train lenet --epochs 1 --limit 128 --seed 7 --backend vulkan --name lean
says out "${losses:-no losses}"

watch
expect 0 "$cresset" train lenet --epochs 1 --limit 320 --seed 7 --backend vulkan --name watched
silent
finish
