"""How far the kernel of a network of finite width is from that at infinite width: exact in the mean square."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import kernels_at_start
from experiments.kernel.problems import Sizes, draw_inputs
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, rate, slope, varies
from theory.claims.estimates import loglog_slope, mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.kernel import width
from theory.kernel.inputs import Inputs


@dataclass(frozen=True)
class Draws(Sizes):
    """Of the problem, and of the networks that are drawn."""

    # |H(W) - H|^2 spreads by about 0.7 of its mean, so that 12000 networks know it to 4.9 x 0.7 / 12000^(1/2) = 3.1 %.
    draws: int = varies("networks of each width", 12_000, smoke=4000, paper=30_000, low=100, high=10**6)
    widths: tuple[int, ...] = varies("m", (1, 6, 40, 256), smoke=(1, 16), low=1, high=4096)
    slope_draws: int = varies("networks that the slope is read from", 1600, smoke=200, low=10, high=10**5)
    slope_widths: tuple[int, ...] = varies("m of these", (16, 64, 256, 1024), smoke=(16, 128), low=1, high=10**4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.widths)) < len(self.widths):
            reject("widths", self.widths, "different ones")
        if len(set(self.slope_widths)) < max(len(self.slope_widths), 2):
            reject("slope_widths", self.slope_widths, "different ones, two at least")


@claim(
    "kernel.gram_deviation",
    source="ours; sharpens Du, Zhai, Póczos & Singh 2019, Lemma 3.1",
    source_kind=OURS,
    statement=r"\mathbb{E} \|H(W) - H^\infty\|_F^2 = \frac{1}{m} \sum_{ij} (x_i^\top x_j)^2 p_{ij} (1 - p_{ij}),"
    r"\quad p_{ij} = \frac{\pi - \arccos(x_i^\top x_j)}{2\pi},\quad"
    r" H_{ij}(W) = \frac{x_i^\top x_j}{m} \sum_{r=1}^m \mathbf{1}\{w_r^\top x_i \ge 0,\ w_r^\top x_j \ge 0\}",
    hypotheses=("w_r ~ N(0, I), |x_i| = 1", "every width m"),
    theory_side="law",
    controls=("p in place of p (1 - p)", "without the diagonal", "10 % more"),
    parameters=Draws,
)
def kernels_of_finite_width_spread_by_a_law(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    inputs = draw_inputs(study, sizes)
    p, off_diagonal = inputs.both_active, 1 - np.eye(inputs.n)
    for m in sizes.widths:
        away = kernels_at_start(study, inputs, m, sizes.draws, study.rng("law", m)) - inputs.H
        squares = np.square(away).sum((1, 2))
        law = float(width.squared_deviation(inputs, m))
        yield _over_law(squares, law, case=f"m = {m}").equals(1)
    yield _over_law(squares, float((inputs.gram**2 * p).sum()) / m).control("p in place of p (1 - p)").equals(1)
    smaller = float((inputs.gram**2 * p * (1 - p) * off_diagonal).sum()) / m
    yield _over_law(squares, smaller).control("without the diagonal").equals(1)
    yield _over_law(squares, law).control("10 % more").equals(1.1)
    norms = _norms(study, inputs, sizes)
    found = slope("|H(W) - H| against the width", loglog_slope(np.array(sizes.slope_widths), norms))
    yield found.equals(-0.5)
    yield curves(widths=sizes.slope_widths, norms=norms, largest=np.sqrt(width.squared_deviation(inputs, 1.0)))


def _over_law(squares: Array, law: float, case: str = "") -> Estimated:
    return rate("|H(W) - H|_F^2 over its law", mean(squares / law), case=case)


def _norms(study: Study, inputs: Inputs, sizes: Draws) -> Array:
    """Largest singular value of H(W) - H (widths, draws)."""
    return np.stack(
        [
            np.linalg.norm(
                kernels_at_start(study, inputs, m, sizes.slope_draws, study.rng("norm", m)) - inputs.H, 2, axis=(1, 2)
            )
            for m in sizes.slope_widths
        ]
    )
