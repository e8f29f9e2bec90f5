#!/usr/bin/env bash
# The report opens in a browser: everything it holds is laid out, and the picture isn't empty.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
browser=$(command -v chromium || command -v google-chrome || true)
[ -n "$browser" ] || { echo "no Chromium on this machine" >&2; exit 77; }
[ -e /usr/share/datasets/fashion-mnist ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }
expect 0 "$cresset" train lenet --epochs 2 --limit 2000 --name a
# shellcheck disable=SC2317 # called by expect
look() { HOME=$work timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --window-size=1100,4200 "$@"; }
# What the page measures of itself: pictures that loaded, drawings and bars that have a size, errors.
cat >measure.html <<'HTML'
<!doctype html><iframe id="f" src="runs/a/report.html" width="1100" height="4200"></iframe><pre id="o"></pre><script>
f.onload = () => {
    const d = f.contentDocument, all = s => [...d.querySelectorAll(s)];
    const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0; };
    o.textContent = [all('img').filter(e => e.naturalWidth === 28).length, all('svg').filter(seen).length,
        all('rect.bar').filter(seen).length > 100, all('h2').length, d.body.scrollWidth <= 1100].join(' ');
};
</script>
HTML
expect 0 look --allow-file-access-from-files --virtual-time-budget=5000 --dump-dom "file://$work/measure.html"
says out '<pre id="o">40 16 true 9 true</pre>'
expect 0 look --screenshot="$work/shot.png" "file://$work/runs/a/report.html"
[ "$(stat -c %s shot.png)" -gt 100000 ] || complain "the picture is nearly empty"
finish
