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
    expect 1 env CRESSET_BREAK=closing:any "$cresset" conform --backend "$broken" --op exp
    says err "device_close of broken: "
    says err "bytes stay allocated each time that a device is closed"
fi
# What is left when a device is closed names the one that left it, in front of whatever it is. (The sanitizers would say so, too.)
for stack in sloppy:cpu trace:sloppy:cpu sloppy:trace:cpu; do
    expect 1 env CRESSET_TRACE=none CRESSET_TRACE_TABLE=none "ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0" CRESSET_SLOPPY=loses:exp "$cresset" conform --backend $stack --op exp
    says err "CRESSET_VALIDATE: sloppy closes a device of cpu of which it has 0 buffers, "
    says out "exp "
done
expect 1 env "ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0" CRESSET_SLOPPY=holds:none "$cresset" conform --backend sloppy:cpu --level memory
says err "CRESSET_VALIDATE: sloppy closes a device of cpu of which it has 1 buffer, 0 plans and 0 pieces of host memory"
expect 1 env "ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0" CRESSET_SLOPPY=opens:none "$cresset" conform --backend sloppy:cpu --level memory
says err "CRESSET_VALIDATE: sloppy has left 1 device of cpu open"
expect 1 env CRESSET_SLOPPY=copies:none "$cresset" conform --backend sloppy:cpu --level memory
says out "wrote past an allocation"
for how in answers:"planning it twice gives different answers" noplan:"plan answered CR_OK and gave no plan"; do
    expect 1 env CRESSET_BREAK="${how%%:*}:exp" "$cresset" conform --backend "$broken" --op exp
    says out "${how#*:}"
done
# Off, nothing is looked at.
expect 0 env CRESSET_VALIDATE=0 CRESSET_SLOPPY=input:zeta "$cresset" conform --backend sloppy:cpu --op add
expect 1 env CRESSET_VALIDATE=0 CRESSET_SLOPPY=silent:add.Tensor "$cresset" conform --backend sloppy:cpu --op add
expect 0 env CRESSET_VALIDATE=yes CRESSET_SLOPPY=input:zeta "$cresset" conform --backend sloppy:cpu --op add
grep -q CRESSET_VALIDATE out && complain "CRESSET_VALIDATE=0 validates"
finish
