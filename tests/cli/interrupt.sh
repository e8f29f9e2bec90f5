#!/usr/bin/env bash
# Ctrl-C ends a training with 130 and leaves what was finished; after a kill at any moment every file is whole or not there.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
[ -e /usr/share/datasets/fashion-mnist ] || { echo "no Fashion-MNIST on this machine" >&2; exit 77; }

# train NAME SIGNAL: a long run, stopped by the signal once it has finished an epoch; its exit status in $status.
train() {
    local tries=0
    # in a group of its own: jobs of a script ignore SIGINT otherwise
    set -m
    "$cresset" train lenet --epochs 500 --limit 300 --threads 1 --name "$1" >out 2>err &
    set +m
    local process=$!
    until [ "$(wc -l 2>/dev/null <"runs/$1/metrics.csv" || echo 0)" -ge 2 ] || [ $((tries += 1)) -gt 600 ]; do sleep 0.1; done
    sleep "$3"
    kill -s "$2" "$process"
    status=0
    wait "$process" 2>/dev/null || status=$?
}

train stopped INT 0
[ "$status" -eq 130 ] || complain "an interrupted run ended with $status"
says err "interrupted"
one_sentence
[ "$(wc -l <runs/stopped/metrics.csv)" -ge 2 ] || complain "no epoch in metrics.csv"
expect 0 "$cresset" eval runs/stopped/best.safetensors
says out "accuracy"

for i in 1 2 3 4 5; do
    train "killed-$i" KILL "0.0$((i * 17 % 10))"
    [ "$status" -eq 137 ] || complain "a killed run ended with $status"
    expect 0 "$cresset" eval "runs/killed-$i/best.safetensors"
    awk -F, 'NR == 1 { n = NF } NF != n || n < 5 { exit 1 }' "runs/killed-$i/metrics.csv" || complain "half a line in metrics.csv"
done
finish
