#!/usr/bin/env bash
# Every operation against PyTorch's results.
# shellcheck source=tests/opencl/lib.sh
. "$(dirname "$0")/lib.sh"
# Every plan twice, with guard zones, costs minutes on a software device: a part of the primitives shows the contract.
expect 0 env CRESSET_VALIDATE=0 "$cresset" conform --backend opencl
says out ", 0 failed on opencl"
expect 0 "$cresset" conform --backend opencl --level primitives --op '[b-e]*'
says out ", 0 failed on opencl"
finish
