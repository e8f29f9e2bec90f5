"""Makes tests/golden/optim: what PyTorch computes with optimisers and schedulers.

    /usr/bin/python3 tools/golden/make_optim.py tests/golden        (with torch 1.13)

trajectories.safetensors holds parameters after some of 50 steps and the state after ten, lbfgs.safetensors
LBFGS's with its losses and counts, schedules.safetensors learning rates. Same bytes each time.
"""

import math
import pathlib
import sys

import steady  # noqa: F401  (first: it starts Python anew)

import torch
from torch import nn, optim
from torch.optim import lr_scheduler as schedules
from torch.optim.swa_utils import SWALR

from safetensors_file import save


# The loss whose parameters are optimised: Σ (p - target)² · scale, over two parameters; the second one's gradient is missing
# in the first three steps where `late`.
def optimisers():
    yield "sgd", optim.SGD, dict(lr=0.05), False
    yield "sgd_momentum", optim.SGD, dict(lr=0.02, momentum=0.9), False
    yield "sgd_dampening", optim.SGD, dict(lr=0.02, momentum=0.8, dampening=0.3, weight_decay=0.01), False
    yield "sgd_nesterov", optim.SGD, dict(lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.1), False
    yield "sgd_maximize", optim.SGD, dict(lr=0.001, maximize=True), False
    yield "sgd_late", optim.SGD, dict(lr=0.02, momentum=0.9, dampening=0.5), True
    yield "adam", optim.Adam, dict(lr=0.05), False
    yield "adam_options", optim.Adam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1), False
    yield "adam_amsgrad", optim.Adam, dict(lr=0.05, amsgrad=True), False
    yield "adam_maximize", optim.Adam, dict(lr=0.01, maximize=True), False
    yield "adam_late", optim.Adam, dict(lr=0.05), True
    yield "adamw", optim.AdamW, dict(lr=0.05), False
    yield "adamw_amsgrad", optim.AdamW, dict(lr=0.05, weight_decay=0.2, amsgrad=True), False
    yield "adamw_maximize", optim.AdamW, dict(lr=0.01, maximize=True), False
    yield "adamax", optim.Adamax, dict(), False
    yield "adamax_options", optim.Adamax, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1), True
    yield "adamax_maximize", optim.Adamax, dict(lr=0.01, maximize=True), False
    yield "nadam", optim.NAdam, dict(), False
    yield "nadam_options", optim.NAdam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1, momentum_decay=0.02), True
    yield "radam", optim.RAdam, dict(lr=0.05), False
    yield "radam_options", optim.RAdam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1), True
    yield "rmsprop", optim.RMSprop, dict(), False
    yield "rmsprop_momentum", optim.RMSprop, dict(lr=0.01, alpha=0.9, momentum=0.5, eps=1e-3, weight_decay=0.1), False
    yield "rmsprop_centered", optim.RMSprop, dict(lr=0.02, alpha=0.9, eps=1e-3, centered=True), True
    yield "rmsprop_both", optim.RMSprop, dict(lr=0.01, momentum=0.5, eps=1e-3, centered=True, maximize=True), False
    yield "rprop", optim.Rprop, dict(), False
    yield "rprop_options", optim.Rprop, dict(lr=0.1, etas=(0.4, 1.3), step_sizes=(1e-3, 0.3)), True
    yield "rprop_maximize", optim.Rprop, dict(maximize=True), False
    yield "adagrad", optim.Adagrad, dict(lr=0.3), False
    yield "adagrad_options", optim.Adagrad, dict(lr=0.3, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.2,
                                                 eps=1e-4), True
    yield "adagrad_maximize", optim.Adagrad, dict(maximize=True), False
    yield "adadelta", optim.Adadelta, dict(), False
    yield "adadelta_options", optim.Adadelta, dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1), True
    yield "adadelta_maximize", optim.Adadelta, dict(maximize=True), False
    yield "asgd", optim.ASGD, dict(), False
    yield "asgd_options", optim.ASGD, dict(lr=0.05, lambd=0.01, alpha=0.6, t0=10, weight_decay=0.1), True
    yield "asgd_maximize", optim.ASGD, dict(lr=0.001, maximize=True), False
    yield "sparse_adam", optim.SparseAdam, dict(lr=0.05), False
    yield "sparse_adam_options", optim.SparseAdam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-2, maximize=True), True


