"""Theorem 2: wide networks end near the minimum-norm solution, at the widths it asks for and at the paper's data."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.wide_networks import (
    DELTA,
    EXPONENTS,
    FIGURE_WIDTHS,
    data_of_figure_4,
    distance_reached,
    follows_the_law,
    law,
    sweep,
    wide_start,
)
from theory.claims import Check, Curves, Study, claim, curves, exactly, frequency, measured, rounding, slope
from theory.claims.estimates import loglog_slope
from theory.core.regression import Regression, random_regression
from theory.imbalance import dynamics, width
from theory.imbalance.compression import Compressed


@claim(
    "min2021.theorem2",
    source="Min et al. 2021, Theorem 2, Figures 1 and 4",
    statement=r"\|U V^\top(\infty) - \hat\Theta\| \le 2\, C^{1/h^{1-2a}} \sqrt{m+r}\; s\, h^{1/2-2a},\quad"
    r" C = e^{1 + \lambda_1^{1/2} \|Y\|_F / \lambda_r}\quad\text{with probability} \ge 1-\delta",
    hypotheses=("U, V iid N(0, h^{-2a})", "1/4 < a <= 1/2", "h > h0^{1/(4a-1)}"),
    theory_side="bound",
    controls=(
        "U2 a copy of the weights that are seen",
        "distance falling as 1/h",
        "lambda_r^(-1/2) in the residual at the start",
        "h0 with lambda_1 / lambda_r^3",
    ),
)
def wide_networks_find_the_minimum_norm(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("problem")
    problem = random_regression(rng, D=12, n=6, m=2, singular_values=np.array([1.2, 1.1, 1.0, 0.9]))
    problem = Regression(problem.X, 0.2 * problem.Y)  # C is exponential in |Y|
    yield from _distance_at_the_width_of_the_theorem(study, problem)
    yield from _slopes_in_the_width(study, problem)
    yield from _residual_at_the_start()
    yield from _width_needed()
    yield from _at_the_data_of_figure_4(study)


def _distance_at_the_width_of_the_theorem(study: Study, problem: Regression) -> Iterator[Check]:
    s = width.deviation(problem, DELTA)
    runs = study.pick(smoke=300, quick=1000, paper=4000)
    for exponent in EXPONENTS:
        h = int(width.theorem_width(problem, exponent, s)) + 1
        distance = distance_reached(study, wide_start(study, problem, h, exponent, runs), h, exponent)
        bound = width.distance_bound(problem, h, exponent, s)
        because = f"Theorem 2; the bound is {bound / np.median(distance):.3g} times the median distance"
        inside = int((distance <= bound).sum())
        yield frequency(f"a = {exponent}, h = {h}", inside, runs, because=because).at_least(1 - DELTA)
    # Independence broken: every row of U2 repeats the first row of V, so U2 V^T does not shrink with the width.
    h = 10**6
    start = wide_start(study, problem, h, 0.5, runs)
    frozen = np.repeat(start.network.V[:, :1], problem.D - problem.r, axis=1)
    copied = Compressed(start.original, start.problem, start.network, frozen)
    distance = distance_reached(study, copied, h, 0.5)
    inside = int((distance <= width.distance_bound(problem, h, 0.5, s)).sum())
    frequent = frequency("U2 copied", inside, runs, because="Theorem 2")
    yield frequent.control("U2 a copy of the weights that are seen").at_least(1 - DELTA)


def _slopes_in_the_width(study: Study, problem: Regression) -> Iterator[Check]:
    """Slope -(2a - 1/2) of the distance; widths far enough for h^(1 - 2a) to outgrow Theta_hat where a < 1/2."""
    # Over nine decades the slope of one run spreads by 0.013; this many leave 10 % of the smallest slope, 0.01, nine
    # standard errors away.
    runs = study.pick(smoke=256, quick=512, paper=2048)
    widths = np.array([1e6, 1e9, 1e12, 1e15])
    for a in EXPONENTS:
        starts = (wide_start(study, problem, int(h), a, runs) for h in widths)
        distances = np.array([distance_reached(study, start, int(h), a) for h, start in zip(widths, starts)])
        predicted = -(2 * a - 0.5)
        found = slope("slope in the width", loglog_slope(widths, distances), case=f"a = {a}")
        yield found.equals(predicted, excludes=(0.9 * predicted, 1.1 * predicted))
        if a == 0.5:
            yield found.control("distance falling as 1/h").equals(-1, excludes=(-0.5,))


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
        yield measured(f"exponent at h0, a = {a}", unit, within=few).equals(1)
        growth = width.distance_bound(steep, h, a, s) / width.overlap_bound(steep, h, a, s)
        residual = width.residual_bound(steep, product)
        proof = steep.S[0] * residual / (width.imbalance_level_bound(h, a) * steep.S[-1] ** 2)
        # Where the exponent is small its logarithm keeps the rounding of a number near 1.
        of = "inequality 42, lambda_1^(1/2) |E(0)| / (c lambda_r), with (17), (19) and the residual bound at h0"
        within = rounding(1e4, 1 + 1 / proof, of=of)
        yield measured(f"growth allowed at h0, a = {a}", np.log(growth) / proof, within=within).equals(1)
        # How the print comes by its h0: from its own residual bound.
        h = width.printed_theorem_width(steep, a, s)
        printed = width.printed_residual_bound(steep, width.product_bound(steep, h, a, s))
        unit = steep.S[0] / steep.S[-1] ** 2 * (printed - np.linalg.norm(steep.Y))
        yield measured(f"exponent at the printed h0, a = {a}", unit, within=few).equals(1)
    spread = Regression(np.diag([30.0, 10.0]), np.ones((2, 1)))
    s = width.deviation(spread, DELTA)
    h = width.printed_theorem_width(spread, 0.5, s)
    unit = spread.S[0] ** 2 / spread.S[-1] ** 2 * width.product_bound(spread, h, 0.5, s)
    printed = measured("exponent at the printed h0", unit, within=exactly("what the proof needs of h0"))
    correction = "h0 = max(16 s^2, 4 (lambda_1 / lambda_r)^2 m s^2)"
    yield printed.proof_step("h0 with lambda_1 / lambda_r^3", correction=correction).at_most(1)


def _at_the_data_of_figure_4(study: Study) -> Iterator[Check | Curves]:
    """The paper's own data, at widths where its theorem applies: its experiments stop at 10^4, below h0."""
    problem = data_of_figure_4(study)
    s = width.deviation(problem, DELTA)
    widths = np.array(study.pick(smoke=[10**7], quick=[10**6, 10**7, 10**9], paper=[10**6, 10**7, 10**8, 10**9]))
    # At the paper's 1e-8 the residual left would exceed the distance these widths reach; at 1e-14 it does not.
    swept = sweep(study, problem, widths, runs=study.pick(smoke=2, quick=3, paper=5), stop_below=1e-14)
    within = exactly("Theorem 2 at the data of Figure 4, beyond its h0; every run")
    distance = measured("data of Figure 4, h beyond h0", swept["distance"], within=within, axes=("width", "run"))
    yield distance.at_most(width.distance_bound(problem, widths, 0.5, s)[:, None])
    yield follows_the_law("the exact law, h beyond h0", problem, swept)
    needed = width.theorem_width(problem, 0.5, s)
    smallest = measured("smallest of these widths over h0", widths.min(), within=exactly("h0"))
    yield smallest.at_least(needed)
    over_law = swept["distance"] / law(problem, widths)[:, None]
    yield curves(
        "beyond h0", widths=widths, distance=swept["distance"], distance_over_law=over_law, width_needed=needed
    )
    yield curves("bound", widths=FIGURE_WIDTHS, distance=width.distance_bound(problem, FIGURE_WIDTHS, 0.5, s))
