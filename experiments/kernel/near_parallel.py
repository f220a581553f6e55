"""Inputs that are nearly parallel: lambda_0 falls like the angle between them, and so does the rate of training."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import gaussian_start, residuals, with_residual
from experiments.kernel.problems import Sizes, draw_inputs
from theory.claims import OURS, Check, Curves, Estimated, Study, Tolerance, claim, curves, measured, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.kernel.inputs import Inputs, least_of_a_pair, near


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the inputs, and of what is trained on them."""

    angle: float = varies("between two of the inputs", 0.1, low=1e-3, high=0.5)
    width: int = varies("m", 64, low=4, high=10_000)
    # Of m neurons m angle / pi lie between the two planes, 2 here: a run spreads by 0.7, and so many know it to 2.5 %.
    runs: int = varies("networks of one step", 25_000, smoke=3000, paper=100_000, low=100, high=10**6)
    steps: int = varies("of the longer training", 200, smoke=50, low=10, high=10_000)


@claim(
    "kernel.near_parallel",
    source="ours; how lambda_0 of Du, Zhai, Póczos & Singh 2019, Theorem 3.1, depends on the separation of the inputs",
    source_kind=OURS,
    statement=r"\lambda_0 \le \sin^2\tfrac\theta2 + \tfrac{\theta \cos\theta}{2\pi},\quad \lambda_0 ="
    r" \tfrac{\theta}{2\pi} + O(\theta^2),\quad \theta = \min_{i \ne j} \arccos(x_i^\top x_j);\quad"
    r" \mathbb{E}\, v^\top (y - u(1)) ="
    r" \Big(1 - \eta \big(\sin^2\tfrac\theta2 + \tfrac{\theta \cos\theta}{2\pi}\big)\Big) v^\top (y - u(0)),\quad"
    r" v = \tfrac{1}{\sqrt2} (1, -1)",
    hypotheses=(
        "|x_i| = 1, lambda_0 = lambda_min(H^inf); one pair at the angle theta, the others apart as theta -> 0",
        "the last: n = 2, every width, |y - u(0)| -> 0, w_r ~ N(0, I), a_r = +-1",
    ),
    theory_side="closed form",
    controls=("theta / pi", "theta^2 / (2 pi), as of a smooth activation", "10 % more"),
    parameters=Runs,
)
def least_eigenvalue_falls_like_the_angle(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    apart = draw_inputs(study, sizes)
    angles = np.array([1e-6, 1e-5, 1e-4])
    least = np.array([near(angle, apart).least for angle in angles])
    # H of a pair so close has one null vector, which the next order moves by at most |H'|^2 / gap, |H'| <= angle n.
    order = Tolerance(angles * (1 + 4 * apart.n / apart.least), "the next order in the angle: n angle / lambda_0")
    found = measured("lambda_0 over theta / (2 pi)", least / (angles / (2 * np.pi)), within=order, axes=("angle",))
    yield found.equals(1.0)
    yield found.control("theta / pi").equals(2.0)
    yield found.control("theta^2 / (2 pi), as of a smooth activation").equals(angles)
    many = np.array([near(angle, apart).least for angle in np.linspace(0.02, 1.5, 30)])
    pairs = least_of_a_pair(np.linspace(0.02, 1.5, 30))
    yield measured("lambda_0 over that of the pair", many / pairs, within=Tolerance(1e-9, "rounding"),
                   axes=("angle",)).supporting().at_most(1.0)  # fmt: skip
    pair = near(sizes.angle, Inputs(apart.X[:2]))
    slow = _rate_of_training(study, Inputs(pair.X[[0, 2]]), sizes)
    yield slow.equals(1)
    yield slow.control("10 % more").equals(1.1)
    yield curves(angles=angles, least=least)


def _rate_of_training(study: Study, pair: Inputs, sizes: Runs) -> Estimated:
    """What a step takes off the difference of the two residuals, over its law; the residual is small."""
    start = gaussian_start(pair, sizes.width, sizes.runs, study.rng("networks"))
    v: Array = np.array([1.0, -1.0]) / np.sqrt(2)
    r = residuals(study, start, with_residual(start, 1e-6 * v), learning_rate=1.0, record=[0, 1])
    gone = 1 - (r[1] @ v) / (r[0] @ v)
    return rate("rate of the difference over its law", mean(gone / float(least_of_a_pair(sizes.angle))))
