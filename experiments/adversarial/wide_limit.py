"""Adversarial training of wide pseudo-networks is descent in the kernel's space; networks follow far more slowly."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from experiments.adversarial.networks import Robustly, on_a_grid, random_networks
from experiments.adversarial.problems import Circle, Sizes, draw_circle, one_more
from experiments.training import Trainee
from theory.adversarial import descent, kernel
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array

HALF = 4


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    examples: int = varies("n, around the circle, labels in turn", 3, low=2, high=4)
    width: int = varies("m of the narrower pseudo-networks; the wider have 4 m", 128, smoke=64, low=64, high=4096)
    runs: int = varies("of the wider, and 4 times as many of the narrower", 70, smoke=64, paper=300, low=64, high=1000)
    steps: int = varies("T", 60, smoke=40, low=10, high=200)
    horizon: float = varies("eta' T: until labels are met, where signs are chance", 5.0, low=3, high=10)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_more(self)


@claim(
    "adversarial.wide_limit",
    source="ours; the limit of the pseudo-networks of Zhang et al. 2020 (arXiv 2002.06668)",
    source_kind=OURS,
    statement=r"f_{t+1} = f_t - \tfrac{\eta'}{n} \sum_i \mathrm{sgn}(f_t(x_i^t) - y_i)\, \kappa(x_i^t, \cdot),"
    r"\ f_0 = 0,\ |f_t(x_i^t) - y_i| \text{ the largest on cap } i:\quad"
    r" \tfrac1T \sum_{t<T} L_A(g_{W(t)}) \to \tfrac1T \sum_{t<T} \tfrac1n \sum_i |f_t(x_i^t) - y_i|\ (m \to \infty),"
    r"\quad W(t+1) = W(t) - \eta' m^{-1/3} \nabla L_A(g_{W(t)})",
    hypotheses=("an adversary that takes the worst of a grid on each cap", "T fixed; the loss is |g - y|"),
    theory_side="closed form",
    controls=(
        "a learning rate 25 % smaller",
        "networks in their place, of one example more",
    ),
    parameters=Runs,
)
def wide_pseudo_networks_descend_in_the_space(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    circle = draw_circle(study, sizes)
    eta = sizes.horizon / sizes.steps
    law = _limit(circle, eta, sizes.steps)
    kinds = ((sizes.width, 4 * sizes.runs), (4 * sizes.width, sizes.runs))
    losses = [_trained(study, circle, sizes, m, runs, eta, "g") for m, runs in kinds]
    means = [loss[:-1].mean(0) for loss in losses]
    found = _over(means, law[:-1].mean())
    yield found.equals(1)
    slower = _limit(circle, 0.75 * eta, sizes.steps)[:-1].mean()
    yield _over(means, slower).control("a learning rate 25 % smaller").equals(1)
    yield from _networks(study, sizes)
    yield curves(law=law, pseudo=losses[-1][:, :3])


def _networks(study: Study, sizes: Runs) -> Iterator[Check]:
    """Networks of the wider kind, where their coupling is worse: between one example more on the circle."""
    circle = draw_circle(study, one_more(sizes))
    eta = 3 * sizes.horizon / sizes.steps
    losses = _trained(study, circle, sizes, 4 * sizes.width, sizes.runs, eta, "f")
    ratio = losses[:-1].mean(0) / _limit(circle, eta, sizes.steps)[:-1].mean()
    found = rate("mean robust loss over its limit", mean(ratio))
    yield found.control("networks in their place, of one example more").equals(1)


def _limit(circle: Circle, eta: float, steps: int) -> Array:
    caps = circle.caps(HALF)
    points = caps.reshape(-1, 3)
    return descent.robust_losses(
        kernel.gram(points, points).reshape(*caps.shape[:2], *caps.shape[:2]), circle.y, eta, steps
    )


def _trained(study: Study, circle: Circle, sizes: Runs, m: int, runs: int, eta: float, kind: str) -> Array:
    """Robust losses (T + 1, runs) of networks, f, or pseudo-networks, g."""
    networks = random_networks(study, m, runs, 3, study.rng("networks", m))
    outputs = networks.g if kind == "g" else networks.f
    rule = Robustly(outputs, torch.tensor(circle.y, device=study.device), on_a_grid(circle.caps(HALF), study))
    training = Trainee(study, rule, {"W": networks.W}, observe=lambda state: {"loss": rule(state)})
    run = training.train(learning_rate=eta * m ** (-1 / 3), steps=sizes.steps, record=range(sizes.steps + 1))
    return run["loss"]


def _over(means: list[Array], law: float) -> Estimated:
    """Of networks of width m, 4 of them for each of width 4 m: without what is of the order 1 / m."""
    narrow, wide = means
    return rate("mean robust loss over its limit", mean((4 * wide - narrow.reshape(len(wide), 4).mean(1)) / 3 / law))
