"""Pseudo-networks of finite width: what random neurons add to a function of the kernel's space, and to the start."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.adversarial.networks import Networks, random_networks
from experiments.adversarial.problems import Circle, Sizes, draw_circle
from theory.adversarial import kernel
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array

HALF = 2  # points of a cap to either side


@dataclass(frozen=True)
class Draws(Sizes):
    """Of the problem, and of the networks."""

    examples: int = varies("n, around the circle, labels in turn", 4, low=2, high=5)
    widths: tuple[int, ...] = varies("m", (8, 100), smoke=(50,), low=2, high=10**4)
    draws: int = varies("networks of each width", 90_000, smoke=6000, paper=100_000, low=4000, high=10**6)
    slack: float = varies("of the robust function that is sampled", 0.2, low=0.02, high=0.9)


@claim(
    "adversarial.sampling_error",
    source="ours; of the pseudo-network of Zhang et al. 2020 (arXiv 2002.06668)",
    source_kind=OURS,
    statement=r"w_r - w_r(0) = m^{-1/3} \nabla_{w_r} \textstyle\sum_k \alpha_k f(x_k):\quad \mathbb{E}\, g(x) ="
    r" \textstyle\sum_k \alpha_k \kappa(x_k, x),\quad m \mathrm{Var} g(x) ="
    r" \mathrm{Var}_{w, b} \Big(\mathbf{1}\{w^\top x + b \ge 0\} \textstyle\sum_k \alpha_k x_k^\top x"
    r" \mathbf{1}\{w^\top x_k + b \ge 0\}\Big);\quad \mathbb{E} f(0)(x)^2 = m^{-2/3}",
    hypotheses=(
        "a_r = +-m^(-1/3), w_r(0) ~ N(0, I / m), b_r ~ N(0, 1 / m), |x| = 1; every width",
        "alpha: of the smallest function of the space that is off by a slack at most on all caps",
    ),
    theory_side="closed form",
    controls=(
        "second moment in place of the variance",
        "inputs seen independently",
        "a start of m^(-1/2)",
        "25 % more",
    ),
    parameters=Draws,
)
def random_neurons_add_noise_by_a_law(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    circle = draw_circle(study, sizes)
    alpha, _ = circle.interpolant(sizes.slack, HALF)
    data = circle.caps(HALF).reshape(-1, 3)
    x = circle.caps(1).reshape(-1, 3)[::3][:2]
    law, variance = kernel.gram(x, data) @ alpha, kernel.sampling_variance(x, data, alpha)
    for m in sizes.widths:
        start, g = _drawn(study, m, sizes.draws, circle, alpha, x)
        yield _along(g, law, f"m = {m}: mean").equals(1)
        squares = _squares(g - law, variance / m, f"m = {m}")
        yield squares.equals(1)
        at_start = _squares(start, kernel.start_variance(m) + 0 * law, f"m = {m}: outputs at the start")
        yield at_start.equals(1)
    yield squares.control("25 % more").equals(1.25)
    second = (variance + law**2) / m
    yield _squares(g - law, second, "not so").control("second moment in place of the variance").equals(1)
    apart = _of_independent(x, data, alpha)
    yield _squares(g - law, apart / m, "not so").control("inputs seen independently").equals(1)
    yield _squares(start, 1 / m + 0 * law, "not so").control("a start of m^(-1/2)").equals(1)
    yield curves(law=law, mean=g.mean(0), variance=variance / m, measured=g.var(0))


def _drawn(study: Study, m: int, draws: int, circle: Circle, alpha: Array, x: Array) -> tuple[Array, Array]:
    """f(0)(x) and g(x) (draws, points) after the step that torch's gradient makes."""
    data, points = (torch.tensor(array, device=study.device) for array in (circle.caps(HALF).reshape(-1, 3), x))
    weights = torch.tensor(alpha, device=study.device)
    starts, functions = [], []
    for part in range(max(draws * m // 200_000, 1)):
        runs = draws // max(draws * m // 200_000, 1)
        networks: Networks = random_networks(study, m, runs, 3, study.rng("networks", m, part))
        W = networks.W.clone().requires_grad_()
        (slope,) = torch.autograd.grad((networks.f(W, data) @ weights).sum(), W)
        moved = networks.W + m ** (-1 / 3) * slope
        starts.append(networks.f(networks.W, points).cpu().numpy())
        functions.append(networks.g(moved, points).cpu().numpy())
    return np.concatenate(starts), np.concatenate(functions)


def _of_independent(x: Array, data: Array, alpha: Array) -> Array:
    """The variance if whether an input is seen had nothing to do with the others."""
    pushes, p = x @ data.T * alpha, kernel.seen_by_both(x, data)
    return np.sum(pushes**2 * p * (1 - p), 1)


def _along(g: Array, law: Array, name: str) -> Estimated:
    """g along its law (draws,): 1 if the mean is the law."""
    return rate(f"{name} over its law", mean(g @ law / (law @ law)))


def _squares(away: Array, law: Array, case: str) -> Estimated:
    """Of each network, the mean over points of squares over their law."""
    return rate("square over its law", mean((away**2 / law).mean(1)), case=case)
