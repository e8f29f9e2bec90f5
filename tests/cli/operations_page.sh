#!/usr/bin/env bash
# The page of operations is what the table says now, and nothing of Core ATen is missing.
# usage: operations_page.sh CRESSET PAGE
set -u
if ! "$1" ops --page | diff -u "$2" - | head -20 || ! "$1" ops --page | cmp -s - "$2"; then
    echo "$2 is not what the table says: cresset ops --page >docs/operations.md"
    exit 1
fi
"$1" ops --coverage | grep 'Core ATen.* 0 missing' || { "$1" ops --coverage; exit 1; }
