#!/usr/bin/env bash
# Every subcommand explains itself; what isn't understood is refused with 2.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

expect 0 "$cresset" --help
for name in train eval predict convert summary backends ops bench conform version; do
    expect 0 "$cresset" --help
    says out "$name"
    expect 0 "$cresset" "$name" --help
    says out "usage: cresset $name"
done
expect 2 "$cresset"
expect 2 "$cresset" trian
says err "trian"
expect 2 "$cresset" train --epohcs 3 lenet
says err "--epohcs"
one_sentence
expect 2 "$cresset" train lenet --epochs many
says err "--epochs needs an integer"
expect 2 "$cresset" train lenet --epochs 0
expect 2 "$cresset" train
expect 2 "$cresset" train vgg
expect 2 "$cresset" train lenet --name a/b
expect 2 "$cresset" summary vgg
expect 0 "$cresset" version
says out "cresset "
expect 0 "$cresset" backends
says out "cpu"
expect 0 "$cresset" ops
says out "add.Tensor(Tensor self, Tensor other"
expect 0 "$cresset" summary lenet
says out "Total params: 61,706"
expect 0 "$cresset" bench --threads 1 --only einops/turn_by
says out "einops/turn_by_operations"
[ "$(grep -c . out)" -eq 1 ] || complain "bench timed more than it was asked for"
expect 1 env CRESSET_BACKEND=nowhere "$cresset" summary lenet
says err "no compute backend could be loaded"
one_sentence
finish
