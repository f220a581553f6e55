"""Theorem 2: wide networks end near the minimum-norm solution, at the widths it asks for and at the paper's data."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.imbalance import own_data
from experiments.imbalance.quantiles import fewest_draws, with_probability
from experiments.imbalance.wide_networks import (
    DELTA,
    EXPONENTS,
    FIGURE_WIDTHS,
    Figure4,
    data_of_figure_4,
    distance_reached,
    law,
    law_of_the_sweep,
    steps_to_the_end,
    sweep,
    wide_start,
)
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Study,
    claim,
    curves,
    exactly,
    measured,
    on_data,
    rounding,
    slope,
    varies,
)
from theory.claims.estimates import loglog_slope
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import dynamics, width
from theory.imbalance.compression import Compressed, compress

WIDEST = 1e18  # that can be drawn
SLOPE_WIDTHS = np.array([1e6, 1e9, 1e12, 1e15])  # far enough for h^(1 - 2a) to outgrow Theta_hat where a < 1/2


@dataclass(frozen=True)
class Widths(Figure4):
    """Widths beyond h0, and draws at h0 itself."""

    widths: tuple[int, ...] = varies(
        "units of the hidden layer, of the data of Figure 4",
        (10**6, 10**7, 10**9),
        smoke=(10**7,),
        paper=(10**6, 10**7, 10**8, 10**9),
        low=100,
        high=10**15,
    )
    runs: int = varies("networks of each of these widths", 3, smoke=2, paper=5, low=1, high=10)
    exponents: tuple[float, ...] = varies("a of the scales h^(-a)", EXPONENTS, low=0.3, high=0.5)
    delta: float = varies("probability with which the theorem may fail", DELTA, low=1e-9, high=0.3)
    draws: int = varies("starts of each exponent", 1000, smoke=300, paper=4000, low=20, high=4000)
    paired: int = varies(
        "starts of which the slope in the width is measured", 128, smoke=64, paper=512, low=32, high=512
    )
    targets: float = varies("size of Y at h0; C is exponential in it", 0.2, low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws < fewest_draws(1 - self.delta):
            reject("draws", self.draws, f"at least {fewest_draws(1 - self.delta)} for delta = {self.delta:g}")
        for name in ("exponents", "widths"):
            if len(set(getattr(self, name))) < len(getattr(self, name)) or len(getattr(self, name)) > 6:
                reject(name, getattr(self, name), "at most six different ones")
        self.require_affordable(self.runs * len(self.widths))


@claim(
    "min2021.theorem2",
    source="Min et al. 2021, Theorem 2, Figures 1 and 4",
    source_kind=AS_PRINTED,
    statement=r"\|U V^\top(\infty) - \hat\Theta\| \le 2\, C^{1/h^{1-2a}} \sqrt{m+r}\; s\, h^{1/2-2a},\quad"
    r" C = e^{1 + \lambda_1^{1/2} \|Y\|_F / \lambda_r}\quad\text{with probability} \ge 1-\delta,\quad"
    r" s = \sqrt{m + D} + \sqrt{2 \ln(2/\delta)},\quad"
    r" h_0 = \max(16 s^2,\, 4 (\lambda_1/\lambda_r)^2 m s^2),\quad \hat\Theta = X^+ Y",
    hypotheses=(
        "gradient flow from U (D, h), V (m, h) iid N(0, h^{-2a})",
        "1/4 < a <= 1/2",
        "h > h_0^{1/(4a-1)}",
        "lambda_1 ... lambda_r the eigenvalues of X^T X that are not 0",
    ),
    theory_side="bound",
    controls=(
        "U2 a copy of the weights that are seen",
        "bound 5 % smaller",
        "distance falling as 1/h",
        "lambda_r^(-1/2) in the residual at the start",
        "h0 with lambda_1 / lambda_r^3",
    ),
    accepts_data="regression",
    parameters=Widths,
)
def wide_networks_find_the_minimum_norm(study: Study, sizes: Widths) -> Iterator[Check | Curves]:
    rng = study.rng("problem")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.array([1.2, 1.1, 1.0, 0.9]))
    problem = Regression(problem.X, sizes.targets * problem.Y)  # C is exponential in |Y|
    beyond = _at_the_data_of_figure_4(study, sizes)
    yield from _distance_over_its_bound(study, sizes, problem, beyond)
    yield from _slopes_in_the_width(study, sizes, problem)
    yield from _residual_at_the_start()
    yield from _width_needed()
    yield from _figure(beyond)
    if study.data is not None:
        yield from _on_data(study, sizes)


@on_data
def _on_data(study: Study, sizes: Widths) -> Iterator[Check]:
    """Networks at twice h0 of the data in their own basis and units, a = 1/2."""
    data = own_data.partly_seen(study)
    s = width.deviation(data, sizes.delta)
    needed = 2 * width.theorem_width(data, 0.5, s)
    study.remark(f"judged at twice the width that the theorem asks for, {needed:.3g}")
    if needed > WIDEST:
        conditioned = f"at most {WIDEST:g}: it grows like the fourth power of the condition number of X"
        reject(f"data {study.data}: twice h0", f"{needed:.3g}", conditioned)
    h, runs = int(needed), fewest_draws(1 - sizes.delta)
    start = wide_start(data, h, 0.5, runs, study.rng("own data"))
    distance = distance_reached(study, start, h, 0.5, steps=steps_to_the_end(study, data, runs, h))
    ratios, because = distance / width.distance_bound(data, h, 0.5, s), f"Theorem 2 at h = {h:.3g}"
    over = with_probability(1 - sizes.delta, "distance over its bound", ratios, because=because)
    yield replace(over, case="own data").at_most(1.0)


def _distance_over_its_bound(study: Study, sizes: Widths, problem: Regression, beyond: "Beyond") -> Iterator[Check]:
    """Gaussian starts at the width the theorem asks for, the paper's data beyond it, and the worst start there is."""
    s, runs, likely = width.deviation(problem, sizes.delta), sizes.draws, 1 - sizes.delta
    drawn = []
    for exponent in sizes.exponents:
        h = int(width.theorem_width(problem, exponent, s)) + 1
        start = wide_start(problem, h, exponent, runs, study.rng("start", exponent))
        drawn.append(distance_reached(study, start, h, exponent) / width.distance_bound(problem, h, exponent, s))
    figure = beyond.swept["distance"] / beyond.bound[:, None]
    constructed = [_from_the_worst_start(study, sizes.delta), *figure.ravel()]
    below = ", ".join(f"{1 / np.median(ratios):.3g}" for ratios in drawn)
    name, tried = "distance over its bound", ", ".join(map(str, sizes.exponents))
    because = (
        f"Theorem 2; Gaussian starts end {below} times below it (a = {tried}), the data of "
        f"Figure 4 {1 / figure.max():.3g} times or more; beside them the worst start that the event of Lemma 1 allows"
    )
    over_bound = with_probability(likely, name, np.array(drawn), because=because, constructed=constructed)
    yield over_bound.at_most(1.0)
    yield over_bound.control("bound 5 % smaller").at_most(0.95)
    # Independence broken: every row of U2 repeats the first row of V, so U2 V^T does not shrink with the width.
    h = 10**6
    start = wide_start(problem, h, 0.5, runs, study.rng("copied"))
    frozen = np.repeat(start.network.V[:, :1], problem.D - problem.r, axis=1)
    copied = Compressed(start.original, start.problem, start.network, frozen)
    ratios = distance_reached(study, copied, h, 0.5) / width.distance_bound(problem, h, 0.5, s)
    over_bound = with_probability(likely, name, ratios, because="Theorem 2")
    yield over_bound.control("U2 a copy of the weights that are seen").at_most(1.0)