def take_step(optimiser, used, target, scale):
    optimiser.zero_grad(set_to_none=True)
    sum(((p - t) ** 2 * s).sum() for p, t, s in zip(used, target, scale)).backward()
    if isinstance(optimiser, optim.SparseAdam):
        for p in used:
            p.grad = p.grad.to_sparse()
    optimiser.step()


def trajectory_cases():
    start = [torch.randn(3, 2), torch.randn(4)]
    target = [torch.randn(3, 2), torch.randn(4)]
    scale = [torch.rand(3, 2) + 0.5, torch.rand(4) + 0.5]
    out = {}
    for i in range(2):
        out[f"start.{i}"], out[f"target.{i}"], out[f"scale.{i}"] = start[i], target[i], scale[i]
    for name, kind, options, late in optimisers():
        params = [p.clone().requires_grad_() for p in start]
        optimiser = kind(params, **options)
        for step in range(1, 51):
            take_step(optimiser, params[:1] if late and step <= 3 else params, target, scale)
            if step in (1, 2, 5, 50):
                for i in range(2):
                    out[f"{name}.{step}.{i}"] = params[i].detach().clone()
    out.update(state_cases(start, target, scale))
    return out


# What PyTorch's state dict holds after ten steps, and where ten more lead.
def state_cases(start, target, scale):
    out = {}
    for name, kind, options, late in optimisers():
        if name not in RESUMED:
            continue
        params = [p.clone().requires_grad_() for p in start]
        optimiser = kind(params, **options)
        for step in range(1, 21):
            take_step(optimiser, params, target, scale)
            if step % 10 == 0:
                for i in range(2):
                    out[f"{name}.at{step}.{i}"] = params[i].detach().clone()
            if step == 10:
                for number, state in optimiser.state_dict()["state"].items():
                    for key, value in state.items():
                        if value is not None:
                            out[f"{name}.state.{number}.{key}"] = torch.as_tensor(value).clone()
    return out


RESUMED = ("sgd_momentum", "adam_amsgrad", "adamw", "adamax", "nadam", "radam", "rmsprop_both", "rprop", "adagrad", "adadelta", "asgd_options")


# LBFGS, on a curved valley over two parameters (no sum of separate terms); steps of few iterations each.
def lbfgs():
    yield "lbfgs", dict(lr=0.1, max_iter=4)
    yield "lbfgs_wolfe", dict(line_search_fn="strong_wolfe", max_iter=5)
    yield "lbfgs_history", dict(line_search_fn="strong_wolfe", max_iter=3, history_size=3, lr=0.8)


def valley(a, b):
    return ((1 - a) ** 2).sum() + 3 * ((b.reshape(2, 3)[:, :2] - a[:, :2] ** 2) ** 2).sum() + (b ** 4).sum() * 0.1


def lbfgs_step(optimiser, params):
    def closure():
        optimiser.zero_grad(set_to_none=True)
        loss = valley(*params)
        loss.backward()
        return loss

    return optimiser.step(closure).item()


