"""Theorem 2: three layers of any shape, their kernel and their training against the bound from two imbalances."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from experiments.imbalance.deep_networks import deep_network, measured_rate
from experiments.imbalance.min2023.problems import algebra, delta_star_rate, fan_out_training, smallest_kernel
from experiments.training import extrapolated_ratio
from experiments.training.batches import layers_of
from theory.claims import Check, Curves, Study, claim, curves, measured, order, rounding
from theory.claims.estimates import observed_order
from theory.core.arrays import Array
from theory.core.linear_networks import end_to_end, gaussian_stack, imbalances
from theory.core.trajectory import Trajectory
from theory.imbalance import three_layers
from theory.imbalance.convergence import exponential_bound
from theory.imbalance.three_layers import FullRankRegression

WIDTHS = ((1, 4, 6, 1), (2, 5, 5, 3), (3, 6, 4, 2), (3, 4, 4, 3), (1, 3, 3, 4), (4, 3, 2, 2))  # (n, h1, h2, m)
SCALES = ((1.0, 1.0, 1.0), (2.0, 0.3, 2.0), (0.3, 2.0, 0.5), (2.0, 0.5, 0.5))


@claim(
    "min2023.theorem2",
    source="Min et al. 2023, Theorem 2",
    statement=r"\lambda_{\min}(T) \ge \Delta^* = \tfrac12(\Delta_{21}^{(2)} + \Delta_{21}^2) + \Delta_{21}\Delta_{23} "
    r"+ \tfrac12(\Delta_{23}^{(2)} + \Delta_{23}^2),\quad L(t) - L^* \le e^{-\gamma \Delta^* t}(L(0) - L^*)",
    hypotheses=("gradient flow", "three linear layers", "gamma-PL loss", "h_1, h_2 >= 1"),
    theory_side="bound",
    controls=(
        "Delta* 5% larger where it is attained",
        "roles of n and m exchanged",
        "gamma doubled, pointwise",
        "rate 5% larger, along training",
        "the exponent 1 - gamma Delta* k eta starts at L(0) - L*",
    ),
)
def imbalances_set_the_rate_of_three_layers(study: Study) -> Iterator[Check | Curves]:
    yield from _every_shape(study)
    yield from _attained(study)
    yield from _training(study)
    yield from _training_where_attained(study)


def _every_shape(study: Study) -> Iterator[Check | Curves]:
    """Shapes and scales of many kinds, lambda_min(T) from the Jacobian torch differentiates."""
    runs = study.pick(smoke=20, quick=300, paper=3000)
    cells = []
    for widths in WIDTHS:
        for scales in SCALES:
            W = gaussian_stack(study.rng("shapes", widths, scales), widths, scales, runs=runs)
            bound = three_layers.three_layer_bound(*imbalances(W), widths[0], widths[-1])
            cells.append((*smallest_kernel(study, W), three_layers.smallest_curvature(W), bound))
    kernel, slack, formula, bound = (np.concatenate(column) for column in zip(*cells))
    tangent = algebra(slack, "T is the tangent kernel of the product of the layers")
    yield measured("lambda_min(T) from torch's Jacobian", kernel, within=tangent).equals(formula)
    yield measured("lambda_min(T) of three layers over Delta*", kernel, within=algebra(slack)).at_least(bound)
    yield curves("every shape", smallest_kernel=kernel, delta_star=bound)


def _attained(study: Study) -> Iterator[Check]:
    """Delta* = lambda_min(T) where W_2 = 0, and for two scalar chains with W_2 != 0."""
    cells = []
    for n, h1, h2, m in ((1, 4, 6, 1), (3, 6, 4, 2), (2, 5, 5, 3)):
        first, _, last = gaussian_stack(study.rng("attained", n, m), (n, h1, h2, m), 1.0)
        cells.append(((first, np.zeros((1, h2, h1)), last), n, m))
    # Here W_1 or W_3 is 0, so that the other imbalance shows all of W_2.
    outer, middle, zero = np.array([[[0.0], [3.0]]]), np.diag([2.0, 1.0])[None], np.zeros((1, 2, 1))
    cells.append(((outer, middle, zero.mT), 1, 1))
    cells.append(((zero, middle, outer.mT), 1, 1))
    for index, (W, n, m) in enumerate(cells, start=1):
        kernel, slack = smallest_kernel(study, W)
        D = imbalances(W)
        within = algebra(slack, "equality: nothing of W_2 is left out by the bound")
        smallest = measured(f"Delta* where it is attained, case {index}", kernel, within=within)
        bound = three_layers.three_layer_bound(*D, n, m)
        yield smallest.equals(bound)
        if (n, m) == (3, 2):
            yield smallest.control("Delta* 5% larger where it is attained").equals(1.05 * bound)
            exchanged = three_layers.three_layer_bound(*D, m, n)
            yield smallest.control("roles of n and m exchanged").equals(exchanged)


def _training(study: Study) -> Iterator[Check | Curves]:
    """The paper's fan-out start: loss curves against the bound, extrapolated to the flow."""
    problem, W, trained = fan_out_training(study)
    rate = delta_star_rate(problem, W)
    excess = [_excess(problem, run) for run in trained]
    steps = observed_order([coarse - fine for coarse, fine in pairwise(excess)])
    yield order("descent approaches the flow", steps).equals(1, excludes=(0.75, 1.25))
    ratios = _over_bound(problem, rate, trained)
    yield extrapolated_ratio("loss of three layers over Theorem 2's bound", ratios).at_most(1.0)
    states = layers_of(trained[-1].arrays)
    found, slack = measured_rate(study, problem, states)
    pointwise = delta_star_rate(problem, states)
    along = measured("rate of three layers along training", found, within=algebra(slack), axes=("t", "run"))
    yield along.at_least(pointwise)
    # At k = 0 the bound is L(0) - L*, exactly.
    initial = exponential_bound(excess[-1][0], rate, np.zeros(1))[0] / excess[-1][0]
    few = rounding(4, of="one exponential")
    yield measured("the bound at k = 0 over L(0) - L*", initial, within=few).equals(1.0)
    larger = measured("the bound at k = 0 over L(0) - L*", np.e * initial, within=few)
    yield larger.control("the exponent 1 - gamma Delta* k eta starts at L(0) - L*").equals(1.0)
    yield curves("fan-out start", t=trained[-1].t, excess=excess[-1], rate=found, delta_star_rate=pointwise)