def _from_the_worst_start(study: Study, delta: float) -> float:
    """Distance over its bound, at the most that the event behind the theorem allows.

    At m >> r and a < 1/2, at a width where C^(1/h^(1-2a)) is 1. Then it is the overlap of V and U2 at the start, a
    share (m / (m + r))^(1/2) of the whole overlap, at which (18) is an equality.
    """
    m, h, a, rng = 40, 10**15, 0.4, study.rng("worst start")
    problem = random_regression(rng, D=m + 2, n=2, m=m, singular_values=np.array([1.1]))
    s = width.deviation(problem, delta)
    start = compress(problem, width.extreme_network(problem, h, a, s, rng))
    return float(distance_reached(study, start, h, a).item() / width.distance_bound(problem, h, a, s))


def _slopes_in_the_width(study: Study, sizes: Widths, problem: Regression) -> Iterator[Check]:
    """Slope -(2a - 1/2) of the distance; widths far enough for h^(1 - 2a) to outgrow Theta_hat where a < 1/2."""
    # A run has the same draws at every width, so that its slope is free of their spread, but for a share h^(-1/2).
    runs, widths = sizes.paired, SLOPE_WIDTHS
    for a in sizes.exponents:
        starts = [wide_start(problem, int(h), a, runs, study.rng("paired", a)) for h in widths]
        distances = np.array([distance_reached(study, start, int(h), a) for h, start in zip(widths, starts)])
        predicted = -(2 * a - 0.5)
        found = slope("slope in the width", loglog_slope(widths, distances), case=f"a = {a}")
        yield found.equals(predicted, excludes=(0.95 * predicted, 1.05 * predicted))
        if a == sizes.exponents[0]:
            yield found.control("distance falling as 1/h").equals(-1, excludes=(predicted,))


