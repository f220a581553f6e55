"""Theorem 3: the margin in place of the product, which can only grow: a bound on the loss for ever."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from experiments.imbalance.min2022.problems import (
    algebra,
    excess,
    over_bound,
    random_states,
    rate_of,
    refined,
    tight,
    trained_factorisation,
    trained_near_the_target,
)
from experiments.imbalance.networks import trained, trained_coordinates
from experiments.training import extrapolated_ratio
from theory.claims import Check, Curves, Study, claim, curves, measured, order, rounding
from theory.claims.estimates import observed_order
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import level
from theory.imbalance.problem import coordinates


@claim(
    "min2022.theorem3",
    source="Min et al. 2022, Theorem 3",
    statement=r"L(t) - L^* \le e^{-\lambda_r(\Sigma_x) c(0) t} (L(0) - L^*),\quad "
    r"c = -\Delta_+ + \sqrt{(\Delta_+ + \Delta)^2 + 4 \mu_m^2} - \Delta_- + \sqrt{(\Delta_- + \Delta)^2 + 4 \mu_r^2}"
    r",\quad \mu_k = [\sigma_k(\tilde y) - |E|_F]_+ / \lambda_1^{1/2}(\Sigma_x)",
    hypotheses=("gradient flow", "any start", "any width"),
    theory_side="bound",
    controls=(
        "margin doubled",
        "margin divided by the smallest singular value of X",
        "loss with the exponent 5% larger, start lazy",
        "the loss is non-decreasing",
    ),
)
def margin_adds_to_the_rate_of_the_imbalance(study: Study) -> Iterator[Check | Curves]:
    yield _below_proposition_1(study)
    yield from _attained(study)
    yield from _far_from_white(study)
    yield from _training(study)
    yield from _training_where_attained(study)
    for case, problem, runs in trained_factorisation(study):
        ratios = [over_bound(problem, run) for run in runs]
        yield extrapolated_ratio("loss over Theorem 3's bound", ratios, case=case).at_most(1.0)
        yield _curves(study, case, problem, runs[-1])


def _below_proposition_1(study: Study) -> Check:
    cells = []
    for problem, network in random_states(study):
        Z, slack = coordinates(problem, network), rate_of(study, problem, network)[1]
        cells.append((tighter_rate.product_rate(problem, Z), slack, tighter_rate.margin_rate(problem, Z)))
    product, slack, margin = (np.concatenate(column) for column in zip(*cells))
    return measured("Proposition 1' over Theorem 3, random states", product, within=algebra(slack)).at_least(margin)


def _attained(study: Study) -> Iterator[Check]:
    """At r = m, whitened, the bound is the rate."""
    for size in (1, 3):
        products = np.linspace(2.2, 1.2, size)
        problem, network = tight(study, f"margin {size}", S=(1.4,) * size, m=size, products=products)
        Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
        case = f"r = m = {size}"
        attained = measured("rate where the margin is attained", rate, within=algebra(slack), case=case)
        yield attained.equals(tighter_rate.margin_rate(problem, Z))
    yield attained.control("margin doubled").at_least(_rate_of_margins(problem, Z, factor=2))


def _far_from_white(study: Study) -> Iterator[Check]:
    """sigma_2(y~) = 5 x 0.4 comes from where X is largest: dividing it by the smallest gains a factor 5."""
    sides = {"above": 0.05, "below": 0.05}
    problem, network = tight(study, "far", S=(5.0, 1.0), m=2, products=(0.4, 2.1), residual=1e-3, **sides)
    Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
    start = measured("rate over the margin's, Sigma_x far from white", rate, within=algebra(slack))
    yield start.at_least(tighter_rate.margin_rate(problem, Z))
    wrong = _rate_of_margins(problem, Z, factor=problem.S[0] / problem.S[-1])
    yield start.control("margin divided by the smallest singular value of X").at_least(wrong)


def _training(study: Study) -> Iterator[Check | Curves]:
    """Loss curves from starts near the target."""
    problem, runs = trained_near_the_target(study)
    Z, slack = trained_coordinates(problem, runs[-1]), rate_of(study, problem, trained(runs[-1]))[1]
    product, margin = tighter_rate.product_rate(problem, Z), tighter_rate.margin_rate(problem, Z)
    along = measured("margin's rate along training", product, within=algebra(slack), axes=("t", "run"))
    yield along.at_least(margin)
    losses = [excess(problem, run) for run in runs]
    steps = observed_order([coarse - fine for coarse, fine in pairwise(losses)])
    yield order("descent approaches the flow", steps).equals(1, excludes=(0.75, 1.25))
    ratios = [over_bound(problem, run) for run in runs]
    yield extrapolated_ratio("loss over Theorem 3's bound", ratios).at_most(1.0)
    # -dL/dt = |grad L|^2; descent at eta below 2 / curvature inherits it.
    finest = losses[-1]
    within = rounding(2 * sum(problem.X.shape), finest[:1], of="L")
    later = measured("the loss is non-increasing", finest[1:], within=within, axes=("t", "run"))
    yield later.at_most(finest[:-1])
    correction = "the proof needs, and has, non-increasing"
    yield later.proof_step("the loss is non-decreasing", correction=correction).at_least(finest[:-1])
    yield _curves(study, "near the target", problem, runs[-1])


def _training_where_attained(study: Study) -> Iterator[Check]:
    """A start whose loss follows the bound all the way, so that 5% more must break it."""
    sides = {"above": 3.0, "below": 2.0}
    problem, network = tight(study, "lazy", S=(1.3, 1.3), m=2, products=(0.02, 0.01), residual=5e-3, **sides)
    rate = float(tighter_rate.margin_rate(problem, coordinates(problem, network))[0])
    runs = refined(study, problem, network, learning_rate=0.1 / rate, horizon=20 / rate)
    ratios = [over_bound(problem, run) for run in runs]
    name = "loss over Theorem 3's bound, start lazy"
    yield extrapolated_ratio(name, ratios).at_most(1.0)
    faster = [ratio * np.exp(0.05 * rate * run.t[1:, None]) for ratio, run in zip(ratios, runs)]
    control = extrapolated_ratio(name, faster).control("loss with the exponent 5% larger, start lazy")
    yield control.at_most(1.0)


def _rate_of_margins(problem: Regression, Z: Array, *, factor: float) -> Array:
    """Theorem 3's rate with margins that are larger by a factor."""
    mu_m, mu_r = (factor * tighter_rate.margin(problem, Z, k) for k in (problem.m, problem.r))
    return problem.S[-1] ** 2 * tighter_rate.level(problem, Z, mu_m, mu_r)


def _curves(study: Study, case: str, problem: Regression, run: Trajectory) -> Curves:
    Z = trained_coordinates(problem, run)
    return curves(
        case,
        t=run.t,
        excess=excess(problem, run),
        rate=rate_of(study, problem, trained(run))[0],
        product_rate=tighter_rate.product_rate(problem, Z),
        margin_rate=tighter_rate.margin_rate(problem, Z),
        imbalance_rate=2 * problem.S[-1] ** 2 * level(problem, Z),
    )