def lbfgs_cases():
    a0, b0 = torch.randn(2, 3, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    out = {"a": a0, "b": b0}
    for name, options in lbfgs():
        params = [a0.clone().requires_grad_(), b0.clone().requires_grad_()]
        optimiser = optim.LBFGS(params, **options)
        losses = []
        for step in range(1, 51):
            losses.append(lbfgs_step(optimiser, params))
            if step in (1, 2, 5, 50):
                out[f"{name}.{step}.0"], out[f"{name}.{step}.1"] = [p.detach().clone() for p in params]
        state = optimiser.state[params[0]]
        out[f"{name}.losses"] = torch.tensor(losses, dtype=torch.float64)
        out[f"{name}.counts"] = torch.tensor([state["n_iter"], state["func_evals"]])
    return out


STEPS = 50


def schedulers():
    yield "step", lambda o: schedules.StepLR(o, 7, gamma=0.5)
    yield "multi_step", lambda o: schedules.MultiStepLR(o, [3, 8, 8, 20])
    yield "exponential", lambda o: schedules.ExponentialLR(o, 0.9)
    yield "constant", lambda o: schedules.ConstantLR(o, factor=0.5, total_iters=4)
    yield "linear", lambda o: schedules.LinearLR(o)
    yield "linear_options", lambda o: schedules.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=12)
    yield "polynomial", lambda o: schedules.PolynomialLR(o, total_iters=10, power=2.0)
    yield "cosine", lambda o: schedules.CosineAnnealingLR(o, 8, eta_min=0.01)
    yield "lambda", lambda o: schedules.LambdaLR(o, lambda t: 0.95 ** t)
    yield "multiplicative", lambda o: schedules.MultiplicativeLR(o, lambda t: 0.9)
    yield "one_cycle", lambda o: schedules.OneCycleLR(o, 0.5, total_steps=50)
    yield "one_cycle_linear", lambda o: schedules.OneCycleLR(o, 0.5, epochs=5, steps_per_epoch=10, anneal_strategy="linear",
                                                            three_phase=True, pct_start=0.4)
    yield "sequential", lambda o: schedules.SequentialLR(
        o, [schedules.ConstantLR(o, factor=0.1, total_iters=2), schedules.ExponentialLR(o, 0.9)], [5])
    yield "sequential_more", lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, total_iters=6), schedules.MultiplicativeLR(o, lambda t: 0.9),
            schedules.CosineAnnealingWarmRestarts(o, 7)], [6, 20])
    yield "restarts", lambda o: schedules.CosineAnnealingWarmRestarts(o, 10)
    yield "restarts_growing", lambda o: schedules.CosineAnnealingWarmRestarts(o, 5, T_mult=2, eta_min=0.01)
    yield "cyclic", lambda o: schedules.CyclicLR(o, 0.01, 0.2, step_size_up=6)
    yield "cyclic_triangular2", lambda o: schedules.CyclicLR(o, 0.01, 0.2, step_size_up=5, step_size_down=8, mode="triangular2")
    yield "cyclic_exp_range", lambda o: schedules.CyclicLR(o, 0.01, 0.2, step_size_up=4, mode="exp_range", gamma=0.95,
                                                           base_momentum=0.7, max_momentum=0.95)
    yield "cyclic_function", lambda o: schedules.CyclicLR(o, 0.01, 0.2, step_size_up=4, scale_fn=lambda x: 0.9,
                                                          cycle_momentum=False)
    yield "chained", lambda o: schedules.ChainedScheduler([schedules.ConstantLR(o, factor=0.1, total_iters=4),
                                                           schedules.ExponentialLR(o, 0.9)])
    yield "swa", lambda o: SWALR(o, 0.02)
    yield "swa_linear", lambda o: SWALR(o, 0.5, anneal_epochs=20, anneal_strategy="linear")
    yield "swa_at_once", lambda o: SWALR(o, 0.5, anneal_epochs=0)
    yield "plateau", lambda o: schedules.ReduceLROnPlateau(o, patience=2)
    yield "plateau_options", lambda o: schedules.ReduceLROnPlateau(
        o, mode="max", factor=0.5, patience=1, threshold=0.05, threshold_mode="abs", cooldown=2, min_lr=0.01)


# What a plateau scheduler is told at step t.
def metric(t):
    return math.cos(t * t * 0.7) / (1 + t // 7)


def schedule_cases():
    out = {}
    for name, make in schedulers():
        optimiser = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        schedule = make(optimiser)
        rates, momenta = [], []
        for t in range(STEPS):
            rates.append(optimiser.param_groups[0]["lr"])
            momenta.append(optimiser.param_groups[0]["momentum"])
            optimiser.step()
            if t + 1 < STEPS:
                schedule.step(*([metric(t)] if isinstance(schedule, schedules.ReduceLROnPlateau) else []))
        out[f"{name}.lr"] = torch.tensor(rates, dtype=torch.float64)
        out[f"{name}.momentum"] = torch.tensor(momenta, dtype=torch.float64)
    return out


def main(folder):
    torch.manual_seed(2)
    save(folder / "optim" / "trajectories.safetensors", trajectory_cases())
    save(folder / "optim" / "lbfgs.safetensors", lbfgs_cases())
    save(folder / "optim" / "schedules.safetensors", schedule_cases())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
