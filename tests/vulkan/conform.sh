#!/usr/bin/env bash
# Every operation against PyTorch's results, nothing lent by another backend, with the validation layer silent.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
watch
export CRESSET_FALLBACK=error
expect 0 "$cresset" conform --backend vulkan
silent
says out ", 0 failed on vulkan"
finish
