#!/usr/bin/env bash
# Captured graphs (the programs given) in all flavours of kernels, products with a GPU's choice of them, too, with the validation layer silent.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
watch
export CRESSET_BACKEND=vulkan CRESSET_FALLBACK=error
for program in "${@:2}"; do
    settings=(CRESSET_VULKAN_CHECKED=0 CRESSET_VULKAN_CHECKED=1 CRESSET_VULKAN_WITHOUT=texels)
    [[ $program != *product* ]] || settings+=(CRESSET_VULKAN_AS_GPU=1 CRESSET_VULKAN_MATRIX=emulated)
    for setting in "${settings[@]}"; do
        expect 0 env "$setting" "$program"
        silent
        says out "100%: Checks:"
    done
done
finish
