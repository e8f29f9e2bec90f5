#!/usr/bin/env bash
# The manual page and the shell's completion know every command and option that the program does, and no others.
# usage: manual.sh CRESSET FOLDER
folder=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
expect 0 "$cresset" --help
names=$(sed -n 's/^  \([a-z]*\) .*/\1/p' out)
[ -n "$names" ] || complain "no commands"
sed 's/\\-/-/g; s/\\fI//g; s/\\fR//g' "$folder/cresset.1" >page
# shellcheck source=tools/cresset/completion.bash
. "$folder/completion.bash"
completed() { # the words that completion offers behind the given ones
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _cresset
    printf '%s\n' "${COMPREPLY[@]}"
}
completed cresset "" | grep -v '^--' | sort >offered
sort <<<"$names" | diff - offered >err || complain "completion offers other commands"
for name in $names; do
    expect 0 "$cresset" "$name" --help
    grep -q "^.SS cresset $name" page || complain "the manual page has no command $name"
    sed -n 's/^  \(--[a-z-]*\).*/\1/p' out | sort >known
    awk -v "n=$name" '$1 == ".SS" { on = $3 == n } on && $1 == ".BR" { print $2 }' page | sort >written
    diff known written >err || complain "the manual page has other options of $name"
    completed cresset "$name" "--" | grep -v '^--help$' | grep . | sort >offered
    diff known offered >err || complain "completion offers other options of $name"
done
for code in 0 1 2 130; do
    grep -q "^.B $code\$" page || complain "the manual page has no exit status $code"
done
if command -v man >/dev/null && command -v groff >/dev/null; then
    man --warnings -l "$folder/cresset.1" >out 2>err || complain "man refuses the page"
    [ ! -s err ] || complain "man warns"
fi
finish