def _residual_at_the_start() -> Iterator[Check]:
    """S = (3, 2), Y = 0: a start whose residual exceeds the printed bound."""
    example = Regression(np.diag([3.0, 2.0]), np.zeros((2, 1)))
    U1, V = np.array([[5.0], [1.0]]), np.array([[1.0]])
    residual = float(np.linalg.norm(dynamics.residual(example, np.concatenate([V, U1]))))
    product = float(np.linalg.norm(U1 @ V.T))
    size = measured("residual at the start", residual, within=exactly("triangle inequality, |S| = sigma_1"))
    yield size.at_most(width.residual_bound(example, product))
    # Along the leading direction of the data the triangle inequality is an equality.
    aligned = Regression(np.diag([3.0, 2.0]), np.array([[-1.0], [0.0]]))
    along = float(np.linalg.norm(dynamics.residual(aligned, np.array([[1.0], [5.0], [0.0]]))))
    within = rounding(1e3, of="one number, a few operations")
    yield measured("residual along the leading direction", along, within=within).equals(
        width.residual_bound(aligned, 5.0)
    )
    correction = "|E(0)| <= |Y| + lambda_1^(1/2) |U1 V^T|: E = y~ - Sigma_x^(1/2) U1 V^T"
    printed = size.proof_step("lambda_r^(-1/2) in the residual at the start", correction=correction)
    yield printed.at_most(width.printed_residual_bound(example, product))


def _width_needed() -> Iterator[Check]:
    """h0 is where the part of the residual that the start adds contributes one unit to the exponent of C."""
    steep = Regression(np.diag([3.0, 0.5]), np.ones((2, 1)))
    s = width.deviation(steep, DELTA)
    few = rounding(1e4, of="one number, a few operations")
    for a in EXPONENTS:
        h = width.theorem_width(steep, a, s)
        product = width.product_bound(steep, h, a, s)
        unit = steep.S[0] ** 2 / steep.S[-1] ** 2 * product
        yield measured(f"exponent at h0, a = {a}", unit, within=few).equals(1.0)
        growth = width.distance_bound(steep, h, a, s) / width.overlap_bound(steep, h, a, s)
        residual = width.residual_bound(steep, product)
        proof = steep.S[0] * residual / (width.imbalance_level_bound(h, a) * steep.S[-1] ** 2)
        # Where the exponent is small its logarithm keeps the rounding of a number near 1.
        of = "inequality 42, lambda_1^(1/2) |E(0)| / (c lambda_r), with (17), (19) and the residual bound at h0"
        within = rounding(1e4, 1 + 1 / proof, of=of)
        yield measured(f"growth allowed at h0, a = {a}", np.log(growth) / proof, within=within).equals(1.0)
        # How the print comes by its h0: from its own residual bound.
        h = width.printed_theorem_width(steep, a, s)
        printed = width.printed_residual_bound(steep, width.product_bound(steep, h, a, s))
        unit = steep.S[0] / steep.S[-1] ** 2 * (printed - np.linalg.norm(steep.Y))
        yield measured(f"exponent at the printed h0, a = {a}", unit, within=few).equals(1.0)
    spread = Regression(np.diag([30.0, 10.0]), np.ones((2, 1)))
    s = width.deviation(spread, DELTA)
    h = width.printed_theorem_width(spread, 0.5, s)
    unit = spread.S[0] ** 2 / spread.S[-1] ** 2 * width.product_bound(spread, h, 0.5, s)
    printed = measured("exponent at the printed h0", unit, within=exactly("what the proof needs of h0"))
    correction = "h0 = max(16 s^2, 4 (lambda_1 / lambda_r)^2 m s^2)"
    yield printed.proof_step("h0 with lambda_1 / lambda_r^3", correction=correction).at_most(1)


class Beyond(NamedTuple):
    """The paper's own data, trained at widths where its theorem applies: its experiments stop at 10^4, below h0."""

    problem: Regression
    s: float
    swept: dict[str, Array]

    @property
    def bound(self) -> Array:
        return width.distance_bound(self.problem, self.swept["widths"], 0.5, self.s)


def _at_the_data_of_figure_4(study: Study, sizes: Widths) -> Beyond:
    problem = data_of_figure_4(study, sizes)
    s = width.deviation(problem, sizes.delta)
    widths, needed = np.array(sizes.widths), width.theorem_width(problem, 0.5, s)
    if widths.min() <= needed:
        reject("widths", widths.min(), f"above h0 = {needed:.4g}, where the theorem applies to these data")
    # At the paper's 1e-8 the residual left would exceed the distance these widths reach; at 1e-14 it does not.
    swept = sweep(study, problem, widths, runs=sizes.runs, stop_below=1e-14)
    return Beyond(problem, s, swept)


def _figure(beyond: Beyond) -> Iterator[Check | Curves]:
    problem, s, swept = beyond
    widths = swept["widths"]
    draws = law_of_the_sweep("the exact law, h beyond h0", problem, swept)
    yield draws.supporting().follow(stats.chi2(problem.D - problem.r))
    needed = width.theorem_width(problem, 0.5, s)
    smallest = measured("smallest of these widths over h0", widths.min(), within=exactly("h0"))
    yield smallest.supporting().at_least(needed)
    over_law = swept["distance"] / law(problem, widths)[:, None]
    yield curves(
        "beyond h0", widths=widths, distance=swept["distance"], distance_over_law=over_law, width_needed=needed
    )
    yield curves("bound", widths=FIGURE_WIDTHS, distance=width.distance_bound(problem, FIGURE_WIDTHS, 0.5, s))
