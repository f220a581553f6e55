"""The rate of the smoothed margin at the states that a training visits, by autograd, and what is said of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from experiments.homogeneous.losses import Margins, loss_of
from experiments.homogeneous.predictions import scaled
from experiments.homogeneous.rules import LogTimeDescent, squared
from experiments.training import State, Trainee
from experiments.training.batches import layers_of, state_of
from theory.claims import Check, Measured, Study, Tolerance, measured
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers
from theory.core.trajectory import Trajectory
from theory.homogeneous import smoothed_margin as theory

FAR = 100  # times that the bound may lie below the rate where the direction has come to rest
POINTWISE = "the flow's rate at a state: only rounding separates it from the bound"


class States:
    """What training records of networks that began as W."""

    def __init__(self, run: Trajectory, W: Layers) -> None:
        self.run, self.depth = run, len(W)
        self.q, self.squares, self.across = run["q"], run["squared_norm"], np.maximum(run["across"], 0)
        rounding = rate_rounding(run, self.depth, sum(layer[0].size for layer in W))
        self.rounding = np.maximum(rounding, np.finfo(float).tiny)  # a network that has died is at rest exactly
        self.predicted = theory.smoothed_margin_rate(self.q, self.squares, self.across, self.depth)

    def rate(self, case: str) -> Measured:
        within = Tolerance(
            self.rounding, "autograd and the formula: n + parameters roundings of the largest of its terms"
        )
        return measured("rate of log smoothed margin", self.run["rate"], within=within, case=case, axes=("t", "run"))

    def bounds(self, case: str) -> Iterator[Check]:
        """On the rate where the loss is below 1, and on the margins."""
        q, squares, n = self.q, self.squares, self.q.shape[-1]
        fits, within = theory.log_loss(q) < 0, Tolerance(self.rounding, POINTWISE)
        below_one = np.where(fits, self.run["rate"], 0)
        bounded = measured("the rate where the loss is below 1", below_one, within=within, case=case, axes=("t", "run"))
        bounded = bounded.within_factor(FAR, because="directions are at rest where the loss is well below 1")
        yield bounded.at_least(scaled(np.where(fits, theory.smoothed_margin_bound(q, self.across), 0)))
        smooth, hard = (f(q, squares, self.depth) for f in (theory.smoothed_margin, theory.normalised_margin))
        gap = (hard - smooth) * squares ** (self.depth / 2)
        within = Tolerance(64 * EPS * n, "max_n <= logsumexp_n <= max_n + log N")
        beside = measured("log N bounds hard - smooth", gap, within=within, case=case, axes=("t", "run")).supporting()
        yield beside.at_most(np.log(n))
        yield replace(beside, name="the hard margin is above").at_least(0.0, against=np.log(n))


def rate_rounding(run: Trajectory, depth: int, parameters: int) -> Array:
    """Every term, with log(1 / Loss) in its denominator, which is a difference where the loss is near 1."""
    q, size = run["q"], run["squared_norm"]
    descended, nu = np.abs(theory.log_loss(q)), np.abs(q).max(-1)
    terms = depth**2 * nu / size * (nu / descended + 1) + run["gradient"] / descended
    return 4 * EPS * (q.shape[-1] + parameters) * terms * (1 + np.abs(q).max(-1) / descended)


def with_derivatives(study: Study, margins: Margins, W: Layers) -> Trainee:
    """Records margins, squared norm, squared gradient of log Loss and of its part across theta, d log gamma~ / ds."""
    depth, loss = len(W), loss_of(margins)

    def observe(state: State) -> State:
        leaves = {f"W{l}": layer.detach().requires_grad_() for l, layer in enumerate(layers_of(state), start=1)}
        inputs = tuple(leaves.values())
        with torch.enable_grad():
            q = margins(leaves)
            log_loss = torch.logsumexp(-q, -1)
            log_margin = torch.log(log_loss.abs()) - depth / 2 * torch.log(squared(inputs))
            gradient = torch.autograd.grad(log_loss.sum(), inputs, retain_graph=True)
            slope = torch.autograd.grad(log_margin.sum(), inputs)
        size = squared(inputs).detach()
        along = _dot(inputs, gradient).detach() / size
        across = [g - along.reshape(-1, 1, 1) * layer.detach() for g, layer in zip(gradient, inputs)]
        return {
            "q": q.detach(),
            "squared_norm": size,
            "gradient": squared(gradient),
            "across": squared(across),
            "rate": -_dot(slope, gradient),
        }

    return Trainee(study, loss, state_of(W), LogTimeDescent(loss), observe)


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b)]).sum(0)
