#!/usr/bin/env bash
# Every operation against PyTorch's results, nothing lent by another backend, with the validation layer silent.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
watch
export CRESSET_FALLBACK=error
# Every plan twice, with guard zones, costs minutes on a software device: a part of the primitives shows the contract.
expect 0 env CRESSET_VALIDATE=0 "$cresset" conform --backend vulkan
silent
says out ", 0 failed on vulkan"
expect 0 "$cresset" conform --backend vulkan --level primitives --op '[b-e]*'
silent
says out ", 0 failed on vulkan"
finish
