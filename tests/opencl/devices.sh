#!/usr/bin/env bash
# Devices by number and name; refusals that say why; wrong indices; a device that is full.
# shellcheck source=tests/opencl/lib.sh
. "$(dirname "$0")/lib.sh"
conform() { expect "$1" env "${@:2}" "$cresset" conform --op relu; }

conform 0 CRESSET_BACKEND=opencl:0
says out ", 0 failed on opencl"
name=$("$cresset" backends | sed -n 's/^  opencl  *\([[:alnum:]]*\).*/\1/p' | head -n 1)
conform 0 "CRESSET_BACKEND=opencl:$(tr '[:lower:]' '[:upper:]' <<<"$name")"
says out ", 0 failed on opencl"
conform 1 CRESSET_BACKEND=opencl:999
says err "opencl:999: it has"

conform 1 OCL_ICD_VENDORS=/nonexistent CRESSET_BACKEND=opencl
says err "no OpenCL device: no driver is installed"
conform 0 OCL_ICD_VENDORS=/nonexistent CRESSET_BACKEND=opencl,cpu
says out ", 0 failed on cpu"

expect 0 "$cresset" conform --backend opencl --level memory
says out "too large an allocation is an error          pass"
finish
