#!/usr/bin/env bash
# A checkpoint says the same in eval as in training, and predicts what it learned.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
images=/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
[ -e "$images" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }
expect 0 "$cresset" train lenet --epochs 1 --limit 10000 --seed 3 --name a
accuracy=$(sed -n 's/^test accuracy \(0\.[0-9]*\).*/\1/p' out)
expect 0 "$cresset" eval runs/a/best.safetensors
says out "accuracy $accuracy  images 10000"
says out "Ankle boot"
expect 0 "$cresset" predict runs/a/best.safetensors --index 0
says out "labelled Ankle boot"
sed -n 2p out | cut -d' ' -f3- >one
expect 0 "$cresset" convert "$images" images.npy
expect 0 "$cresset" predict runs/a/best.safetensors images.npy
[ "$(wc -l <out)" -eq 10000 ] || complain "not a line an image"
head -n 1 out | cut -d' ' -f3- | cmp -s - one || complain "a file's image looks otherwise than the data set's"
expect 1 "$cresset" eval images.npy
one_sentence
expect 1 "$cresset" predict runs/a/best.safetensors runs/a/metrics.csv
expect 2 "$cresset" predict runs/a/best.safetensors
expect 2 "$cresset" eval
expect 1 "$cresset" predict runs/a/best.safetensors --index 10000
one_sentence
finish
