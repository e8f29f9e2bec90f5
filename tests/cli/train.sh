#!/usr/bin/env bash
# A short run learns something, is the same twice, and leaves its files; piped output has no control characters.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }

expect 0 "$cresset" train lenet --epochs 2 --limit 3000 --seed 7
says out "epoch 2/2"
says out "report in runs/lenet-1/report.html"
[ "$(wc -l <out)" -eq 4 ] || complain "not a line an epoch"
LC_ALL=C grep -q $'[\r\033]' out && complain "control characters in a pipe"
cp out first
for file in metrics.csv best.safetensors report.html; do
    [ -s "runs/lenet-1/$file" ] || complain "no $file"
done
[ "$(wc -l <runs/lenet-1/metrics.csv)" -eq 3 ] || complain "metrics.csv has not a line an epoch"
accuracy=$(sed -n 's/^test accuracy 0\.\([0-9][0-9]\).*/\1/p' out)
[ "${accuracy:-0}" -ge 55 ] || complain "accuracy 0.$accuracy"
for part in '<svg' 'Confusion' 'Misclassified' 'Conv2d-1' 'cpu' 'Learning rate' 'Norm of the gradient' 'Samples' 'conv1.weight' 'conv2: Conv2d'; do
    grep -q -- "$part" runs/lenet-1/report.html || complain "the report has no $part"
done
grep -qE '(src|href)="?http' runs/lenet-1/report.html && complain "the report isn't self-contained"

expect 0 "$cresset" train lenet --epochs 2 --limit 3000 --seed 7
[ -d runs/lenet-2 ] || complain "a second run took the first one's place"
cmp -s runs/lenet-1/best.safetensors runs/lenet-2/best.safetensors || complain "the same seed learned something else"
expect 0 "$cresset" train lenet --epochs 1 --limit 500 --seed 7 --threads 1 --name one
expect 0 "$cresset" train lenet --epochs 1 --limit 500 --seed 7 --threads 2 --name two
cmp -s runs/one/best.safetensors runs/two/best.safetensors || complain "two threads learned something else than one"

if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
    NO_COLOR=1 script -qec "'$cresset' train lenet --epochs 1 --limit 500 --name plain" /dev/null >out 2>err
    grep -q $'\033\[[0-9;]*m' out && complain "colours in spite of NO_COLOR"
    env -u NO_COLOR TERM=xterm script -qec "'$cresset' train lenet --epochs 1 --limit 500 --name live" /dev/null >out 2>err
    grep -q $'\r' out || complain "no live line on a terminal"
fi
finish
