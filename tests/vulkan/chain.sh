#!/usr/bin/env bash
# Captured chains (test_chain.c) in both flavours of kernels, with the validation layer silent.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
watch
export CRESSET_BACKEND=vulkan CRESSET_FALLBACK=error
for checked in 0 1; do
    expect 0 env CRESSET_VULKAN_CHECKED=$checked "$2"
    silent
    says out "100%: Checks:"
done
finish
