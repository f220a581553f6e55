"""Caps that touch and carry different labels: the loss that is left whatever the network, and is reached."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.adversarial.networks import Robustly, on_a_grid, random_networks, unmoved
from experiments.adversarial.problems import Circle
from experiments.training import Trainee
from theory.adversarial import sphere
from theory.claims import OURS, Check, Curves, Measured, Study, claim, curves, measured, rounding, varies
from theory.core.arrays import Array

HALF = 6


@dataclass(frozen=True)
class Runs:
    """Of the caps, and of what is trained."""

    rho: float = varies("how far the adversary moves an input", 0.5, low=0.4, high=0.6)
    width: int = varies("m", 256, smoke=128, low=64, high=4096)
    runs: int = varies("networks of each kind", 4, smoke=2, low=1, high=100)
    steps: int = varies("of training", 1200, smoke=500, low=300, high=20_000)
    learning_rate: float = varies("eta' = eta m^(1/3)", 0.3, smoke=0.5, low=0.05, high=1)


@claim(
    "adversarial.floor",
    source="ours; why Zhang et al. 2020 (arXiv 2002.06668) ask for separated inputs",
    source_kind=OURS,
    statement=r"\min_f \frac1n \sum_i \max_{\|x' - x_i\| \le \rho} |f(x') - y_i| = \frac{2 \nu}{n},\quad y_i = \pm 1,"
    r"\quad \nu = \max \# \{\text{disjoint pairs } (i, j):\ y_i = -y_j,\ \|x_i - x_j\| \le 2 \rho"
    r" \sqrt{1 - \tfrac{\rho^2}{4 R^2}}\}",
    hypotheses=(
        "x_i and x' on a sphere of radius R",
        "the least is over continuous f; networks reach it up to what training leaves",
    ),
    theory_side="bound",
    controls=("one lower by 5 %", "pairs up to 2 rho apart", "each pair counts", "clean training is as high"),
    parameters=Runs,
)
def what_loss_is_left_where_caps_touch(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    # In units of the grid's spacing, in which caps that are 2 HALF apart touch: what two of them share is on the grid.
    spacing = float(sphere.angle(sizes.rho)) / HALF
    shapes = {
        "a pair": (spacing * np.array([0, 10]), np.array([1.0, -1.0])),
        "a star and a pair": (spacing * np.array([0, 11, -11, 31, 42]), np.array([1.0, -1, -1, -1, 1])),
        "a star": (spacing * np.array([0, 11, -11]), np.array([1.0, -1, -1])),
    }
    for name, (angles, y) in shapes.items():
        circle = Circle(angles, y, sizes.rho)
        floor = sphere.floor(circle.inputs[:, :2], y, sizes.rho)
        least = _least_robust_loss(study, circle, sizes, name)
        yield _loss(least, name).at_least(floor)
    yield _loss(least).control("one lower by 5 %").at_most(0.95 * floor)
    yield _loss(least).control("each pair counts").at_least(4 / 3)
    yield _without_adversary(study, circle, sizes, floor)
    apart = Circle(np.array([0.0, float(sphere.angle(2 * sizes.rho))]), np.array([1.0, -1.0]), sizes.rho)
    yield _loss(_least_robust_loss(study, apart, sizes, "apart")).control("pairs up to 2 rho apart").at_least(1.0)
    yield curves(least=least, floor=floor)


def _least_robust_loss(study: Study, circle: Circle, sizes: Runs, name: str) -> Array:
    """The least over the steps of training, of each run (runs,)."""
    networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("networks", name))
    y = torch.tensor(circle.y, device=study.device)
    rule = Robustly(networks.f, y, on_a_grid(circle.caps(HALF), study))
    training = Trainee(study, rule, {"W": networks.W}, observe=lambda state: {"loss": rule(state)})
    eta = sizes.learning_rate * sizes.width ** (-1 / 3)
    run = training.train(learning_rate=eta, steps=sizes.steps, record=range(0, sizes.steps + 1, 5))
    return run["loss"].min(0)


def _without_adversary(study: Study, circle: Circle, sizes: Runs, floor: float) -> Check:
    """Clean training on the same inputs: its own loss has no floor."""
    networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("clean"))
    rule = Robustly(networks.f, torch.tensor(circle.y, device=study.device), unmoved(circle.inputs, study))
    training = Trainee(study, rule, {"W": networks.W}, observe=lambda state: {"loss": rule(state)})
    eta = sizes.learning_rate * sizes.width ** (-1 / 3)
    run = training.train(learning_rate=eta, steps=sizes.steps, record=range(0, sizes.steps + 1, 5))
    return _loss(run["loss"].min(0)).control("clean training is as high").at_least(floor)


def _loss(least: Array, case: str = "") -> Measured:
    return measured(
        "least robust loss",
        least,
        within=rounding(1e4, of="outputs, sums of some hundred terms"),
        case=case,
        axes=("run",),
    )
