"""Theorem 2: wide networks end near the minimum-norm solution, at the widths it asks for and at the paper's data."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.imbalance import own_data
from experiments.imbalance.beyond_h0 import Beyond, at_the_data_of_figure_4, judged_beyond
from experiments.imbalance.quantiles import fewest_draws, with_probability
from experiments.imbalance.theorem2_proof import residual_at_the_start, width_needed
from experiments.imbalance.wide_ends import Cell, distances
from experiments.imbalance.wide_networks import (
    DELTA,
    EXPONENTS,
    Figure4,
    distance_reached,
    steps_to_the_end,
    wide_start,
)
from experiments.imbalance.worst_starts import at_the_worst_starts, gaussian_beside_the_law, nearly_an_equality
from theory.claims import (
    AS_PRINTED,
    Check,
    Curves,
    Study,
    claim,
    on_data,
    slope,
    varies,
)
from theory.claims.estimates import loglog_slope
from theory.core.regression import Regression, random_regression
from theory.core.validation import reject
from theory.imbalance import width
from theory.imbalance.compression import Compressed

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
    outputs: tuple[int, ...] = varies(
        "columns of Y at the worst starts, m", (2, 5, 20, 50), smoke=(2, 20), low=1, high=200
    )
    unseen: int = varies("columns of X at the starts beside their law, D", 2000, smoke=500, low=500, high=20_000)
    targets: float = varies("size of Y at h0; C is exponential in it", 0.2, low=1e-3, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws < fewest_draws(1 - self.delta):
            reject("draws", self.draws, f"at least {fewest_draws(1 - self.delta)} for delta = {self.delta:g}")
        for name in ("exponents", "widths", "outputs"):
            if len(set(getattr(self, name))) < len(getattr(self, name)) or len(getattr(self, name)) > 6:
                reject(name, getattr(self, name), "at most six different ones")
        self.require_affordable(self.runs * len(self.widths))


@claim(
    "min2021.theorem2",
    source="Min et al. 2021, Theorem 2, Figures 1 and 4",
    source_kind=AS_PRINTED,
    statement=r"\|U V^\top(\infty) - \hat\Theta\| \le 2\, C^{1/h^{1-2a}} \sqrt{m+r}\; s\, h^{1/2-2a},\quad"
    r" C = e^{1 + \lambda_1^{1/2} \|Y\|_F / \lambda_r}\quad\text{with probability} \ge 1-\delta,\quad"
    r" s = \sqrt{m + D} + \tfrac12 \ln(2/\delta),\quad"
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
        "bound 1 % smaller",
        "constant 5 % below the law's in place of 2, in every run",
        "distance at the worst start without C",
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
    beyond = at_the_data_of_figure_4(study, sizes, np.array(sizes.widths), sizes.runs, sizes.delta)
    yield from _distance_over_its_bound(study, sizes, problem, beyond)
    yield from at_the_worst_starts(study, sizes.outputs, sizes.targets, sizes.delta)
    yield from gaussian_beside_the_law(study, sizes.unseen, sizes.delta)
    yield from _slopes_in_the_width(study, sizes, problem)
    yield from residual_at_the_start()
    yield from width_needed()
    yield from judged_beyond(beyond)
    if study.data is not None:
        yield from _on_data(study, sizes)


@on_data
def _on_data(study: Study, sizes: Widths) -> Iterator[Check]:
    """Networks at twice h0 of the data in their own basis and units, a = 1/2."""
    data = own_data.partly_seen(study)
    s = width.printed_deviation(data, sizes.delta)
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


def _distance_over_its_bound(study: Study, sizes: Widths, problem: Regression, beyond: Beyond) -> Iterator[Check]:
    """Gaussian starts at the width the theorem asks for, the paper's data beyond it, and the worst start there is."""
    s, runs, likely = width.printed_deviation(problem, sizes.delta), sizes.draws, 1 - sizes.delta
    cells = []
    for a in sizes.exponents:
        h = int(width.theorem_width(problem, a, s)) + 1
        cells.append(Cell(wide_start(problem, h, a, runs, study.rng("start", a)), h, a))
    reached = distances(study, cells)
    drawn = [each / width.distance_bound(problem, cell.h, cell.a, s) for each, cell in zip(reached, cells)]
    figure = beyond.swept["distance"] / beyond.bound[:, None]
    constructed = [nearly_an_equality(study, sizes.delta), *figure.ravel()]
    below = ", ".join(f"{1 / np.median(ratios):.3g}" for ratios in drawn)
    name, tried = "distance over its bound", ", ".join(map(str, sizes.exponents))
    because = (
        f"Theorem 2; Gaussian starts end {below} times below it (a = {tried}), the data of "
        f"Figure 4 {1 / figure.max():.3g} times or more; beside them the worst start that the event of Lemma 1 allows"
    )
    over_bound = with_probability(likely, name, np.array(drawn), because=because, constructed=constructed)
    yield over_bound.at_most(1.0)
    yield over_bound.control("bound 1 % smaller").at_most(0.99)
    # Independence broken: every row of U2 repeats the first row of V, so U2 V^T does not shrink with the width.
    h = int((10 * width.distance_bound(problem, 1.0, 0.5, s)) ** 2) + 1  # so wide that the bound is a tenth
    start = wide_start(problem, h, 0.5, runs, study.rng("copied"))
    frozen = np.repeat(start.network.V[:, :1], problem.D - problem.r, axis=1)
    copied = Compressed(start.original, start.problem, start.network, frozen)
    ratios = distances(study, [Cell(copied, h, 0.5)])[0] / width.distance_bound(problem, h, 0.5, s)
    over_bound = with_probability(likely, name, ratios, because="Theorem 2")
    yield over_bound.control("U2 a copy of the weights that are seen").at_most(1.0)


def _slopes_in_the_width(study: Study, sizes: Widths, problem: Regression) -> Iterator[Check]:
    """Slope -(2a - 1/2) of the distance; widths far enough for h^(1 - 2a) to outgrow Theta_hat where a < 1/2."""
    # A run has the same draws at every width, so that its slope is free of their spread, but for a share h^(-1/2).
    cells = [
        Cell(wide_start(problem, int(h), a, sizes.paired, study.rng("paired", a)), int(h), a)
        for a in sizes.exponents
        for h in SLOPE_WIDTHS
    ]
    reached = np.reshape(distances(study, cells), (len(sizes.exponents), len(SLOPE_WIDTHS), sizes.paired))
    for a, of_width in zip(sizes.exponents, reached):
        predicted = -(2 * a - 0.5)
        found = slope("slope in the width", loglog_slope(SLOPE_WIDTHS, of_width), case=f"a = {a}")
        yield found.equals(predicted, excludes=(0.95 * predicted, 1.05 * predicted))
        if a == sizes.exponents[0]:
            yield found.control("distance falling as 1/h").equals(-1, excludes=(predicted,))
