#!/usr/bin/env bash
# docs/course.md has every name of the course's list, and every counterpart in it exists.
# usage: course.sh CRESSET SOURCE GENERATED
source=$2 generated=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
page=$source/docs/course.md
: >out; : >err
grep -v '^#' "$source/tools/parity/course.txt" | sort -u >names
sed -n 's/^| \([^|]*\) | .*/\1/p' "$page" | grep -v '^there$' | sort -u >rows
diff names rows >err || complain "the page has other names than the list"
[ "$(wc -l <names)" -ge 340 ] || complain "the list is short"
{
    cat "$source"/include/cresset/*.h "$generated"/cresset/ops.h | grep -oE '\b(cr|CR)_[A-Za-z0-9_]+'
    sed -n 's/^    X(\([A-Z0-9]*\), .*/CR_\1/p' "$source/include/cresset/backend.h" # dtypes stand in a table
} | sort -u >known
# shellcheck disable=SC2016
sed -n 's/^| [^|]* | \([^|]*\) | .*/\1/p' "$page" | grep -oE '`(cr|CR)_[A-Za-z0-9_]+`' | tr -d '`' | sort -u >said
[ -s said ] || complain "no counterparts"
comm -23 said known >err
[ ! -s err ] || complain "the page names what isn't there"
grep -oE 'cr_call\("[A-Za-z0-9_.]+"' "$page" | cut -d'"' -f2 | sort -u | while read -r op; do
    "$cresset" ops "$op" >/dev/null 2>&1 || echo "$op"
done >err
[ ! -s err ] || complain "the page calls operations that aren't there"
awk -F' \\| ' '/^\| / && $2 == "–" && $3 !~ /[a-z]/ { print }' "$page" >err
[ ! -s err ] || complain "a name without counterpart and reason"
finish
