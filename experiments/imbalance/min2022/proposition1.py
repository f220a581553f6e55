"""Proposition 1': the rate of the loss at any state, from the imbalance and the singular values of the product."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2022.problems import (
    algebra,
    attained_with_one_output,
    random_states,
    rate_of,
    trained_factorisation,
    trained_near_the_target,
)
from experiments.imbalance.networks import trained, trained_coordinates
from theory.claims import Check, Study, claim, measured
from theory.imbalance import tighter_rate
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates


@claim(
    "min2022.proposition1",
    source="Min et al. 2022, Proposition 1'",
    statement=r"-\tfrac{d}{dt} \log(L - L^*) \ge \lambda_r(\Sigma_x) \left(-\Delta_+ + \sqrt{(\Delta_+ + \Delta)^2 + "
    r"4 \sigma_m^2} - \Delta_- + \sqrt{(\Delta_- + \Delta)^2 + 4 \sigma_r^2}\right),\quad \sigma_k = "
    r"\sigma_k(U_1 V^\top)",
    hypotheses=("gradient flow", "any state", "any width"),
    theory_side="bound",
    controls=(
        "roles of r and m exchanged",
        "singular values of the product doubled",
        "largest eigenvalue of Sigma_x in place of the smallest",
    ),
)
def imbalance_and_product_bound_the_rate(study: Study) -> Iterator[Check]:
    cells = [
        (*rate_of(study, problem, network), tighter_rate.product_rate(problem, coordinates(problem, network)))
        for problem, network in random_states(study)
    ]
    rate, slack, bound = (np.concatenate(column) for column in zip(*cells))
    yield measured("rate of the loss, random states", rate, within=algebra(slack)).at_least(bound)
    for case, problem, runs in (("near the target", *trained_near_the_target(study)), *trained_factorisation(study)):
        rate, slack = rate_of(study, problem, trained(runs[-1]))
        along = measured("rate of the loss along training", rate, within=algebra(slack), case=case, axes=("t", "run"))
        yield along.at_least(tighter_rate.product_rate(problem, trained_coordinates(problem, runs[-1])))
    yield from _wrong_bounds(study)


def _wrong_bounds(study: Study) -> Iterator[Check]:
    """Where the bound is the rate, each wrong one exceeds it."""
    problem, network = attained_with_one_output(study)
    Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
    start = measured("rate where the bound is attained", rate, within=algebra(slack))
    V, U1 = split(problem, Z)
    sigma_m, sigma_r = (tighter_rate.singular_value(U1 @ V.mT, k) for k in (problem.m, problem.r))
    smallest, largest = problem.S[-1] ** 2, problem.S[0] ** 2
    exchanged = tighter_rate.level(problem, Z, sigma_r, sigma_m)
    yield start.control("roles of r and m exchanged").at_least(smallest * exchanged)
    doubled = tighter_rate.level(problem, Z, 2 * sigma_m, 2 * sigma_r)
    yield start.control("singular values of the product doubled").at_least(smallest * doubled)
    control = start.control("largest eigenvalue of Sigma_x in place of the smallest")
    yield control.at_least(largest / smallest * tighter_rate.product_rate(problem, Z))
