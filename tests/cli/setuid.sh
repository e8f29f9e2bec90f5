#!/usr/bin/env bash
# A program that runs set-uid or set-gid takes no backend from the environment of whoever started it, and says so. Needs root,
# and a file system that heeds set-uid.
# usage: setuid.sh CRESSET PLUGIN
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli/lib.sh
. "$here/lib.sh"
plugin=$2
[ "$(id -u)" -eq 0 ] || { echo "skipped: only root can make a program that runs as another user" >&2; exit 77; }
command -v setpriv >/dev/null || { echo "skipped: there is no setpriv on this machine" >&2; exit 77; }
unset CRESSET_BACKEND_PATH
chmod 755 "$work"
mkdir plugins
cp "$plugin" plugins/libcresset_template.so
# as_nobody BITS VARIABLE=VALUE…: `cresset backends` of a copy of the program with these bits.
as_nobody() {
    local bits=$1
    shift
    cp "$cresset" "program"
    chmod "$bits" "program"
    expect 0 env "$@" setpriv --reuid=65534 --regid=65534 --clear-groups "$work/program" backends
}
cp "$(command -v id)" whoami
chmod 4755 whoami
if [ "$(setpriv --reuid=65534 --regid=65534 --clear-groups "$work/whoami" -u)" -ne 0 ]; then
    echo "skipped: set-uid has no effect in $work (nosuid?)" >&2
    exit 77
fi
reason="the environment says nothing to a program that runs set-uid or set-gid"
for bits in 4755 2755; do
    as_nobody "$bits" CRESSET_BACKEND="$work/plugins/libcresset_template.so,cpu"
    says out "CRESSET_BACKEND=$work/plugins/libcresset_template.so,cpu"
    says out "$reason"
    says out "default: cpu"
    grep -q "^template" out && complain "the plugin was loaded by its path"
    as_nobody "$bits" CRESSET_BACKEND_PATH="$work/plugins" CRESSET_BACKEND=template
    says out "CRESSET_BACKEND_PATH=$work/plugins"
    says out "CRESSET_BACKEND=template"
    says out "$reason"
    says out "default: cpu"
    grep -q "^template" out && complain "the plugin was loaded from a folder"
done
# The same program without the bit listens.
expect 0 env CRESSET_BACKEND_PATH="$work/plugins" CRESSET_BACKEND=template "$cresset" backends
says out "default: template"
grep -q "$reason" out && complain "an ordinary program is refused"
finish
