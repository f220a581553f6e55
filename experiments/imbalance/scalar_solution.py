"""The solved dynamics of one mode of whitened data, and of modes that are decoupled, against training.

Training is gradient descent, the solutions are the flow's: so each training is refined, eta, eta/2, eta/4, ..., and
what it tends to is compared, with the error that the extrapolation itself reports.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from experiments.imbalance.networks import (
    squared_gradient,
    squared_loss,
    trained_coordinates,
    trained_product,
    weights,
)
from experiments.imbalance.solved import Refinement, not_whitened, refined, whitened
from experiments.training import State, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Measured, Study, claim, curves, varies
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import closed_forms, dynamics, one_mode
from theory.imbalance.problem import Network, coordinates, gaussian


@dataclass(frozen=True)
class Modes(Refinement):
    """Gaussian starts of one mode, and their training."""

    widths: tuple[int, ...] = varies(
        "units of the hidden layer, a training each", (1, 2, 32), smoke=(1, 8), paper=(1, 2, 32, 500), low=1, high=5000
    )
    scale: float = varies("standard deviation of the weights, times the root of the width", 0.8, low=0.05, high=3)
    runs: int = varies("starts of each width", 16, smoke=4, paper=64, low=1, high=200)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.widths)) < len(self.widths) or len(self.widths) > 6:
            reject("widths", self.widths, "at most six different ones")


@claim(
    "imbalance.scalar_solution",
    source="ours; Min et al. 2022, equation 14, made exact and solved",
    source_kind=OURS,
    statement=r"p' = \sqrt{c^2 + 4 p^2}\,(y - p),\quad \frac{w - w_+}{w - w_-} = \frac{w_0 - w_+}{w_0 - w_-} e^{-s t},"
    r"\quad p = \tfrac{c}{4}\left(w - \tfrac1w\right),\ w_\pm = \tfrac{2y \pm s}{c},\ s = \sqrt{c^2 + 4 y^2}"
    r",\quad -\dot L / L = 2 \sqrt{c^2 + 4 p^2} = 2 (|u|^2 + |v|^2)",
    hypotheses=(
        "gradient flow of L = 1/2 (y - p)^2, p = u . v, c = |u + v| |u - v|, u and v the rows of U1 and V",
        "whitened data",
        "r = m = 1, or decoupled modes: pairs (u, v) orthogonal to all other rows",
        "any width",
    ),
    theory_side="closed form",
    controls=(
        "c 5 % larger",
        "the target 5 % larger",
        "time 5 % faster",
        "the rate at p = 0, 2 c, at every moment",
        "the constant of the rate 1.9 in place of 2",
        "coupled modes",
        "data that are not whitened",
    ),
    parameters=Modes,
)
def one_mode_is_solved(study: Study, sizes: Modes) -> Iterator[Check | Curves]:
    for h in sizes.widths:
        yield from _one_mode(study, sizes, h)
    yield from _wrong_constants(study, sizes)
    for r, m in ((3, 2), (2, 3)):
        yield from _decoupled_modes(study, sizes, r, m)
    yield from _broken_hypotheses(study, sizes)


class Mode(NamedTuple):
    """Many starts of one whitened mode with L* = 0, and what their refined training recorded: lists, coarse to fine.

    Rates -L'/L as far as all losses are above 0: the fastest of many starts can round to it.
    """

    y: float
    c: Array  # (runs,)
    start: Array  # p(0) (runs,)
    t: Array
    products: list[Array]
    norms: list[Array]
    rates: list[Array]

    def solution(self, *, y: float = 1.0, c: float = 1.0, t: float = 1.0) -> Array:
        """p(t) (T, runs), with target, level and time multiplied by these factors."""
        return one_mode.scalar_solution(y * self.y, c * self.c, self.start, t * self.t)

    def squared_norm(self, c: float = 1.0) -> Array:
        """|u|^2 + |v|^2 at the times t, with the level multiplied by this factor."""
        return one_mode.squared_norm(c * self.c, self.solution(c=c))

    def rate(self) -> Array:
        """-L'/L at the times at which rates were recorded."""
        return one_mode.scalar_rate(self.c, self.solution())[: len(self.rates[0])]


