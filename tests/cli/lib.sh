# shellcheck shell=bash disable=SC2034
# Sourced by the tests here: a folder of their own, and words for what is expected.
set -u
cresset=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

complain() {
    echo "FAILED: $*" >&2
    sed 's/^/    /' out err >&2
    failures=$((failures + 1))
}

# expect STATUS COMMAND…: runs it with its output in ./out and ./err.
expect() {
    local wanted=$1 status=0
    shift
    "$@" >out 2>err || status=$?
    [ "$status" -eq "$wanted" ] || complain "\"$*\" ended with $status, not $wanted"
}

# says FILE TEXT: the file of the last command has the text.
says() { grep -qF -- "$2" "$1" || complain "$1 doesn't say \"$2\""; }

# A refusal is one sentence, on stderr.
one_sentence() { [ "$(grep -c . err)" -eq 1 ] || complain "not one sentence"; }

finish() {
    [ "$failures" -eq 0 ] || exit 1
    exit 0
}
