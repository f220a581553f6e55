"""Equation 22: what the rate of Theorem 3 tends to as the loss vanishes."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2022.problems import (
    AtTheTarget,
    C,
    excess,
    rounding_of_margins,
    trained_near_the_target,
)
from experiments.imbalance.networks import trained_coordinates
from theory.claims import AS_PRINTED, Check, Study, Tolerance, claim, measured
from theory.imbalance import tighter_rate


@claim(
    "min2022.equation22",
    source="Min et al. 2022, equation 22",
    source_kind=AS_PRINTED,
    statement=r"c(t) \to B(\sigma_m(\tilde y) / \lambda_1^{1/2}(\Sigma_x), \sigma_r(\tilde y) / "
    rf"\lambda_1^{{1/2}}(\Sigma_x)),\quad {C}",
    hypotheses=("gradient flow", "a loss that vanishes"),
    theory_side="closed form",
    controls=("the limit of the margins 5% larger",),
    parameters=AtTheTarget,
)
def margin_tends_to_that_of_the_targets(study: Study, sizes: AtTheTarget) -> Iterator[Check]:
    problem, runs = trained_near_the_target(study, sizes)
    last = runs[-1]
    Z, left = trained_coordinates(problem, last)[-1], np.sqrt(2 * excess(problem, last)[-1])
    lipschitz = "c is 2-Lipschitz in each of two margins, and they are off by |E| / s_1"
    # Both are of one state, whose imbalance is rounded once: only the margins differ.
    within = Tolerance(4 * problem.S[-1] ** 2 * left / problem.S[0], lipschitz) + rounding_of_margins(problem, Z)
    rate = measured("margin's rate at the end over its limit", tighter_rate.margin_rate(problem, Z), within=within)
    yield rate.equals(tighter_rate.limiting_rate(problem, Z))
    sigma_m, sigma_r = (1.05 * tighter_rate.singular_value(problem.targets, k) for k in (problem.m, problem.r))
    larger = tighter_rate.level(problem, Z, sigma_m / problem.S[0], sigma_r / problem.S[0])
    yield rate.control("the limit of the margins 5% larger").equals(problem.S[-1] ** 2 * larger)
