#!/usr/bin/env bash
# Every operation against PyTorch's results.
# shellcheck source=tests/opencl/lib.sh
. "$(dirname "$0")/lib.sh"
expect 0 "$cresset" conform --backend opencl
says out ", 0 failed on opencl"
finish
