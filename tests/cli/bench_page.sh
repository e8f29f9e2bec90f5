#!/usr/bin/env bash
# What tools/bench makes of rows: the table, JSON, bars and page, what is called slower, and the medians of several rounds.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
peers=$2/tools/peers

row() { printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@"; }
{
    row limit 1 limit/f32 100 GFLOP/s 99 101
    row limit 2 limit/f32 200 GFLOP/s 199 201
    row limit 2 limit/stream 40 GB/s 39 41
    row cresset 1 gemm/f32/256 80 GFLOP/s 79 81
    row cresset 2 gemm/f32/256 150 GFLOP/s 149 151
    row pytorch 1 gemm/f32/256 60 GFLOP/s 59 61
    row pytorch 2 gemm/f32/256 100 GFLOP/s 99 101
    row ggml 2 gemm/f32/256 120 GFLOP/s 119 121
    for value in 7000 9000 8000; do row cresset 1 add/10000000 $value us 1 1; done # rounds: the median is 8000
    row cresset 2 add/10000000 4000 us 1 1
    row cresset 2n add/10000000 10000 us 1 1
    row pytorch 2 add/10000000 16000 us 1 1
    row cresset 1 captured/relu_add_mul/10000000 5000 us 1 1
    row cresset 2 captured/relu_add_mul/10000000 6000 us 1 1
    row pytorch 1 chain/relu_add_mul/10000000 60000 us 1 1
    row cresset 1 memory/lenet_b64 20 MiB 1 1
    row pytorch 1 memory/lenet_b64 250 MiB 1 1
    row cresset 1 dispatch/noop_backend 0.06 us 1 1
} >rows.tsv

# shellcheck disable=SC2317 # expect calls it
compare() { awk -F '\t' -v json=new.json -v svg=bars.svg -v page=page.html -v cpu='One & only' -v date=2026-01-02 -v threads=2 -v backend=cpu \
    -v work="$peers/limits.tsv" "$@" -f "$peers/compare.awk" rows.tsv; }
expect 0 compare -v absent='no ggml'
[ "$(wc -l <err)" -eq 0 ] || complain "awk complains"
line() { awk -v row="$1" '$1 == row { $1 = $1; print }' out; }
is() { [ "$(line "$1")" = "$1 $2" ] || complain "the line of $1 is \"$(line "$1")\", not \"$1 $2\""; }
is gemm/f32/256 '80 150 1.88 ggml 120 GFLOP/s 1.25 75%'
is add/10000000 '8000 4000 2.00 pytorch 1.6e+04 us 4.00 75% 0.80'
is captured/relu_add_mul/10000000 '5000 6000 0.83 pytorch 6e+04 us 12.00'
is memory/lenet_b64 '20 pytorch 250 MiB 12.50'
is dispatch/noop_backend '0.06 us'
says out 'slower than one (under 0.95): captured/relu_add_mul/10000000 (0.83)'
says out 'slower than one alone (under 0.9): add/10000000 (0.80)'
says new.json '{"row": "gemm/f32/256", "unit": "GFLOP/s", "cresset": 150, "cresset_threads": 2, "pytorch": 100, "pytorch_threads": 2, "ggml": 120'
says new.json '"peer": "ggml", "ratio": 1.25, "of_limit": 0.75, "threads_gain": 1.875}'
says page.html '<td>add/10000000</td><td>8000</td><td>4000</td>'
says page.html 'One &amp; only'
says page.html 'no ggml'
says page.html '75% of stream'
says bars.svg '>4.00</text>'
if command -v python3 >/dev/null; then
    expect 0 python3 -m json.tool new.json
    expect 0 python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse("bars.svg")'
fi

# The next run: gemm became slower by a third, the rest stayed.
cp new.json old.json
sed -i 's,gemm/f32/256\t150,gemm/f32/256\t100,; s,gemm/f32/256\t80,gemm/f32/256\t70,' rows.tsv
expect 0 compare -v old=old.json
is gemm/f32/256 '70 100 1.43 ggml 120 GFLOP/s 0.83 50% 0.67'
says out 'Slower than in old.json by more than 5%: gemm/f32/256 (0.67)'
cp new.json old.json
expect 0 compare -v old=old.json
says out 'Nothing is more than 5% slower than in old.json.'

# The program's own mistakes.
expect 2 "$2/tools/bench" --fast
says err '--fast'
expect 2 "$2/tools/bench" --rounds none
expect 2 "$2/tools/bench" --compare nowhere.json
says err 'nowhere.json'
expect 0 "$2/tools/bench" --help
says out '--neighbour'
finish
