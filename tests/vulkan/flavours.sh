#!/usr/bin/env bash
# The other ways in which the backend computes, on some operations of each family: values by descriptors, a GPU's choice of
# kernels and memory, and the tiles of cooperative matrices; with the validation layer silent.
# shellcheck source=tests/vulkan/lib.sh
. "$(dirname "$0")/lib.sh"
watch
export CRESSET_FALLBACK=error

# pass VARIABLE=VALUE PATTERN…: the operations conform.
pass() {
    local setting=$1 pattern
    shift
    for pattern in "$@"; do
        expect 0 env "$setting" "$cresset" conform --backend vulkan --op "$pattern"
        silent
        says out ", 0 failed on vulkan"
    done
}
pass CRESSET_VULKAN_CHECKED=1 'b*mm' 'conv*d' 'native_*norm*' 'cumsum' 'gather' 'scatter*' 'sort' '*softmax*' '*pool2d*' 'add' 'nll*' '*attention*'
pass CRESSET_VULKAN_AS_GPU=1 '*mm' 'conv*d' 'native_*norm*' '*softmax*' 'sum' 'argmax' 'cumsum' 'nll*'
pass CRESSET_VULKAN_MATRIX=emulated '*mm'
pass CRESSET_VULKAN_WITHOUT=texels '*mm' 'conv*d' 'native_*norm*' '*pool2d*' 'nll*' '*softmax*' 'sum' 'add'

# Devices that have less: f64 is then the cpu backend's, said plainly, and everything else still the device's own.
pass CRESSET_VULKAN_WITHOUT=addresses,subgroups,budget 'bmm' 'conv2d' 'sum'
expect 0 env CRESSET_FALLBACK=allow CRESSET_VULKAN_WITHOUT=float64 "$cresset" conform --backend vulkan --op 's*m*'
silent
says out ", 0 failed on vulkan"
expect 0 env CRESSET_VULKAN_WITHOUT=float64 "$cresset" backends
says out "no f64"

# Without integers of 64 bits, or small ones in memory, by address and by descriptors: all but f64, and i64's products of
# matrices, is the device's own. No kernel that is built for such devices declares what they lack.
lean() {
    local without=$1 pattern
    shift
    for pattern in "$@"; do
        expect 0 env CRESSET_FALLBACK=allow "CRESSET_VULKAN_WITHOUT=$without" "$cresset" conform --backend vulkan --op "$pattern"
        silent
        says out ", 0 failed on vulkan"
    done
}
lean int64 'add' 'conv2d' 'native_batch*' 'argmax' 'gather' 'scatter*' 'max_pool2d*' 'bitwise*' 'div*'
lean storage8 'mm' 'cummax' 'sort' 'where*' 'eq' 'nll_loss'
lean storage16,addresses 'bmm' 'sum' 'gather' 'scatter_add' '_softmax*' 'embedding'
expect 0 env CRESSET_VULKAN_WITHOUT=int64 "$cresset" backends
says out "no f64, i64 as words"

expect 0 env CRESSET_LOG=warning CRESSET_VULKAN_MATRIX=emulated:64 "$cresset" conform --backend vulkan --op mm
says err "elements of a product are wrong; it does without them"
finish
