#!/usr/bin/env bash
# Conformance finds a kernel that is broken on purpose, in each family of primitives; with nothing broken it finds nothing.
# usage: broken.sh CRESSET PLUGIN
set -u
cresset=$1 plugin=$2 found=0 missed=0
report=$(mktemp)
trap 'rm -f "$report"' EXIT
# try FAMILY HOW OPERATION PATTERN: whether some sample of the operations that match fails, and not the command for another reason
try() {
    if CRESSET_BREAK=$2:$3 "$cresset" conform --backend "$plugin" --op "$4" > "$report" 2>&1; then
        echo "MISSED: $3 is broken ($2) and $4 passes"
        missed=$((missed + 1))
    elif ! grep -qw FAIL "$report"; then
        echo "NOT TRIED: $3 ($2): $(tail -n 1 "$report")"
        missed=$((missed + 1))
    else
        found=$((found + 1))
        printf '%-22s %-8s %s\n' "$1" "$2" "$3"
    fi
}
# family FAMILY OPERATION PATTERN HOW...: the pattern passes as long as nothing is broken
family() {
    local name=$1 op=$2 pattern=$3 how
    shift 3
    "$cresset" conform --backend "$plugin" --op "$pattern" > "$report" 2>&1 || {
        echo "$pattern fails with nothing broken: $(tail -n 1 "$report")"
        missed=$((missed + 1))
    }
    for how; do
        try "$name" "$how" "$op" "$pattern"
    done
}
"$cresset" conform --backend "$plugin" > /dev/null || { echo "the unbroken plugin fails"; exit 1; }
family "one input"     exp                exp         sign last stride nan past
family "two inputs"    add.Tensor         'add*'      sign last stride nan past
family "three inputs"  where.self         'where*'    sign last stride nan past
family "copy"          copy               '_to_copy'  sign last stride nan past
family "cast"          copy               '_to_copy'  rounds cuts clips
family "fill"          fill.Scalar        full        sign last nan past
family "iota"          arange.start_step  'arange*'   sign last past
family "reduce"        sum.dim_IntList    'sum*'      sign last stride nan past
family "reduce, index" argmax             argmax      sign last stride past
family "scan"          cumsum             cumsum      sign last stride nan past
family "scan, two results" cummax         cummax      sign last stride nan past
family "matmul"        bmm                bmm         sign last stride nan past
family "gather"        gather             gather      sign last stride nan past
family "scatter"       scatter.src        'scatter*'  sign last stride nan past
family "scatter, reduced" scatter_reduce.two 'scatter_*' sign last stride nan past
family "sort"          sort.stable        sort        sign last stride nan past
family "random bits"   random_bits        random_bits sign last past again
echo "$found broken kernels found, $missed missed"
[ "$missed" -eq 0 ]
