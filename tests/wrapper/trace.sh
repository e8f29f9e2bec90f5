#!/usr/bin/env bash
# trace: a LeNet step's operations are in the JSON and in the table, with plausible figures; its switches; stacks of wrappers.
# usage: trace.sh CRESSET
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

cat >check.py <<'END'
import json, sys
trace = json.load(open(sys.argv[1]))
events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
runs = [e for e in events if e["cat"] == "run"]
names = {e["name"] for e in runs}
for op in ("convolution", "convolution_backward", "relu", "addmm", "max_pool2d_with_indices", "_fused_sgd_", "_log_softmax"):
    assert op in names, (op, names)
assert any(e["cat"] == "plan" for e in events) and any(e["name"] == "alloc" for e in events)
assert all(e["dur"] >= 0 and e["ts"] >= 0 and e["pid"] >= 1 and e["tid"] >= 1 for e in events)
# A thread does one thing at a time.
last = {}
for e in sorted(events, key=lambda e: e["ts"]):
    key = e["tid"]
    assert e["ts"] >= last.get(key, 0) - 0.002, e
    last[key] = e["ts"] + e["dur"]
assert any(e["args"].get("within") == "linalg_vector_norm" for e in runs)
# relu of the first layer: 64 images, 6 planes of 28 x 28 floats, read and written.
assert 2 * 64 * 6 * 28 * 28 * 4 in {e["args"]["bytes"] for e in runs if e["name"] == "relu"}
END

step="$cresset train lenet --epochs 1 --limit 128"
expect 0 env CRESSET_BACKEND=trace:cpu CRESSET_TRACE=t.json $step
python3 check.py t.json || complain "t.json is not as expected"
for words in "trace of cpu" "operation " "convolution_backward " "said with others" "alloc "; do says err "$words"; done
# Every run of the table is an event of the trace.
table=$(awk '$1 == "addmm" { print $2 }' err)
events=$(grep -c '"name": "addmm", "cat": "run"' t.json)
[ "$table" = "$events" ] && [ "$table" -gt 0 ] || complain "addmm: $table runs in the table, $events in the trace"
# The shares of all operations are 100 %.
awk '/^operation/ { on = 1; next } /^$/ { on = 0 } on { sum += $4 } END { exit !(sum > 98 && sum < 102) }' err ||
    complain "the shares don't add up"

# The switches.
expect 0 env CRESSET_BACKEND=trace:cpu CRESSET_TRACE=none CRESSET_TRACE_TABLE=table.txt $step
grep -q convolution table.txt || complain "no table in its file"
grep -q "trace of" err && complain "the table is on stderr, too"
expect 0 env CRESSET_BACKEND=trace:cpu CRESSET_TRACE=few.json CRESSET_TRACE_EVENTS=5 $step
says err "beyond the first 5"
python3 -c 'import json; assert sum(e["ph"] == "X" for e in json.load(open("few.json"))["traceEvents"]) == 5' ||
    complain "few.json is not as expected"
expect 1 env CRESSET_BACKEND=trace:cpu CRESSET_TRACE_EVENTS=many $step
says err "CRESSET_TRACE_EVENTS=many is not a number"
expect 0 env CRESSET_BACKEND=trace:cpu CRESSET_TRACE=no/such/folder.json CRESSET_LOG=warning $step
says err "no/such/folder.json could not be written"

# Stacks, and what is no stack.
expect 0 env CRESSET_BACKEND=trace:chaos:trace:cpu CRESSET_TRACE=none $step
says err "convolution"
expect 1 env CRESSET_BACKEND=trace $step
says err "trace: it wraps another backend: name that one after a colon"
expect 1 env CRESSET_BACKEND=trace:nobody $step
says err "nobody: no such backend was found"
expect 1 env CRESSET_BACKEND=trace:cpu:1 $step
says err "cpu:1: it has 1 device"
expect 1 env CRESSET_BACKEND=trace:chaos:trace:chaos:trace:chaos:trace:chaos:trace:chaos:cpu $step
says err "too many wrappers"
expect 0 env CRESSET_BACKEND=trace:cpu:0 CRESSET_TRACE=none $step

# auto never picks one.
expect 0 env -u CRESSET_BACKEND "$cresset" backends
says out "in front of another backend: trace:cpu"
grep "^default: " out | grep -qE "trace|chaos" && complain "auto picked a wrapper"
finish
