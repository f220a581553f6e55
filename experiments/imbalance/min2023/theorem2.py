"""Theorem 2: three layers of any shape, their kernel and their training against the bound from two imbalances."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from experiments.imbalance.deep_networks import measured_rate
from experiments.imbalance.loss_bounds import columns, over_bounds
from experiments.imbalance.min2023.problems import (
    DATA,
    KERNEL,
    PL,
    FanOut,
    algebra,
    bounded,
    delta_star_rate,
    fan_out_training,
    smallest_kernel,
    three_layers_on_data,
    trained_at_its_rate,
)
from experiments.training.batches import layers_of
from theory.claims import AS_PRINTED, Check, Curves, Study, claim, curves, measured, on_data, order, varies
from theory.claims.estimates import observed_order
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, gaussian_stack, imbalances
from theory.imbalance import three_layers
from theory.imbalance.three_layers import FullRankRegression

WIDTHS = ((1, 4, 6, 1), (2, 5, 5, 3), (3, 6, 4, 2), (3, 4, 4, 3), (1, 3, 3, 4), (4, 3, 2, 2))  # (n, h1, h2, m)
SCALES = ((1.0, 1.0, 1.0), (2.0, 0.3, 2.0), (0.3, 2.0, 0.5), (2.0, 0.5, 0.5))
DELTA_STAR = (
    r"\Delta^* = \tfrac12(\Delta_{21}^{(2)} + \Delta_{21}^2) + \Delta_{21}\Delta_{23} + \tfrac12(\Delta_{23}^{(2)} + "
    r"\Delta_{23}^2),\quad \Delta_{21}^{(j)} = \sum_{i=1}^{h_1} (d_i^j - \min(d_i, \lambda_{i+1-n}(D_1))^j),\quad "
    r"\Delta_{23}^{(j)} = \sum_{i=1}^{h_2} (d_i^j - \min(d_i, \lambda_{i+1-m}(-D_2))^j),\quad "
    r"\Delta_{21} = \Delta_{21}^{(1)},\quad \Delta_{23} = \Delta_{23}^{(1)},\quad "
    r"d_i = \max(\lambda_i(D_1), \lambda_i(-D_2), 0),\quad \lambda_k = \infty \text{ for } k \le 0"
)


@dataclass(frozen=True)
class ThreeLayers(FanOut):
    """And random layers of every shape."""

    states: int = varies("random layers of each shape and scale", 300, smoke=20, paper=3000, low=1, high=5000)


@claim(
    "min2023.theorem2",
    source="Min et al. 2023, Theorem 2",
    source_kind=AS_PRINTED,
    statement=r"\lambda_{\min}(T) \ge \Delta^*,\quad L(t) - L^* \le e^{-\gamma \Delta^* t}(L(0) - L^*),\quad "
    rf"{DELTA_STAR},\quad {KERNEL},\quad {PL}",
    hypotheses=(
        "gradient flow",
        "three linear layers of widths h_1 and h_2, L = 3",
        "gamma-PL loss",
        "lambda_i = 0 beyond the size of a matrix",
    ),
    theory_side="bound",
    controls=(
        "Delta* 5% larger where it is attained",
        "roles of n and m exchanged",
        "gamma 5% larger, pointwise",
        "rate 5% larger, along training",
    ),
    accepts_data="regression",
    parameters=ThreeLayers,
)
def imbalances_set_the_rate_of_three_layers(study: Study, sizes: ThreeLayers) -> Iterator[Check | Curves]:
    yield from _every_shape(study, sizes.states)
    yield from _attained(study)
    yield from _training(study, sizes)
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check]:
    problem, W, trained = three_layers_on_data(study)
    promised, states = delta_star_rate(problem, W), layers_of(trained[-1].arrays)
    over, bound = over_bounds(
        "loss of three layers over Theorem 2's bound", [bounded(problem, promised, trained)], case=DATA
    )
    yield over.at_most(bound)
    rate, slack = measured_rate(study, problem, states)
    along = measured("rate of three layers along training", rate, within=algebra(slack), case=DATA, axes=("t", "run"))
    pointwise = delta_star_rate(problem, states)
    yield along.at_least(lambda k: k * pointwise)


def _every_shape(study: Study, runs: int) -> Iterator[Check | Curves]:
    """Shapes and scales of many kinds, lambda_min(T) from the Jacobian torch differentiates."""
    states = [
        (gaussian_stack(study.rng("shapes", widths, scales), widths, scales, runs=runs), widths[0], widths[-1])
        for widths in WIDTHS
        for scales in SCALES
    ]
    kernel, slack, bound, formula = columns(
        (
            *smallest_kernel(study, W),
            three_layers.three_layer_bound(*imbalances(W), n, m),
            three_layers.smallest_curvature(W),
        )
        for W, n, m in (*states, *_equalities(study))
    )
    tangent = algebra(slack, "T is the tangent kernel of the product of the layers")
    routes = measured("lambda_min(T) from torch's Jacobian", kernel, within=tangent).supporting()
    yield routes.equals(formula)
    yield measured("lambda_min(T) of three layers over Delta*", kernel, within=algebra(slack)).at_least(bound)
    yield curves("every shape", smallest_kernel=kernel, delta_star=bound)


def _equalities(study: Study) -> Iterator[tuple[Layers, int, int]]:
    """Delta* = lambda_min(T) where W_2 = 0, and for two scalar chains with W_2 != 0."""
    for n, h1, h2, m in ((1, 4, 6, 1), (3, 6, 4, 2), (2, 5, 5, 3)):
        first, _, last = gaussian_stack(study.rng("attained", n, m), (n, h1, h2, m), 1.0)
        yield (first, np.zeros((1, h2, h1)), last), n, m
    # Here W_1 or W_3 is 0, so that the other imbalance shows all of W_2.
    outer, middle, zero = np.array([[[0.0], [3.0]]]), np.diag([2.0, 1.3])[None], np.zeros((1, 2, 1))
    yield (outer, middle, zero.mT), 1, 1
    yield (zero, middle, outer.mT), 1, 1


def _attained(study: Study) -> Iterator[Check]:
    for index, (W, n, m) in enumerate(_equalities(study), start=1):
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


def _training(study: Study, sizes: ThreeLayers) -> Iterator[Check | Curves]:
    """The paper's fan-out start, far below the bound, and a start where the loss follows it all the way."""
    problem, W, trained = fan_out_training(study, sizes)
    rate = delta_star_rate(problem, W)
    followed, outer = _large_outer_layers()
    promised = delta_star_rate(followed, outer)
    runs = trained_at_its_rate(study, followed, outer, promised)
    fan_out = bounded(problem, rate, trained)
    steps = observed_order([coarse - fine for coarse, fine in pairwise(fan_out[0])])
    yield order("descent approaches the flow", steps).equals(1, excludes=(0.75, 1.25))
    trainings = [fan_out, bounded(followed, promised, runs)]
    over, bound = over_bounds("loss of three layers over Theorem 2's bound", trainings)
    yield over.at_most(bound)
    yield over.control("rate 5% larger, along training").at_most(bound(1.05))

    states = layers_of(trained[-1].arrays)
    found, slack = measured_rate(study, problem, states)
    pointwise = delta_star_rate(problem, states)
    start, rounded = measured_rate(study, followed, outer)
    rates, slacks, bounds = columns([(found, slack, pointwise), (start, rounded, promised)])
    along = measured("rate of three layers along training", rates, within=algebra(slacks), axes=("state",))
    yield along.at_least(bounds)
    within = algebra(rounded, "W_2 = 0 and a residual in the slowest direction")
    attained = measured("rate of three layers where the bound is attained", start, within=within)
    yield attained.equals(promised)
    yield attained.control("gamma 5% larger, pointwise").at_least(1.05 * promised)
    yield curves("fan-out start", t=trained[-1].t, excess=fan_out[0][-1], rate=found, delta_star_rate=pointwise)


def _large_outer_layers() -> tuple[FullRankRegression, list[Array]]:
    """W_2 = 0 between large outer layers: W_2 stays small and the loss follows the bound all the way."""
    problem = FullRankRegression(np.diag([1.5, 1.2]), np.diag([1.5, 1.2]) @ np.array([[0.0], [0.02]]))
    return problem, [(np.eye(4, 2) @ np.diag([3.0, 2.0]))[None], np.zeros((1, 3, 4)), 2.5 * np.eye(1, 3)[None]]
