#!/usr/bin/env bash
# CRESSET_VALIDATE=1 finds each way to break the backend contract, says so in words, and finds nothing where nothing is broken.
# usage: sloppy.sh CRESSET FOLDER-OF-THE-WRAPPER BROKEN-PLUGIN SANITIZED
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
export CRESSET_BACKEND_PATH=$2:$CRESSET_BACKEND_PATH
broken=$3 sanitized=${4-}

# found HOW:OPERATION PATTERN WORDS
found() {
    expect 1 env CRESSET_SLOPPY="$1" "$cresset" conform --backend sloppy:cpu --op "$2"
    cat out err >both
    says both "CRESSET_VALIDATE: "
    says both "$3"
}
expect 0 env CRESSET_SLOPPY=nothing:add.Tensor "$cresset" conform --backend sloppy:cpu --op 'add*'
# (The smallest product is one of nothing, whose inputs have no elements.)
for op in add.Tensor:add exp:exp bmm:bmm gather:gather; do
    found "past:${op%:*}" "${op#*:}" "past an element of an output"
    found "before:${op%:*}" "${op#*:}" "before the start of a buffer"
    [ "$op" = bmm:bmm ] || found "input:${op%:*}" "${op#*:}" "changed an input"
    found "skip:${op%:*}" "${op#*:}" "did not write all of an output"
    [ "$op" = bmm:bmm ] || found "reads:${op%:*}" "${op#*:}" "depends on memory that is no input"
    found "impure:${op%:*}" "${op#*:}" "the same plan gives other results the second time"
    found "plans:${op%:*}" "${op#*:}" "two plans of the same call give different results"
    found "silent:${op%:*}" "${op#*:}" "it failed (cr_status 5) without words"
    found "status:${op%:*}" "${op#*:}" "it answered with 99, which is no cr_status"
done
# The sanitizers have their own heap, and find leaks themselves.
if [ -z "$sanitized" ]; then
    found leak:add.Tensor add "plan_free leaves"
    expect 1 env CRESSET_SLOPPY=keeps:none "$cresset" conform --backend sloppy:cpu --op add
    says err "bytes of each allocation are not given back"
fi
expect 1 env CRESSET_SLOPPY=copies:none "$cresset" conform --backend sloppy:cpu --level memory
says out "wrote past an allocation"
for how in answers:"planning it twice gives different answers" noplan:"plan answered CR_OK and gave no plan"; do
    expect 1 env CRESSET_BREAK="${how%%:*}:exp" "$cresset" conform --backend "$broken" --op exp
    says out "${how#*:}"
done
# Off, nothing is looked at.
expect 0 env CRESSET_VALIDATE=0 CRESSET_SLOPPY=input:zeta "$cresset" conform --backend sloppy:cpu --op add
expect 1 env CRESSET_VALIDATE=0 CRESSET_SLOPPY=silent:add.Tensor "$cresset" conform --backend sloppy:cpu --op add
grep -q CRESSET_VALIDATE out && complain "CRESSET_VALIDATE=0 validates"
finish
