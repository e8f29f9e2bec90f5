#!/usr/bin/env bash
# Every name of torch.nn.functional is declared, as cr_f_NAME or cr_NAME, and its comment says what shapes it takes and gives.
set -eu
source=$1 build=$2
headers=$(cat "$source"/include/cresset/*.h "$build/generated/cresset/ops.h")
shapes=$source/core/ops/op_shapes.def
bad=0
while read -r name _; do
    [[ -z $name || $name == \#* ]] && continue
    if ! grep -Eq "\bcr_(f_)?$name(_with_?)?\b" <<<"$headers"; then
        echo "no cr_f_$name and no cr_$name"
        bad=1
    fi
    id=${name%_}
    grep -Eq "^SHAPES\((f_)?$id," "$shapes" || grep -Eq "\bcr_(f_)?$name(_with)?\b" "$source/include/cresset/functional.h" "$source/include/cresset/transformer.h" || {
        echo "$name: no shapes in $shapes"
        bad=1
    }
done <"$source/tools/parity/functional.txt"
exit $bad
