#!/usr/bin/env bash
# chaos on the command line: the error that a training run ends with, rules that are none, and a plugin that crashes in plan,
# which is reported and not hidden.
# usage: chaos.sh CRESSET
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
step="$cresset train lenet --epochs 1 --limit 128"

expect 1 env CRESSET_BACKEND=chaos:cpu CRESSET_CHAOS=fail:run:50 $step
says err "run 50 of "
says err "as CRESSET_CHAOS=fail:run:50 asks"
for rule in fail fail:run fail:run:0 fail:run:x unsupported:run:1 fail:free:1 fail:run:2/3 fail:run:1-; do
    expect 1 env CRESSET_BACKEND=chaos:cpu CRESSET_CHAOS=$rule $step
    says err "\"$rule\" is no rule"
done
expect 1 env CRESSET_BACKEND=chaos:cpu CRESSET_CHAOS_SEED=soon $step
says err "CRESSET_CHAOS_SEED=soon is not a number"

# ends_by_signal COMMAND…: as a shell sees it, 128 and the signal's number. A sanitizer's report takes the signal over.
ends_by_signal() {
    status=0
    "$@" >out 2>err || status=$?
    [ "$status" -ge 128 ] || grep -q "Sanitizer" err || complain "\"$*\" ended with $status, not by a signal"
}
ends_by_signal env CRESSET_BACKEND=chaos:cpu CRESSET_CHAOS=crash:plan:5 $step
says err "cresset chaos: SIGSEGV in plan of "
says err "of the backend cpu"
ends_by_signal env CRESSET_BACKEND=trace:chaos:cpu CRESSET_CHAOS=crash:run:20 CRESSET_TRACE=none $step
says err "cresset chaos: SIGSEGV in run of "
finish
