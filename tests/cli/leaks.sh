#!/usr/bin/env bash
# Training LeNet leaves nothing allocated, says valgrind.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
data=/usr/share/datasets/fashion-mnist
command -v valgrind >/dev/null || { echo "no valgrind on this machine" >&2; exit 77; }
[ -e "$data/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }
# With cpu alone: whatever else is there loads drivers, and valgrind has much to say about those.
mkdir only && cp "${CRESSET_BACKEND_PATH%%:*}/libcresset_cpu.so" only/
expect 0 env "CRESSET_BACKEND_PATH=$PWD/only" CRESSET_CPU_ISA=v3 OPENBLAS_CORETYPE=Haswell valgrind --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
    "$cresset" train lenet --epochs 1 --limit 128
says err "0 errors from 0 contexts"
finish
