#!/usr/bin/env bash
# What can't work says so in one sentence, ends with 1, and harms no earlier run.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }
short=(--epochs 1 --limit 64)

expect 1 "$cresset" train lenet "${short[@]}" --data ./nowhere
says err "nowhere"
one_sentence
[ ! -e runs ] || complain "a folder for a run that never was"
mkdir empty
expect 1 "$cresset" train lenet "${short[@]}" --data empty
says err "train-images-idx3-ubyte"
one_sentence

mkdir cut lies
cp "$data"/*.gz cut
head -c 100000 "$data/train-images-idx3-ubyte.gz" >cut/train-images-idx3-ubyte.gz
expect 1 "$cresset" train lenet "${short[@]}" --data cut
says err "train-images-idx3-ubyte.gz"
one_sentence
cp "$data"/*.gz lies
gzip -dc "$data/train-labels-idx1-ubyte.gz" | head -c 1000 >lies/train-labels-idx1-ubyte
rm lies/train-labels-idx1-ubyte.gz
expect 1 "$cresset" train lenet "${short[@]}" --data lies
says err "train-labels-idx1-ubyte"
one_sentence

expect 0 "$cresset" train lenet "${short[@]}" --name kept
cp -r runs/kept before
expect 1 "$cresset" train lenet "${short[@]}" --name kept
says err "kept"
one_sentence
diff -r runs/kept before || complain "an earlier run was changed"
expect 1 "$cresset" train lenet "${short[@]}" --backend nowhere
says err "nowhere"
expect 1 "$cresset" train lenet "${short[@]}" --out ./kept/no/such
one_sentence

# A file that may not grow, as on a full disk: what was there stays whole.
(
    trap '' XFSZ
    ulimit -f 8
    expect 1 "$cresset" train lenet "${short[@]}" --name kept --force
    one_sentence
    exit "$failures"
) || failures=$((failures + 1))
cmp -s runs/kept/best.safetensors before/best.safetensors || complain "a checkpoint was lost when there was no space"

if [ "$(id -u)" -ne 0 ] || command -v setpriv >/dev/null; then
    as=()
    [ "$(id -u)" -ne 0 ] || { as=(setpriv --reuid=65534 --regid=65534 --clear-groups); chmod 755 "$work"; }
    mkdir readonly
    chmod 555 readonly
    expect 1 "${as[@]}" "$cresset" train lenet "${short[@]}" --out readonly
    says err "readonly"
    one_sentence
fi
finish
