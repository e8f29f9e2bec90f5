#!/usr/bin/env bash
# Training LeNet leaves nothing allocated, says valgrind.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli/lib.sh
. "$here/lib.sh"
data=/usr/share/datasets/fashion-mnist
command -v valgrind >/dev/null || { echo "no valgrind on this machine" >&2; exit 77; }
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }
expect 0 env CRESSET_CPU_ISA=v3 OPENBLAS_CORETYPE=Haswell valgrind --suppressions="$here/valgrind.supp" --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
    "$cresset" train lenet --epochs 1 --limit 128
says err "0 errors from 0 contexts"
finish