def _one_mode(study: Study, sizes: Modes, h: int) -> Iterator[Check | Curves]:
    """Many Gaussian starts of width h: the product, the norm and the rate along the whole path."""
    mode, case = _trained_mode(study, sizes, h), f"h={h}"
    yield from tends_to("p", mode.products, lambda k: mode.solution(c=k), case=case)
    yield from tends_to("|u|^2 + |v|^2", mode.norms, mode.squared_norm, case=case)
    yield from tends_to("-L'/L", mode.rates, lambda k: k * mode.rate(), case=case)
    solved = mode.solution()
    yield curves(case, t=mode.t, y=mode.y, c=mode.c, trained=richardson(mode.products)[0], solved=solved)


def _wrong_constants(study: Study, sizes: Modes) -> Iterator[Check]:
    """The checks of `_one_mode` once more, each with one constant changed."""
    mode = _trained_mode(study, sizes, 8)
    product, rate = extrapolated("p", mode.products), extrapolated("-L'/L", mode.rates)
    yield product.control("c 5 % larger").equals(mode.solution(c=1.05))
    yield product.control("the target 5 % larger").equals(mode.solution(y=1.05))
    yield product.control("time 5 % faster").equals(mode.solution(t=1.05))
    yield rate.control("the rate at p = 0, 2 c, at every moment").equals(2 * mode.c)
    yield rate.control("the constant of the rate 1.9 in place of 2").equals(0.95 * mode.rate())


def _decoupled_modes(study: Study, sizes: Modes, r: int, m: int) -> Iterator[Check]:
    problem = whitened(study, r, m)
    network = closed_forms.decoupled(problem, r + m + 3, study.rng("decoupled", r, m), runs=4)
    runs = refined(study, problem, network, sizes)
    products = [trained_product(problem, run) for run in runs]

    def solved(rate: float) -> Array:
        return closed_forms.decoupled_solution(problem, network, rate * runs[0].t)

    yield from tends_to("U1 V^T", products, solved, case=f"r={r}, m={m}, decoupled modes")


def _broken_hypotheses(study: Study, sizes: Modes) -> Iterator[Check]:
    rng = study.rng("broken")
    problem = whitened(study, 3, 2)
    start = closed_forms.decoupled(problem, 8, rng, runs=4)
    noise = gaussian(problem, 8, rng, scales=(0.1, 0.1), runs=4)
    product, predicted = _mode_by_mode(study, sizes, problem, Network(start.U + noise.U, start.V + noise.V))
    yield product.control("coupled modes").equals(predicted)
    problem = not_whitened(rng)
    product, predicted = _mode_by_mode(study, sizes, problem, closed_forms.decoupled(problem, 8, rng, runs=4))
    yield product.control("data that are not whitened").equals(predicted)


def _mode_by_mode(study: Study, sizes: Modes, problem: Regression, network: Network) -> tuple[Measured, Array]:
    """The product and its prediction by `_decoupled_modes`, whatever the hypotheses."""
    runs = refined(study, problem, network, sizes)
    predicted = closed_forms.modes(problem, coordinates(problem, network)).product(runs[0].t)
    return extrapolated("U1 V^T", [trained_product(problem, run) for run in runs]), predicted


def _trained_mode(study: Study, sizes: Modes, h: int) -> Mode:
    """Gaussian starts of one size whatever the width, trained."""
    rng = study.rng("one mode", h)
    problem = random_regression(rng, D=3, n=1, m=1, singular_values=np.ones(1))
    scale = sizes.scale / np.sqrt(h)
    network = gaussian(problem, h, rng, scales=(scale, scale), runs=sizes.runs)
    loss = squared_loss(problem, study.device)

    def observe(state: State) -> State:
        losses, squared = squared_gradient(loss, state)
        return {**weights(state), "rate": squared / losses}

    runs = refined(study, problem, network, sizes, observe=observe)
    above = int(np.isfinite([run["rate"] for run in runs]).all((0, 2)).sum())
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    u, v = U1[:, 0], V[:, 0]
    return Mode(
        y=problem.targets.item(),
        c=one_mode.scalar_level(u, v),
        start=(u * v).sum(-1),
        t=runs[0].t,
        products=[trained_product(problem, run)[..., 0, 0] for run in runs],
        norms=[(trained_coordinates(problem, run) ** 2).sum((-2, -1)) for run in runs],
        rates=[run["rate"][:above] for run in runs],
    )
