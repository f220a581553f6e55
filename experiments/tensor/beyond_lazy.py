"""From a tiny start a target of few terms is found by far fewer components than lazy training needs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.tensor.from_tiny import FOUND, require_in_time, tiny
from experiments.tensor.models import linearised, tensor
from experiments.tensor.problems import orthonormal, unit_vectors
from experiments.training import Trainee
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    by_chance,
    claim,
    curves,
    exactly,
    measured,
    rounding,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor import coupons
from theory.tensor.coordinates import dimension
from theory.tensor.generic import lazy_width
from theory.tensor.harmonics import least_left

LAZY_RUNS, LAZY_REST = 64, 1e-3
LAZY_MOST = 1500  # m d, whose square is a matrix


@dataclass(frozen=True)
class Sizes:
    """Of the target, and of what is trained on it."""

    order: int = varies("l, even: of odd l more components die", 4, low=4, high=8)
    inputs: tuple[int, ...] = varies("d", (8, 16), smoke=(12,), paper=(8, 24), low=5, high=40)
    terms: int = varies("r, powers in the target", 3, smoke=2, low=2, high=5)
    runs: int = varies("that are trained", 60, smoke=10, paper=200, low=5, high=1000)

    def __post_init__(self) -> None:
        if self.order % 2:
            reject("order", self.order, "an even number")
        for d in self.inputs:
            require_in_time(self.order, d, self.terms, self.terms)
        if self.width * max(self.inputs) > LAZY_MOST:
            reject("inputs", self.inputs, f"m d of at most {LAZY_MOST}, with m = {self.width}")
        if self.width > lazy_width(max(self.inputs), self.order) / 2:
            reject("inputs", self.inputs, f"one at which m* is at least twice the {self.width} components")

    @property
    def width(self) -> int:
        """m at which no run of all that are trained misses a term, but for chance."""
        return coupons.width_for(self.order, self.terms, max(1 - SIGNIFICANCE / self.runs, 0))


@claim(
    "wang2020.beyond_lazy",
    source="Wang, Wu, Lee, Ma & Ge 2020, abstract; their variant of descent is not used, a tiny start alone is",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"T = \sum_{j=1}^r q_j^{\otimes l}:\quad"
    r" \frac{\|T - \sum_{i=1}^m \|u_i\|^{2-l} u_i^{\otimes l}\|^2}{\|T\|^2}"
    r" \to 0 \ \text{ for } m \text{ independent of } d,\ m \le O^*(r^{2.5 l} \log d),\quad\text{while lazily}\quad"
    r" \frac{\|T - P T\|^2}{\|T\|^2} > 0 \ \text{ for } m < m^* = \Omega(d^{l-1})",
    hypotheses=(
        "q orthonormal, equal weights; model of positive coefficients that grows like a square, tiny random start",
        "m such that by the law of coupons all terms are found in all runs; gradient descent",
    ),
    theory_side="law",
    controls=("lazy training finds it too", "as many components as terms", "time cut to 0.4 of it"),
    parameters=Sizes,
)
def few_components_find_few_terms(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    l, r, m = sizes.order, sizes.terms, sizes.width
    for d in sizes.inputs:
        batch, case = tiny(study.rng("trained", d), l, d, r, m, sizes.runs), f"d = {d}, m = {m}"
        left, _ = batch.trained(study)
        least = least_left(d, l, m, r)
        yield _left(left, case).at_most(0.0, against=max(least, 1 / r))
    lazy, solved = _lazily(study, d, l, r, m)
    within = rounding(LAZY_MOST**2, of="squares of m d numbers, once a step, by the kernel")
    yield measured("share left by lazy training", lazy, within=within, case=case, axes=("run",)).equals(solved)
    off = measured("mean share left by lazy training", lazy.mean(), within=by_chance(mean(lazy)), case=case)
    yield off.supporting().at_least(least)
    yield _left(lazy).control("lazy training finds it too").at_most(0.0)
    few, _ = tiny(study.rng("few"), l, d, r, r, max(sizes.runs, 64)).trained(study)
    yield _left(few).control("as many components as terms").at_most(0.0)
    cut, _ = batch.trained(study, longer=0.4)
    yield _left(cut).control("time cut to 0.4 of it").at_most(0.0)
    yield _over("m* over m", lazy_width(d, l) / m).at_least(2.0)
    theirs = coupons.theorem_width(d, l, r)
    yield _over("r^(2.5 l) log d over m", theirs / m).at_least(1.0)
    yield _over("least d at which r^(2.5 l) log d is below m*", _crossing(l, r)).at_least(float(r))
    yield curves(inputs=sizes.inputs, trained=left, lazy=lazy, m=m, enough=lazy_width(d, l), D=dimension(d, l))


def _left(left: Array, case: str = "") -> Measured:
    within = Tolerance(FOUND, "what counts as found")
    return measured("share left", left, within=within, case=case, axes=("run",))


def _over(name: str, ratio: float) -> Measured:
    return measured(name, ratio, within=exactly("a formula")).supporting()


def _lazily(study: Study, d: int, l: int, r: int, m: int) -> tuple[Array, Array]:
    """|T - J delta|^2 / |T|^2 of targets in random position (runs,), trained to the end, and in closed form."""
    rng = study.rng("lazy")
    U, Q = tensor(study, unit_vectors(rng, m, d)), tensor(study, orthonormal(rng, LAZY_RUNS, r, d))
    model = linearised(U, Q, l)
    kernel, pull = model.kernel.cpu().numpy(), model.pull.cpu().numpy()
    values, vectors = np.linalg.eigh(kernel)
    steps = int(np.ceil(np.log(1 / LAZY_REST) / 2 * values[-1] / values[0]))
    fitted = 1 - (1 - values / values[-1]) ** (2 * steps)
    solved = 1 - (np.square(pull @ vectors) / values * fitted).sum(1) / r
    training = Trainee(study, model.loss, {"moves": np.zeros(pull.shape)},
                       observe=lambda state: {"left": model.share_left(state)})  # fmt: skip
    run = training.train(learning_rate=1 / values[-1], steps=steps, record=[steps])
    return run["left"][-1], solved


def _crossing(l: int, r: int) -> int:
    """The least d at which the theorem's number of components is below m*."""
    low, high = 1, 2
    while coupons.theorem_width(high, l, r) >= lazy_width(high, l):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        below = coupons.theorem_width(middle, l, r) < lazy_width(middle, l)
        low, high = (low, middle) if below else (middle, high)
    return high
