"""How the neurons of each layer point: their hyperspherical energy, and how far layers are from orthogonal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrize import is_parametrized

from experiments.watch.landscape import undisturbed
from experiments.watch.look import Look, Subject
from experiments.watch.observer import Facts, Finding, Observer, Record, Row, number
from experiments.watch.structure import Layer
from theory.claims import measured, rounding
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.orthogonal import energy

NEURONS = 128  # of a layer, at most: the first
EXPONENT = 1
ORTHOGONAL = {"Orthogonal"}  # torch's parametrisation
KEEPING = {"Rotated"}  # OPT's


class _Weights(nn.Module):
    """The weights of some layers, computed where they are parametrised."""

    def __init__(self, network: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.network, self.layers = network, layers

    def forward(self) -> list[Tensor]:
        return [self.network.get_submodule(layer.name).weight for layer in self.layers]


def neurons(look: Look, layers: Sequence[Layer]) -> list[Array]:
    """The weights into each of the first neurons (fan-in, neurons), of each layer."""
    state = {f"network.{name}": value for name, value in look.state.items()}
    model = look.subject.model
    with torch.no_grad(), undisturbed(model.network, model.device):
        weights = functional_call(_Weights(model.network, layers), state, ())
    return [w[:NEURONS].flatten(1).detach().double().cpu().numpy().T for w in weights]


class Energy(Observer):
    """The hyperspherical energy of each layer's neurons, against that of a random start."""

    id = "watch.energy"
    title = "hyperspherical energy"
    statement = r"E_1 = \sum_{i \ne j} |\hat w_i - \hat w_j|^{-1}, \text{ against its mean at a random start}"
    source = "Liu et al. 2021"
    every = 4

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        readable = [layer for layer in self.structure.layers if layer.weight or layer.parametrised]
        self.layers = [layer for layer in readable if _has_weight(subject, layer)]

    @property
    def unmet(self) -> str:
        return "" if self.layers else "there is no layer to read"

    def see(self, look: Look) -> Row:
        directions = neurons(look, self.layers)
        return {"energy": [_energy(W) for W in directions], "defect": [_defect(W) for W in directions]}

    def judge(self, record: Record, facts: Facts) -> Finding:
        values, defects = record.where("energy", "defect")
        means = {i: mean for i, layer in enumerate(self.layers) if (mean := _mean(layer))}
        if not means:
            return Finding("two directions at least", "")
        of = f" (first {NEURONS} neurons)" if any(layer.operation.shape[0] > NEURONS for layer in self.layers) else ""
        pairs = [(values[:, i], defects[:, i]) for i in means]
        found = [f"{number(E[0])} to {number(E[-1])} (off I {off[0]:.2f} to {off[-1]:.2f})" for E, off in pairs]
        return Finding(f"random: {', '.join(map(number, means.values()))}{of}", "; ".join(found[:4]))

    def draw(self, axes: Any, record: Record) -> None:
        steps, values = record.where("step", "energy")
        for i, layer in enumerate(self.layers[:5]):
            axes.plot(steps, values[:, i] / values[0, i], "o-", label=str(layer))
        axes.set(ylabel="energy / start's")


class Orthogonality(Observer):
    """How far a layer is from what its parametrisation keeps by construction."""

    id = "watch.orthogonality"
    title = "orthogonality by construction"
    statement = r"\hat W^T \hat W = I, \text{ or } \hat W^T \hat W \text{ as at the start: no optimiser changes it}"
    source = "Liu et al. 2021"
    hypotheses = ("torch's orthogonal parametrisation, or OPT",)

    @property
    def unmet(self) -> str:
        return "" if self.layers else "no layer is orthogonal by construction"

    @property
    def layers(self) -> list[Layer]:
        return [
            layer for layer in self.structure.layers if set(layer.parametrised.split(", ")) & (ORTHOGONAL | KEEPING)
        ]

    def see(self, look: Look) -> Row:
        found = neurons(look, self.layers)
        cosines = [_cosines(W) for W in found]
        if not self.rows:
            self._start = cosines
        off, sizes = [], []
        for layer, W, C, start in zip(self.layers, found, cosines, self._start):
            is_square = layer.parametrised in ORTHOGONAL
            goal = np.eye(len(C)) if is_square and W.shape[0] >= W.shape[1] else start
            off.append(np.abs(C - goal).max())
            sizes.append(float(max(layer.operation.fan_in, layer.operation.shape[0])))
        return {"off": off, "size": sizes}

    def judge(self, record: Record, facts: Facts) -> Finding:
        off, sizes = record.where("off", "size")
        # A rotation of d dimensions is off by some d roundings, and turns weights of length 1.
        within = rounding(8 * sizes, self.subject.eps / np.finfo(float).eps, of="a rotation in so many dimensions")
        check = measured("cosines of neurons, less what they keep", off, within=within, axes=("look", "layer"))
        return Finding("no change", f"at most {number(off.max())}", checks=(check.equals(0.0, against=1.0),))

    def draw(self, axes: Any, record: Record) -> None:
        steps, off = record.where("step", "off")
        axes.plot(steps, off, "o-")
        axes.set(yscale="log", ylabel="change of cosines")


def _has_weight(subject: Subject, layer: Layer) -> bool:
    """Whether the weight is there without a forward pass; reading it might have it computed, and buffers moved."""
    module = subject.model.network.get_submodule(layer.name)
    return "weight" in dict(module.named_parameters(recurse=False)) or is_parametrized(module, "weight")


def _mean(layer: Layer) -> float:
    """The exact mean of the energy at a random start; 0 where it is infinite, or there are no pairs."""
    d, N = layer.operation.fan_in, min(NEURONS, layer.operation.shape[0])
    mean = energy.mean_energy(N, d, EXPONENT) if d > 1 else np.inf
    return mean if np.isfinite(mean) else 0.0


def _energy(W: Array) -> float:
    """NaN where a neuron has no direction."""
    try:
        return float(energy.energy(W, EXPONENT))
    except InvalidArgument:
        return float("nan")


def _cosines(W: Array) -> Array:
    try:
        return energy.cosines(W)
    except InvalidArgument:
        return np.full((W.shape[1], W.shape[1]), np.nan)


def _defect(W: Array) -> float:
    """|C - I| over its size, C the cosines of the neurons."""
    C = _cosines(W)
    return float(np.linalg.norm(C - np.eye(len(C))) / np.sqrt(C.size))
