"""Homogeneous networks in torch: classifiers, torch's own weight normalisation, and descent on spheres."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils.parametrizations import weight_norm

from experiments.homogeneous.descent import Margins, network_margins
from experiments.training import batches as stacks
from experiments.training.loop import train
from experiments.training.updates import GradientDescent, Loss, State, Update, along
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.homogeneous.decomposition import (
    Examples,
    Polar,
    Pull,
    exponential_pull,
    log_pull,
    logistic_pull,
    squared_pull,
)

# Losses of margins (runs, n) -> (runs,), and what theory knows of each: its -l'.
LOSSES: dict[str, tuple[Callable[[Tensor], Tensor], Pull]] = {
    "exponential": (lambda q: torch.exp(-q).sum(-1), exponential_pull),
    "logistic": (lambda q: nn.functional.softplus(-q).sum(-1), logistic_pull),
    "squared": (lambda q: 0.5 * (1 - q).square().sum(-1), squared_pull),
    "log": (lambda q: torch.logsumexp(-q, -1), log_pull),
}


def call(module: nn.Module, parameters: State, inputs: Tensor) -> Tensor:
    """Outputs (runs, n) of any module with one output, its parameters (runs, ...) by name."""
    return vmap(lambda weights: functional_call(module, weights, (inputs,))[:, 0])(parameters)


def stack_margins(examples: Examples, widths: Sequence[int], device: str) -> Margins:
    """y f(W; x) of states W1, W2, ..., with the activation that the examples name."""
    leaky = lambda: nn.LeakyReLU(examples.leak) if examples.leak < 1 else nn.Identity()  # noqa: E731
    return network_margins(stacks.stack(widths, leaky), examples.X, examples.y, device)


class RunwiseLinear(nn.Module):
    """One linear layer without bias a run: weight (runs, h, d).

    `weight_norm(..., dim=0)` of it normalises each run's whole matrix, as dim=None does for one `nn.Linear`; for that
    one, the default dim=0 normalises each row: another constraint, and another problem.
    """

    def __init__(self, runs: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(runs, after, before, device="meta"))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight.mT


def weight_normalised_margins(examples: Examples, runs: int, widths: Sequence[int], device: str) -> Margins:
    """y f(W; x) of states g1, v1, g2, v2, ..., W_k = g_k v_k / |v_k| by torch; g (runs,), v (runs, h, d)."""
    X, y = tensors(device, examples.X, examples.y)
    layers = [weight_norm(RunwiseLinear(runs, *pair), dim=0) for pair in zip(widths, widths[1:])]
    network = nn.Sequential(*layers)

    def margins(state: State) -> Tensor:
        parameters = {}
        for k in range(len(layers)):
            parameters[f"{k}.parametrizations.weight.original0"] = along(state[f"g{k + 1}"], state[f"v{k + 1}"])
            parameters[f"{k}.parametrizations.weight.original1"] = state[f"v{k + 1}"]
        return y * functional_call(network, parameters, (X,))[..., 0]

    return margins


def with_exponential_gains(margins: Margins) -> Margins:
    """The same network of states a1, v1, ..., g_k = e^{a_k}."""
    return lambda state: margins(
        {f"g{name[1:]}" if name[0] == "a" else name: t.exp() if name[0] == "a" else t for name, t in state.items()}
    )


def polar_margins(margins: Margins) -> Margins:
    """The margins of states W1, ... of states g1, V1, ..., W_k = g_k V_k."""
    return lambda state: margins(
        {f"W{name[1:]}": along(state[f"g{name[1:]}"], V) * V for name, V in state.items() if name[0] == "V"}
    )


class TangentDescent(GradientDescent):
    """Descent along the part of the gradient tangent to the sphere that each layer lies on (Frobenius norm)."""

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        super().apply(state, tuple(tangent(state[n], g) for n, g in zip(self.names, work)), learning_rate)


class LagrangeDescent:
    """Descent of log loss + sum_k lambda_k (|V_k|^2 - 1) on directions V_k, at the state's sizes g_k.

    2 lambda_k = rho A = sum_n p_n q_n for every k, p = softmax(-q), holds |V_k| = 1 along the flow; it is a number to
    the gradient, which is torch's own. `moving` names what is stepped: directions alone, or sizes as well.
    """

    def __init__(self, margins: Margins, moving: Sequence[str]) -> None:
        self.margins, self.moving = margins, tuple(moving)

    def begin(self, state: State) -> None:
        """Nothing is remembered."""

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        leaves = {name: state[name].detach().requires_grad_() for name in self.moving}
        with torch.enable_grad():
            q = self.margins({**state, **leaves})
            losses = torch.logsumexp(-q, -1)
            multiplier = (torch.softmax(-q, -1) * q).sum(-1).detach() / 2
            excess = sum(V.square().sum((1, 2)) - 1 for name, V in leaves.items() if name[0] == "V")
            gradients = torch.autograd.grad((losses + multiplier * excess).sum(), tuple(leaves.values()))
        return losses.detach(), gradients

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        for name, gradient in zip(self.moving, work):
            state[name].addcmul_(along(learning_rate, gradient), gradient, value=-1)


class LayerwiseDescent(GradientDescent):
    """W_k <- (1 - shrinkage) W_k - learning_rate x speed_k G_k; counts its steps, so that a loss may pick batches."""

    def __init__(self, loss: Loss, speeds: Array | Sequence[float], shrinkage: float = 0.0) -> None:
        super().__init__(loss)
        self.speeds, self.shrinkage = [float(speed) for speed in speeds], shrinkage

    def begin(self, state: State) -> None:
        super().begin(state)
        first = next(iter(state.values()))
        state["taken"] = torch.zeros(len(first), dtype=torch.long, device=first.device)

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        leaves = {name: state[name].detach().requires_grad_() for name in self.names}
        with torch.enable_grad():
            losses = self.loss({**state, **leaves})
            gradients = torch.autograd.grad(losses.sum(), tuple(leaves.values()))
        return losses.detach(), gradients

    def apply(self, state: State, work: tuple[Tensor, ...], learning_rate: Tensor) -> None:
        for name, gradient, speed in zip(self.names, work, self.speeds):
            state[name].mul_(1 - self.shrinkage).addcmul_(along(learning_rate, gradient), gradient, value=-speed)
        state["taken"] += 1


def tangent(W: Tensor, gradient: Tensor) -> Tensor:
    """The gradient less its part along W, run by run."""
    radial = (W * gradient).flatten(1).sum(1) / W.square().flatten(1).sum(1)
    return gradient - along(radial, W) * W


def trainer(study: Study, loss: Loss, start: dict[str, Array], rule: Update | None = None) -> Callable[..., Trajectory]:
    """A training for `experiments.refinement.refined`: (name, learning_rate=, steps=, record=) -> trajectory."""

    def run(name: str, **schedule: Any) -> Trajectory:
        observe = lambda state: dict(state)  # noqa: E731
        return train(loss, start, observe=observe, update=rule, **schedule, **study.training(name))

    return run


def with_gradients(rule: GradientDescent) -> Callable[[State], State]:
    """What to record where a law is of one step: the parameters, and by each of them the gradient there, `d` + name."""

    def observe(state: State) -> State:
        gradients = rule.evaluate(state)[1]
        return {**state, **{f"d{name}": gradient for name, gradient in zip(rule.names, gradients)}}

    return observe


def tensors(device: str, *arrays: Array) -> list[Tensor]:
    """Arrays on a device."""
    return [torch.tensor(array, dtype=torch.float64, device=device) for array in arrays]


def sizes_and_directions(run: Trajectory) -> Polar:
    """rho and V of whatever a training recorded: layers W, or gains g or a with vectors v or V."""
    count = sum(name[0] in "WvV" for name in run.arrays)
    if "W1" in run.arrays:
        layers = [run[f"W{k}"] for k in range(1, count + 1)]
        rho = np.stack([np.linalg.norm(layer, axis=(-2, -1)) for layer in layers], axis=-1)
    else:
        letter = "v" if "v1" in run.arrays else "V"
        layers = [run[f"{letter}{k}"] for k in range(1, count + 1)]
        gains = [run[f"g{k}"] if "g1" in run.arrays else np.exp(run[f"a{k}"]) for k in range(1, count + 1)]
        rho = np.stack(gains, axis=-1)
    return Polar(rho, [layer / np.linalg.norm(layer, axis=(-2, -1), keepdims=True) for layer in layers])
