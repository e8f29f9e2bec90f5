"""State dicts that our optimisers save after ten steps are PyTorch's, key by key, and load into PyTorch's optimisers, which go on
to where PyTorch alone is after fifty. Every case of tools/golden/make_optim.py.

usage: optimizers_torch.py TEST_OPTIM_OPTIMIZERS TEST_OPTIM_LBFGS     where PyTorch is installed; else it says so and returns 77
"""

import math
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("PyTorch is not installed")
    sys.exit(77)

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tools" / "golden"))
from make_optim import lbfgs, lbfgs_step, optim, optimisers, take_step
from safetensors_file import metadata, read


# A value of our files' metadata: "float 0.05", "floats 0.9,0.999", "bool true" …
def parsed(text):
    kind, _, rest = text.partition(" ")
    one = {"int": int, "float": float, "bool": "true".__eq__, "string": str, "none": lambda _: None}
    if kind in one:
        return one[kind](rest)
    return [one[kind[:-1]](part) for part in rest.split(",")] if rest else []


# Our dotted names as PyTorch's dictionaries and lists: state.0.old_dirs.3, param_groups.0.betas.
def nested(path):
    flat = {name: tensor for name, tensor in read(path)}
    flat.update({name[8:]: parsed(text) for name, text in metadata(path).items() if name.startswith("cresset/")})
    tree = {"state": {}, "param_groups": {}, "params": {}}
    for name, value in flat.items():
        keys = [int(key) if key.isdigit() else key for key in name.split(".")]
        at = tree
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        at[keys[-1]] = value
    for state in tree["state"].values():
        for key in ("old_dirs", "old_stps"):
            if key in state:
                state[key] = [state[key][i] for i in range(len(state[key]))]
    return tree["params"], {"state": tree["state"], "param_groups": [group for _, group in sorted(tree["param_groups"].items())]}


SWITCHES = {"foreach", "capturable", "differentiable", "fused"}  # which code computes; ours has none of them
SCRATCH = {"al"}  # LBFGS's working numbers, which PyTorch makes anew where they are missing


def same(what, ours, theirs):
    def plain(value):
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else \
            torch.as_tensor(value if value is not None else math.nan, dtype=torch.float64)

    if isinstance(theirs, str) or theirs is None:
        assert ours == theirs or (ours is None and theirs is None), f"{what}: {ours!r}, PyTorch has {theirs!r}"
        return
    torch.testing.assert_close(plain(ours), plain(theirs), rtol=1e-5, atol=1e-6, msg=lambda m: f"{what}: {m}")


# Our dict has PyTorch's keys and values, but for what is None.
def compare(ours, theirs):
    for number, state in theirs["state"].items():
        wanted = {key for key, value in state.items() if value is not None} - SCRATCH
        if not wanted:
            assert number not in ours["state"], f"state.{number} is to be empty"
            continue
        assert ours["state"][number].keys() == wanted, f"state {sorted(ours['state'][number])}, PyTorch {sorted(wanted)}"
        for key in wanted:
            same(f"state.{number}.{key}", ours["state"][number][key], state[key])
    for mine, group in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        wanted = group.keys() - SWITCHES
        assert mine.keys() == wanted, f"options {sorted(mine)}, PyTorch {sorted(wanted)}"
        for key in wanted:
            same(f"param_groups.{key}", mine[key], group[key])


# A step of any optimiser, number n from 1 on.
def stepper(kind, late, values):
    target, scale = ([values.get(f"{what}.{i}") for i in range(2)] for what in ("target", "scale"))
    if kind is optim.LBFGS:
        return lambda optimiser, params, n: lbfgs_step(optimiser, params)
    return lambda optimiser, params, n: take_step(optimiser, params[:1] if late and n <= 3 else params, target, scale)


# Two groups; options of its own for the second.
def adam_groups(params, **options):
    return optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.9)}], **options)


def check(folder):
    golden = pathlib.Path(__file__).parents[2] / "tests/golden/optim"
    failed = count = 0
    cases = [(*case, "trajectories", ("start.0", "start.1")) for case in optimisers()]
    cases += [("adam_groups", adam_groups, dict(lr=0.05, amsgrad=True), False, "trajectories", ("start.0", "start.1"))]
    cases += [(name, optim.LBFGS, options, False, "lbfgs", ("a", "b")) for name, options in lbfgs()]
    for name, kind, options, late, file, start in cases:
        values = dict(read(golden / f"{file}.safetensors"))
        step = stepper(kind, late, values)
        count += 1
        try:
            theirs = [values[key].clone().requires_grad_() for key in start]
            alone = kind(theirs, **options)
            for n in range(1, 11):
                step(alone, theirs, n)
            ours, dict_of_ours = nested(folder / f"{name}.safetensors")
            compare(dict_of_ours, alone.state_dict())
            params = [ours[i].clone().requires_grad_() for i in range(2)]
            optimiser = kind(params, **{"lr": 123.0})  # all options come from the dict
            optimiser.load_state_dict(dict_of_ours)
            for n in range(11, 51):
                step(optimiser, params, n)
                step(alone, theirs, n)
            for i in range(2):
                same(f"parameter {i} after 50 steps", params[i].detach(), theirs[i].detach())
                if f"{name}.50.{i}" in values:
                    same(f"parameter {i} in the golden file", params[i].detach(), values[f"{name}.50.{i}"])
        except Exception as error:  # each case is reported
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}")
    print(f"{count} state dicts of optimisers, {failed} failed")
    return failed != 0


with tempfile.TemporaryDirectory() as place:
    for program in sys.argv[1:]:
        subprocess.run([program], cwd=root, env={**os.environ, "CRESSET_SAVE_OPTIMIZERS": place}, check=True)
    sys.exit(check(pathlib.Path(place)))
