# shellcheck shell=bash
# Sourced by the tests here: the command line tests' words, and whether a device is there.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
"$cresset" backends 2>/dev/null | grep -q '^  opencl ' || { echo "no OpenCL device on this machine" >&2; exit 77; }
export CRESSET_FALLBACK=error # nothing is lent by another backend
