#!/usr/bin/env bash
# The library exports cr_* and nothing else; a backend its one entry.
set -eu
library=$1 backend=$2
if nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^cr_'; then echo "exported by $library"; exit 1; fi
[ "$(nm -D --defined-only "$backend" | awk '{print $3}')" = cresset_backend_entry ] || {
    echo "$backend exports more than its entry"; exit 1; }
