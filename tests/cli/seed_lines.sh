#!/usr/bin/env bash
# The seed example prints, in this order, every line that PyTorch prints for the document it walks through, Python's own apart:
# classes of its objects, a list that is no array, a method that isn't called, and switches of how PyTorch computes a step.
# usage: seed_lines.sh PROGRAM LINES
set -eu
diff <(sed -E "/^TypeError /d; /^<bound method/,/^\)>/d; s/^(<class '[^']*'> )+//
               s/'(foreach|capturable|differentiable|fused)': (None|False), //g" "$2") \
    <("$1" 2>/dev/null) | grep '^<' && { echo "lines that the example doesn't print" >&2; exit 1; }
exit 0