def _training_where_attained(study: Study) -> Iterator[Check]:
    """W_2 = 0 between large outer layers: W_2 stays small and the loss follows the bound all the way."""
    problem = FullRankRegression(np.diag([1.5, 1.2]), np.diag([1.5, 1.2]) @ np.array([[0.0], [0.02]]))
    W = ((np.eye(4, 2) @ np.diag([3.0, 2.0]))[None], np.zeros((1, 3, 4)), 2.5 * np.eye(1, 3)[None])
    rate = delta_star_rate(problem, W)
    found, slack = measured_rate(study, problem, W)
    within = algebra(slack, "W_2 = 0 and a residual in the slowest direction")
    start = measured("rate of three layers where the bound is attained", found, within=within)
    yield start.equals(rate)
    yield start.control("gamma doubled, pointwise").equals(2 * rate)
    trained = deep_network(study, problem, W).refine(learning_rate=0.1 / rate[0], horizon=20 / rate[0], records=21)
    name = "loss over the bound where it is attained"
    yield extrapolated_ratio(name, _over_bound(problem, rate, trained)).at_most(1.0)
    faster = extrapolated_ratio(name, _over_bound(problem, 1.05 * rate, trained))
    yield faster.control("rate 5% larger, along training").at_most(1.0)


def _excess(problem: FullRankRegression, run: Trajectory) -> Array:
    """L - L* (T, runs) along a training."""
    return problem.excess(end_to_end(layers_of(run.arrays)))


def _over_bound(problem: FullRankRegression, rate: Array, trained: list[Trajectory]) -> list[Array]:
    """(L - L*) over exp(-rate t) (L(0) - L*) at each record after the first, of each training."""
    losses = [_excess(problem, run) for run in trained]
    return [L[1:] / exponential_bound(L[0], rate, run.t[1:]) for L, run in zip(losses, trained)]
