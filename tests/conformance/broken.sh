#!/usr/bin/env bash
# Conformance finds a kernel that is broken on purpose, in each family of primitives; with nothing broken it finds nothing.
# usage: broken.sh CRESSET PLUGIN
set -u
missed=0
# break HOW:OPERATION PATTERN
try() {
    if CRESSET_BREAK=$1 "$cresset" conform --backend "$plugin" --op "$2" >/dev/null 2>&1; then
        echo "MISSED: $1 is broken and $2 passes"
        missed=$((missed + 1))
    else
        found=$((found + 1))
    fi
}
cresset=$1 plugin=$2 found=0
"$cresset" conform --backend "$plugin" >/dev/null || { echo "the unbroken plugin fails"; exit 1; }
for how in sign last stride nan past; do
    try "$how:exp" 'exp'
    try "$how:add.Tensor" 'add*'
    try "$how:sum.dim_IntList" 'sum*'
    try "$how:cumsum" 'cumsum'
    try "$how:copy" '*'
    [ "$how" = nan ] && continue
    try "$how:where.self" 'where*'
    try "$how:bmm" 'matmul'
    try "$how:gather" 'gather'
    try "$how:sort.stable" 'sort'
    try "$how:scatter.src" 'scatter*'
    [ "$how" = stride ] && continue
    try "$how:scatter_reduce.two" 'scatter_*'
    try "$how:fill.Scalar" 'full'
    try "$how:arange.start_step" 'arange*'
done
echo "$found broken kernels found, $missed missed"
[ "$missed" -eq 0 ]
