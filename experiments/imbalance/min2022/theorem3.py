"""Theorem 3: the margin in place of the product, which can only grow: a bound on the loss for ever."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from experiments.imbalance.loss_bounds import columns, over_bounds
from experiments.imbalance.min2022.problems import (
    DATA,
    C,
    Paper,
    algebra,
    bounded,
    excess,
    random_states,
    rate_of,
    rounding_of_margins,
    tight,
    tight_far_from_white,
    trained_at_its_rate,
    trained_factorisation,
    trained_near_the_target,
    trained_on_data,
)
from experiments.imbalance.networks import trained, trained_coordinates
from theory.claims import AS_PRINTED, Check, Curves, Study, claim, curves, measured, on_data, order, rounding
from theory.claims.estimates import observed_order
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import level
from theory.imbalance.problem import coordinates

Training = tuple[Regression, list[Trajectory]]


@claim(
    "min2022.theorem3",
    source="Min et al. 2022, Theorem 3",
    source_kind=AS_PRINTED,
    statement=r"L(t) - L^* \le e^{-\lambda_r(\Sigma_x) c(0) t} (L(0) - L^*),\quad " + C,
    hypotheses=("gradient flow", "any start", "any width"),
    theory_side="bound",
    controls=(
        "margin 5% larger",
        "margin divided by the smallest singular value of X",
        "loss with the exponent 5% larger",
        "the loss is non-decreasing",
    ),
    accepts_data="regression",
    parameters=Paper,
)
def margin_adds_to_the_rate_of_the_imbalance(study: Study, sizes: Paper) -> Iterator[Check | Curves]:
    near = trained_near_the_target(study, sizes)
    yield _below_proposition_1(study, sizes, near)
    yield from _attained(study)
    yield from _far_from_white(study)
    yield from _non_increasing(near)
    trainings = {"near the target": near}
    trainings |= {case: (problem, runs) for case, problem, runs in trained_factorisation(study, sizes)}
    yield from _loss(study, list(trainings.values()))
    for case, (problem, runs) in trainings.items():
        yield _curves(study, case, problem, runs[-1])
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check | Curves]:
    problem, runs = trained_on_data(study)
    over, bound = over_bounds("loss over Theorem 3's bound", [bounded(problem, runs)], case=DATA)
    yield over.at_most(bound)
    yield _curves(study, DATA, problem, runs[-1])


def _below_proposition_1(study: Study, sizes: Paper, near: Training) -> Check:
    along = near[0], trained(near[1][-1])
    cells = []
    for problem, network in (*random_states(study, sizes), along):
        Z, slack = coordinates(problem, network), rate_of(study, problem, network)[1]
        slack = slack + rounding_of_margins(problem, Z).value
        cells.append((tighter_rate.product_rate(problem, Z), slack, tighter_rate.margin_rate(problem, Z)))
    product, slack, margin = columns(cells)
    name = "Proposition 1' over Theorem 3, random states and along training"
    return measured(name, product, within=algebra(slack), axes=("state",)).at_least(margin)


def _attained(study: Study) -> Iterator[Check]:
    """At r = m, whitened, the bound is the rate."""
    for size in (1, 3):
        products = np.linspace(2.2, 1.2, size)
        problem, network = tight(study, f"margin {size}", S=(1.4,) * size, m=size, products=products)
        Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
        case, within = f"r = m = {size}", algebra(slack) + rounding_of_margins(problem, Z)
        attained = measured("rate where the margin is attained", rate, within=within, case=case)
        yield attained.equals(tighter_rate.margin_rate(problem, Z))
    yield attained.control("margin 5% larger").at_least(_rate_of_margins(problem, Z, factor=1.05))


def _far_from_white(study: Study) -> Iterator[Check]:
    """y~ comes from where X is largest, the residual from where it is smallest: the rate is that of the margin."""
    problem, network, within = tight_far_from_white(study, residual=1e-4)
    rate, slack = rate_of(study, problem, network)
    within += algebra(slack)
    start = measured("rate where the margin is attained, Sigma_x far from white", rate, within=within)
    yield start.equals(tighter_rate.margin_rate(problem, coordinates(problem, network)))
    wrong = _rate_of_margins(problem, coordinates(problem, network), factor=problem.S[0] / problem.S[-1])
    yield start.control("margin divided by the smallest singular value of X").at_least(wrong)


def _non_increasing(near: Training) -> Iterator[Check]:
    """-dL/dt = |grad L|^2; descent at eta below 2 / curvature inherits it, and approaches the flow."""
    problem, runs = near
    losses = [excess(problem, run) for run in runs]
    steps = observed_order([coarse - fine for coarse, fine in pairwise(losses)])
    yield order("descent approaches the flow", steps).equals(1, excludes=(0.75, 1.25))
    finest = losses[-1]
    within = rounding(2 * sum(problem.X.shape), finest[:1], of="L")
    later = measured("the loss is non-increasing", finest[1:], within=within, axes=("t", "run")).supporting()
    yield later.at_most(finest[:-1])
    correction = "the proof needs, and has, non-increasing"
    yield later.proof_step("the loss is non-decreasing", correction=correction).at_least(finest[:-1])


def _loss(study: Study, trainings: list[Training]) -> Iterator[Check]:
    """Far below the bound, as in the paper, and where the loss follows it all the way, so that 5% more break it."""
    sides = {"above": 3.0, "below": 2.0}
    white = tight(study, "lazy", S=(1.3, 1.3), m=2, products=(0.02, 0.01), residual=5e-3, **sides)
    far = tight_far_from_white(study, residual=1e-3)[:2]
    trainings.append((white[0], trained_at_its_rate(study, *white)))
    trainings.append((far[0], trained_at_its_rate(study, *far, step=0.02, horizon=8.0)))
    over, bound = over_bounds("loss over Theorem 3's bound", [bounded(*training) for training in trainings])
    yield over.at_most(bound)
    yield over.control("loss with the exponent 5% larger").at_most(bound(1.05))


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
