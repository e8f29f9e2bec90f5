#!/usr/bin/env bash
# Includes never point back along base <- tensor <- dispatch <- ops <- autograd <- nn optim compile io einops <- data <- train (data reads its
# files through io).
set -eu
cd "$1"
declare -A level=([base]=0 [tensor]=1 [dispatch]=2 [ops]=3 [autograd]=4 [nn]=5 [optim]=5 [compile]=5 [io]=5 [einops]=5 [data]=6 [train]=7)
bad=0
while IFS=: read -r file _ line; do
    from=${file#core/}; from=${from%%/*}
    to=$(sed -n 's|.*"core/\([a-z]*\)/.*|\1|p' <<<"$line")
    [ -n "$to" ] || continue
    if [ "${level[$to]}" -gt "${level[$from]}" ] || { [ "${level[$to]}" -eq "${level[$from]}" ] && [ "$to" != "$from" ]; }; then
        echo "$file includes core/$to, which lies behind it"
        bad=1
    fi
done < <(grep -rn '#include "core/' core --include='*.c' --include='*.h')
if grep -n '#include <cresset' include/cresset/backend.h; then echo "backend.h does not stand alone"; bad=1; fi
if grep -rn '#include "core/' backends plugins tools --include='*.c' --include='*.h' 2>/dev/null; then
    echo "the core is used from outside by its internal headers"; bad=1
fi
exit $bad
