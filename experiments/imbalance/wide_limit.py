"""Infinite width: exact for orthogonal rows at any width, approached like h^(-1/2) by Gaussian starts; the distance."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from experiments.imbalance import own_data
from experiments.imbalance.networks import by_autograd, trained_coordinates, trained_product
from experiments.imbalance.solved import Refinement, first_order, refined
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, on_data, rate, slope, varies
from theory.claims.estimates import Estimate, loglog_slope, mean, richardson
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.imbalance import dynamics, wide_limit
from theory.imbalance.compression import Compressed, compressed_problem, gaussian_compressed
from theory.imbalance.problem import Network, fan_in_scale

FASTER = 8 / 3  # the learning rate of the distance, which is averaged over many runs, in units of 1 / k
LARGEST = 300  # m + r of the user's data: seconds
GROUPS = 16  # of runs: each measures one root mean square a width, and so one slope
SOLVER = 1e-12  # relative tolerance of the limit equation: orders of magnitude below what training resolves


@dataclass(frozen=True)
class Widths(Refinement):
    """Widths that tend to infinity, one for the distance, and the training of both."""

    widths: tuple[int, ...] = varies(
        "units of the hidden layer, of which the slope is measured",
        (10**4, 10**5, 10**6, 10**7),
        smoke=(10**4, 10**5, 10**6),
        paper=(10**4, 10**5, 10**6, 10**7, 10**8),
        low=300,
        high=10**9,
    )
    # The law of the distance is off by O(1/h): far below its interval, which fluctuations of order h^(-1/2) set.
    width: int = varies("units of the hidden layer, of the distance", 10**8, low=10**4, high=10**12)
    runs: int = varies("starts of each width in each of 16 groups", 16, smoke=4, paper=64, low=4, high=64)
    draws: int = varies("starts of the distance", 2048, smoke=512, paper=8192, low=512, high=20_000)
    squared_length: float = varies("of the orthogonal rows; not 1, so that k and k^2 differ", 0.8, low=0.1, high=3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) < 3 or len(self.widths) > 6 or max(self.widths) < 100 * min(self.widths):
            reject("widths", self.widths, "three to six, the largest at least a hundred times the smallest")


@claim(
    "imbalance.wide_limit",
    source="the equation: Tu, Aranguri & Jacot 2024 (arXiv 2405.17580), equation 1; ours: its exactness at orthogonal"
    " rows of any width, and the constant of the distance in Min et al. 2021, Theorem 2",
    source_kind=OURS,
    statement=r"\dot p = S E (k^2 I + p^\top p)^{1/2} + (k^2 I + p p^\top)^{1/2} S E,\quad V V^\top = (k^2 I + p^\top"
    r" p)^{1/2},\quad \|U V^\top - \hat\Theta\|_F^2 \sim (D - r) h^{-2a} \operatorname{tr}"
    r"(k^2 I + \hat\Theta^\top \hat\Theta)^{1/2},\quad k = h^{1 - 2a},\ \hat\Theta = X^+ Y",
    hypotheses=(
        "gradient flow; p = U1 V^T, E = W^T Y - S p, X (n, D) = W S Phi1^T of rank r, U1 = Phi1^T U",
        "Z = [V; U1], Z Z^T = k I at the start, or Gaussian weights N(0, h^{-2a}) and large h",
    ),
    theory_side="ODE",
    controls=(
        "orthogonal rows, k 5 % larger",
        "rows of U1 longer by 1.2: the equation",
        "rows of U1 longer by 1.2: the Gram matrix",
        "Gaussian weights, k 10 % larger",
        "Gaussian weights, U larger by 1.2",
        "a = 0.5: distance with k 10 % larger",
        "a = 0.5: distance with D in place of D - r",
        "a = 0.4: distance with k = 1",
    ),
    accepts_data="regression",
    parameters=Widths,
)
def wide_networks_follow_a_closed_equation(study: Study, sizes: Widths) -> Iterator[Check | Curves]:
    singular_values = np.array([1.3, 1.0, 0.8])
    problem = random_regression(study.rng("problem"), D=43, n=3, m=2, singular_values=singular_values)
    yield from _orthogonal_rows(study, sizes, problem, "orthogonal rows")
    yield from _longer_rows(study, sizes, problem)
    yield from _growing_width(study, sizes, problem)
    yield from _distance(study, sizes, problem, 0.5)
    yield from _distance(study, sizes, problem, 0.4)
    if study.data is not None:
        yield from _on_data(study, sizes)


@on_data
def _on_data(study: Study, sizes: Widths) -> Iterator[Check]:
    """The equation on the data in their own basis and units, while their fastest directions are fitted."""
    problem = compressed_problem(own_data.in_own_units(study))
    if problem.r + problem.m > LARGEST:
        reject(f"data {study.data}: rank of X and outputs", f"{problem.r + problem.m} together", f"at most {LARGEST}")
    for item in _orthogonal_rows(study, sizes, problem, "own data"):
        if isinstance(item, Check) and not item.is_control:
            yield item


def _orthogonal_rows(study: Study, sizes: Widths, problem: Regression, case: str) -> Iterator[Check | Curves]:
    """The equation and the Gram matrices at a finite width, where they are exact."""
    length = sizes.squared_length
    t, products, output, hidden = _trained_frame(study, sizes, problem, hidden_scale=1.0)

    @cache
    def solved(k: float) -> Array:
        return wide_limit.product(problem, k * length, t, relative_tolerance=SOLVER)[:, None]

    yield from tends_to("U1 V^T", products, solved, case=case)
    yield extrapolated("U1 V^T", products).control("orthogonal rows, k 5 % larger").equals(solved(1.05))
    p = solved(1.0)
    yield from tends_to("V V^T", output, lambda k: wide_limit.output_gram(p, k * length), case=case)
    yield from tends_to("U1 U1^T", hidden, lambda k: wide_limit.hidden_gram(p, k * length), case=case)
    yield curves(t=t, trained=richardson(products)[0][:, 0], solved=p[:, 0])


def _longer_rows(study: Study, sizes: Widths, problem: Regression) -> Iterator[Check]:
    t, products, output, _ = _trained_frame(study, sizes, problem, hidden_scale=1.2)
    predicted = wide_limit.product(problem, sizes.squared_length, t, relative_tolerance=SOLVER)[:, None]
    yield extrapolated("U1 V^T", products).control("rows of U1 longer by 1.2: the equation").equals(predicted)
    gram = wide_limit.output_gram(richardson(products)[0], sizes.squared_length)
    yield extrapolated("V V^T", output).control("rows of U1 longer by 1.2: the Gram matrix").equals(gram)


def _growing_width(study: Study, sizes: Widths, problem: Regression) -> Iterator[Check | Curves]:
    """sup_t of the root mean square over runs of |p_h(t) - p(t)|, h up to the sizes only compression can train.

    A run has the same draws at every width, so that its slope is free of their spread, but for a share h^(-1/2).
    """
    widths = np.array(sizes.widths)

    def slope_of(errors: Array) -> Estimated:
        return slope("distance to infinite width", loglog_slope(widths, errors))

    excluded = (-0.45, -0.55)
    t, products = _trained_widths(study, sizes, problem, 1.0)
    errors = _sup_errors(products, wide_limit.product(problem, 1.0, t))
    yield slope_of(errors).equals(-0.5, excludes=excluded)
    wrong = _sup_errors(products, wide_limit.product(problem, 1.1, t))
    yield slope_of(wrong).control("Gaussian weights, k 10 % larger").equals(-0.5, excludes=excluded)
    t, larger = _trained_widths(study, sizes, problem, 1.2)
    wrong = _sup_errors(larger, wide_limit.product(problem, 1.0, t))
    yield slope_of(wrong).control("Gaussian weights, U larger by 1.2").equals(-0.5, excludes=excluded)
    yield curves(widths=widths, sup_errors=errors)


def _distance(study: Study, sizes: Widths, problem: Regression, exponent: float) -> Iterator[Check | Curves]:
    """|U V^T - Theta_hat|^2 after training against its law, and |V|^2, which carries its expectation given V."""
    h, k, case = sizes.width, wide_limit.level(sizes.width, exponent), f"a = {exponent:g}"
    start = _gaussian(study, problem, h, exponent, 1.0, sizes.draws)
    # Time in units of 1 / k, the scale of the rates; the residual is below 1e-8 of its start by then.
    eta = first_order(FASTER * sizes.learning_rate / k, start.problem, start.network)
    runs = by_autograd(study, start.problem, start.network).refine(learning_rate=eta, horizon=16 / k, records=2)
    squared = [start.distance_to_minimum_norm(run["U"], run["V"])[-1] ** 2 for run in runs]
    V_squared = [(run["V"][-1] ** 2).sum((-2, -1)) for run in runs]
    predicted = wide_limit.squared_distance(problem, h, exponent)
    # One run's distance^2 spreads by (2 / 80)^(1/2) = 16 %, so that 2048 of them exclude 5 % by 2.9 half-widths.
    off = 0.05 if sizes.draws >= 2048 else 0.1
    excluded = (1 - off, 1 + off)

    def given_V(level: float) -> Estimated:
        name = "distance^2 given V over its law: |V|^2 / tr"
        return _ratio(name, [values / _trace(problem, level) for values in V_squared], case)

    ratio = _ratio("distance^2 over its law", [values / predicted for values in squared], case)
    yield ratio.equals(1, excludes=excluded)
    yield given_V(k).equals(1, excludes=excluded)
    if exponent == 0.5:
        yield given_V(1.1 * k).control(f"{case}: distance with k 10 % larger").equals(1, excludes=excluded)
        all_inputs = predicted * problem.D / (problem.D - problem.r)
        ratio = _ratio("distance^2 over its law", [values / all_inputs for values in squared], case)
        yield ratio.control(f"{case}: distance with D in place of D - r").equals(1, excludes=excluded)
    else:
        yield given_V(1.0).control(f"{case}: distance with k = 1").equals(1, excludes=excluded)
    yield curves(case, distance_ratio=squared[-1] / predicted)


def _trace(problem: Regression, k: float) -> float:
    """tr (k^2 I + Theta_hat^T Theta_hat)^(1/2)."""
    return float(np.trace(wide_limit.output_gram(wide_limit.limit(problem), k)))


def _ratio(name: str, ratios: list[Array], case: str) -> Estimated:
    """Mean over the runs of a ratio (runs,), extrapolated to learning rate 0."""
    limit, error = richardson(ratios)
    over_runs, bias = mean(limit), float(error.max())
    reason = f"{over_runs.reason}; and the last Richardson correction, {bias:.1g}"
    interval = over_runs.low - bias, over_runs.high + bias
    return rate(name, Estimate(over_runs.value, *interval, reason, over_runs.significance), case=case)


def _gaussian(study: Study, problem: Regression, h: int, exponent: float, hidden_scale: float, runs: int) -> Compressed:
    """Weights N(0, h^(-2a)), those of U stretched; the same draws whatever the width."""
    scale = fan_in_scale(h, exponent)
    rng = study.rng("gaussian", exponent, hidden_scale)
    return gaussian_compressed(problem, h, rng, scales=(hidden_scale * scale, scale), runs=runs)


def _trained_widths(study: Study, sizes: Widths, problem: Regression, hidden_scale: float) -> tuple[Array, Array]:
    """U1 V^T (T, widths, GROUPS, runs, r, m) at learning rate 0, all widths trained as one batch."""
    runs = GROUPS * sizes.runs
    starts = [_gaussian(study, problem, h, 0.5, hidden_scale, runs) for h in sizes.widths]
    network = Network(*(np.concatenate([getattr(start.network, name) for start in starts]) for name in ("U", "V")))
    small = starts[0].problem
    runs_of = refined(study, small, network, sizes, levels=3)
    products, _ = richardson([trained_product(small, run) for run in runs_of])
    return runs_of[0].t, products.reshape(len(products), len(sizes.widths), GROUPS, -1, problem.r, problem.m)


def _sup_errors(products: Array, predicted: Array) -> Array:
    """(widths, GROUPS): the largest in time of the root mean square over the runs of a group."""
    squares = ((products - predicted[:, None, None, None]) ** 2).sum((-2, -1))
    return np.sqrt(squares.mean(-1)).max(0)


def _trained_frame(
    study: Study, sizes: Widths, problem: Regression, *, hidden_scale: float
) -> tuple[Array, list[Array], list[Array], list[Array]]:
    """Training from orthogonal rows, those of U1 stretched: times, and at each learning rate, coarse to fine,

    U1 V^T, V V^T and U1 U1^T.
    """
    length = sizes.squared_length
    network = wide_limit.orthogonal_frame(
        problem, length, max(9, problem.r + problem.m), study.rng("frame"), hidden_scale=hidden_scale
    )
    runs: list[Trajectory] = refined(study, problem, network, sizes)
    products, output, hidden = [], [], []
    for run in runs:
        V, U1 = dynamics.split(problem, trained_coordinates(problem, run))
        products.append(U1 @ V.mT)
        output.append(V @ V.mT)
        hidden.append(U1 @ U1.mT)
    return runs[0].t, products, output, hidden
