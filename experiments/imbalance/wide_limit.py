"""Infinite width: exact for orthogonal rows at any width, approached like h^(-1/2) by Gaussian starts; the distance."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.closed_forms import refine
from experiments.training.legacy import extrapolated
from experiments.training.refinement import tends_to
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import Estimate, loglog_slope, mean, richardson
from theory.claims.legacy import rate, refuted, slope
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import dynamics, wide_limit
from theory.imbalance.compression import Compressed, gaussian_compressed
from theory.imbalance.problem import Network, coordinates, fan_in_scale

K = 0.8  # squared length of the orthogonal rows: not 1, so that k and k^2 differ
HORIZON = 3.0
RECORDS = 16
GROUPS = 16  # of runs: each measures one root mean square a width, and so one slope
# The law of the distance is off by O(1/h): far below the intervals here, which fluctuations of order h^(-1/2) set.
DISTANCE_WIDTH = 10**8
SOLVER = 1e-12  # relative tolerance of the limit equation: orders of magnitude below what training resolves


@claim(
    "imbalance.wide_limit",
    source="ours: the limit h = infinity of the starts of Min et al. 2021, Lemma 1, and of the distance in Theorem 2",
    statement=r"\dot p = S E (k^2 I + p^\top p)^{1/2} + (k^2 I + p p^\top)^{1/2} S E,\quad V V^\top = (k^2 I + p^\top"
    r" p)^{1/2},\quad \|U V^\top - \hat\Theta\|_F^2 \sim (D - r) h^{-2a} \operatorname{tr}"
    r"(k^2 I + \hat\Theta^\top \hat\Theta)^{1/2},\quad k = h^{1 - 2a}",
    hypotheses=("gradient flow", "Z Z^T = k I at the start, or Gaussian weights N(0, h^{-2a}) and large h"),
    controls=(
        "orthogonal rows, k 10 % larger",
        "rows of U1 longer by 1.2: the equation",
        "rows of U1 longer by 1.2: the Gram matrix",
        "Gaussian weights, k 10 % larger",
        "Gaussian weights, U larger by 1.2",
        "a = 0.5: distance with k 10 % larger",
        "a = 0.5: distance with D in place of D - r",
        "a = 0.4: distance with k = 1",
    ),
)
def wide_networks_follow_a_closed_equation(study: Study) -> Iterator[Check | Curves]:
    singular_values = np.array([1.3, 1.0, 0.8])
    problem = random_regression(study.rng("problem"), D=43, n=3, m=2, singular_values=singular_values)
    yield from _orthogonal_rows(study, problem)
    yield from _longer_rows(study, problem)
    yield from _growing_width(study, problem)
    yield from _distance(study, problem, 0.5)
    yield from _distance(study, problem, 0.4)


def _orthogonal_rows(study: Study, problem: Regression) -> Iterator[Check | Curves]:
    """The equation and the Gram matrices at a finite width, where they are exact."""
    network = wide_limit.orthogonal_frame(problem, K, 9, study.rng("frame"))
    runs = _refine(study, "orthogonal rows", problem, network)
    t, products = runs[0].t, [_products(problem, run) for run in runs]
    predicted = wide_limit.product(problem, K, t, relative_tolerance=SOLVER)[:, None]
    yield from tends_to("orthogonal rows: U1 V^T", products, predicted)
    larger = wide_limit.product(problem, 1.1 * K, t, relative_tolerance=SOLVER)[:, None]
    yield refuted("orthogonal rows, k 10 % larger", extrapolated("U1 V^T", products, larger))
    output, hidden = _gram_defects(problem, runs)
    yield from tends_to("orthogonal rows: V V^T - (k^2 I + p^T p)^(1/2)", output, np.zeros_like(output[0]))
    yield from tends_to("orthogonal rows: U1 U1^T - (k^2 I + p p^T)^(1/2)", hidden, np.zeros_like(hidden[0]))
    yield curves(t=t, trained=richardson(products)[0][:, 0], solved=predicted[:, 0])


def _longer_rows(study: Study, problem: Regression) -> Iterator[Check]:
    network = wide_limit.orthogonal_frame(problem, K, 9, study.rng("frame"), hidden_scale=1.2)
    runs = _refine(study, "longer rows", problem, network)
    predicted = wide_limit.product(problem, K, runs[0].t, relative_tolerance=SOLVER)[:, None]
    products = [_products(problem, run) for run in runs]
    yield refuted("rows of U1 longer by 1.2: the equation", extrapolated("U1 V^T", products, predicted))
    output, _ = _gram_defects(problem, runs)
    law = extrapolated("V V^T - (k^2 I + p^T p)^(1/2)", output, np.zeros_like(output[0]))
    yield refuted("rows of U1 longer by 1.2: the Gram matrix", law)


def _growing_width(study: Study, problem: Regression) -> Iterator[Check | Curves]:
    """sup_t of the root mean square over runs of |p_h(t) - p(t)|, h up to the sizes only compression can train."""
    widths = 10 ** np.arange(3, study.pick(smoke=6, quick=7, paper=8))
    t, products = _trained_widths(study, problem, widths, 1.0)
    errors = _sup_errors(products, wide_limit.product(problem, 1.0, t))
    yield slope("distance to infinite width", loglog_slope(widths, errors), -0.5, excludes=(0, -0.25, -1))
    wrong = loglog_slope(widths, _sup_errors(products, wide_limit.product(problem, 1.1, t)))
    yield refuted("Gaussian weights, k 10 % larger", slope("k 1.1", wrong, -0.5, excludes=(0, -0.25, -1)))
    t, larger = _trained_widths(study, problem, widths, 1.2)
    wrong = loglog_slope(widths, _sup_errors(larger, wide_limit.product(problem, 1.0, t)))
    yield refuted("Gaussian weights, U larger by 1.2", slope("U 1.2", wrong, -0.5, excludes=(0, -0.25, -1)))
    yield curves(widths=widths, sup_errors=errors)


def _distance(study: Study, problem: Regression, exponent: float) -> Iterator[Check | Curves]:
    """|U V^T - Theta_hat|^2 after training against its law, and |V|^2, which carries its expectation given V."""
    h, k = DISTANCE_WIDTH, wide_limit.level(DISTANCE_WIDTH, exponent)
    start = _gaussian(study, problem, h, exponent, 1.0, study.pick(smoke=512, quick=2048, paper=8192))
    # Time in units of 1 / k, the scale of the rates; the residual is below 1e-8 of its start by then.
    runs = refine(
        study,
        f"distance {exponent:g}",
        start.problem,
        start.network,
        learning_rate=study.pick(smoke=0.08, quick=0.04, paper=0.02) / k,
        horizon=16 / k,
        records=2,
        levels=3,
    )
    squared = [start.distance_to_minimum_norm(run["U"], run["V"])[-1] ** 2 for run in runs]
    V_squared = [(run["V"][-1] ** 2).sum((-2, -1)) for run in runs]
    predicted = wide_limit.squared_distance(problem, h, exponent)
    law = f"a = {exponent:g}: distance"
    yield _ratio(f"{law}^2 over its law", squared, predicted)
    yield _ratio(f"{law}^2 given V over its law: |V|^2 / tr", V_squared, _trace(problem, k))
    if exponent == 0.5:
        yield refuted(f"{law} with k 10 % larger", _ratio("|V|^2 / tr", V_squared, _trace(problem, 1.1 * k)))
        all_inputs = predicted * problem.D / (problem.D - problem.r)
        yield refuted(f"{law} with D in place of D - r", _ratio("over D", squared, all_inputs))
    else:
        yield refuted(f"{law} with k = 1", _ratio("|V|^2 / tr", V_squared, _trace(problem, 1.0)))
    yield curves(**{f"distance_ratio_{exponent:g}": squared[-1] / predicted})


def _trace(problem: Regression, k: float) -> float:
    """tr (k^2 I + Theta_hat^T Theta_hat)^(1/2)."""
    return float(np.trace(wide_limit.output_gram(wide_limit.limit(problem), k)))


def _ratio(name: str, values: list[Array], predicted: float) -> Check:
    """Mean over runs of value / prediction, extrapolated to learning rate 0, is 1."""
    limit, error = richardson([value / predicted for value in values])
    over_runs, bias = mean(limit), float(error.max())
    reason = f"{over_runs.reason}; and the last Richardson correction, {bias:.1g}"
    widened = Estimate(over_runs.value, over_runs.low - bias, over_runs.high + bias, reason)
    return rate(name, widened, 1, excludes=(0.9, 1.1))


def _gaussian(study: Study, problem: Regression, h: int, exponent: float, hidden_scale: float, runs: int) -> Compressed:
    scale = fan_in_scale(h, exponent)
    rng = study.rng("gaussian", h, exponent, hidden_scale)
    return gaussian_compressed(problem, h, rng, scales=(hidden_scale * scale, scale), runs=runs)


def _trained_widths(study: Study, problem: Regression, widths: Array, hidden_scale: float) -> tuple[Array, Array]:
    """U1 V^T (T, widths, GROUPS, runs, r, m) at learning rate 0, all widths trained as one batch."""
    runs = GROUPS * study.pick(smoke=4, quick=16, paper=64)
    starts = [_gaussian(study, problem, int(h), 0.5, hidden_scale, runs) for h in widths]
    network = Network(*(np.concatenate([getattr(start.network, name) for start in starts]) for name in ("U", "V")))
    small = starts[0].problem
    trained = _refine(study, f"widths {hidden_scale:g}", small, network, levels=3)
    products, _ = richardson([_products(small, run) for run in trained])
    return trained[0].t, products.reshape(len(products), len(widths), GROUPS, -1, problem.r, problem.m)


def _sup_errors(products: Array, predicted: Array) -> Array:
    """(widths, GROUPS): the largest in time of the root mean square over the runs of a group."""
    squares = ((products - predicted[:, None, None, None]) ** 2).sum((-2, -1))
    return np.sqrt(squares.mean(-1)).max(0)


def _refine(
    study: Study, name: str, problem: Regression, network: Network, levels: int | None = None
) -> list[Trajectory]:
    return refine(
        study,
        name,
        problem,
        network,
        learning_rate=study.pick(smoke=0.03, quick=0.015, paper=0.0075),
        horizon=HORIZON,
        records=RECORDS,
        levels=levels or study.pick(smoke=3, quick=4, paper=4),
    )


def _products(problem: Regression, run: Trajectory) -> Array:
    V, U1 = dynamics.split(problem, coordinates(problem, Network(run["U"], run["V"])))
    return U1 @ V.mT


def _gram_defects(problem: Regression, runs: list[Trajectory]) -> tuple[list[Array], list[Array]]:
    """V V^T - (k^2 I + p^T p)^(1/2) and U1 U1^T - (k^2 I + p p^T)^(1/2), p = U1 V^T, along each training."""
    output, hidden = [], []
    for run in runs:
        V, U1 = dynamics.split(problem, coordinates(problem, Network(run["U"], run["V"])))
        p = U1 @ V.mT
        output.append(V @ V.mT - wide_limit.output_gram(p, K))
        hidden.append(U1 @ U1.mT - wide_limit.hidden_gram(p, K))
    return output, hidden
