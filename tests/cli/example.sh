#!/usr/bin/env bash
# An example prints what PyTorch and torchkeras print.
# usage: example.sh PROGRAM EXPECTED
set -eu
"$1" | diff -u "$2" -
