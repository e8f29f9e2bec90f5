#!/usr/bin/env bash
# Plugins that have little more than memory and a matrix product pass the whole suite, and its end says what their authors need
# next: the primitives that are missing, and what costs most in training, with figures.
# usage: partial.sh CRESSET FAR-PLUGIN SOURCE
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
far=$2 source=$3

# The template's first step.
(cd "$source/plugins/template" && ./step 1) >one.c
cc -std=c11 -O2 -shared -fPIC "-I$source/include" one.c -o libone.so -lm
expect 0 "$cresset" conform --backend "$PWD/libone.so" --level primitives
sed -n '/^primitives that are missing, and run on cpu:/,/^primitives that are missing for/p' out | tr -d ' \n' >missing
for op in abs add.Tensor sum.dim_IntList cumsum gather scatter.src sort.stable random_bits where.self fill.Scalar copy; do
    grep -qE "[:,]$op(,|prim)" missing || complain "$op is not said to be missing"
done
grep -q bmm missing && complain "bmm is said to be missing"
grep -q "what costs most" out && complain "figures of training, which were not asked for"
mkdir few
cp "$source/tests/golden/ops/transposed.safetensors" few
expect 0 "$cresset" conform --backend "$PWD/libone.so" --samples few
sed -n '/^what costs most/,$p' out >costs
for model in LeNet ResNet GPT; do
    # name, operation, how, calls, milliseconds, percent
    grep -qE "^$model +[a-z_.A-Z0-9]+ +(fallback|decomposed) +[1-9][0-9]* +[0-9]+\.[0-9]{3} +[0-9]+\.[0-9]{2}$" costs ||
        complain "no figures for $model"
done
grep -qE "^ +convolution +fallback +6 |^LeNet +convolution +fallback +6 " costs || complain "LeNet's convolutions are not counted"
grep -q "uniform" costs && complain "making the model counts"
# Times fall from row to row of a model.
awk 'NF == 6 && $1 != "model" { last = 1e9 } NF >= 5 && $(NF - 1) + 0 == $(NF - 1) { if ($(NF - 1) > last) exit 1; last = $(NF - 1) }' costs ||
    complain "rows are not in order"

# The other with memory of its own; its report as JSON.
expect 0 "$cresset" conform --backend "$far" --json
says out '"failed": 0'
if command -v python3 >/dev/null; then
    python3 - out <<'END' || complain "the JSON report"
import json, sys
report = json.load(open(sys.argv[1]))
missing = report["missing_primitives"]
assert "add.Tensor" in missing and "copy" in missing and "bmm" not in missing, missing
assert report["partly_missing_primitives"] == [], report["partly_missing_primitives"]
assert [m["model"] for m in report["training"]] == ["LeNet", "ResNet", "GPT"]
for model in report["training"]:
    rows = model["operations"]
    assert not model["failed"] and model["ms"] > 0 and rows, model
    order = [(-r["ms"], r["op"]) for r in rows]
    assert order == sorted(order), order
    assert all(r["calls"] > 0 and 0 <= r["percent"] <= 100.1 for r in rows), rows
rows = {r["op"]: r for r in report["training"][0]["operations"]}
assert rows["convolution"]["how"] == "decomposed" or rows["convolution"]["calls"] > 0
END
fi

# What can't be measured says why, and the rest of the report stands.
expect 1 env CRESSET_FALLBACK=error "$cresset" conform --backend "$PWD/libone.so" --samples few
says out "LeNet   no figures: "
says out "CRESSET_FALLBACK=error forbids"
# With less than the whole suite there is nothing to say.
expect 0 "$cresset" conform --backend "$PWD/libone.so" --op bmm
grep -q "missing" out && complain "one operation's report names missing primitives"
finish
