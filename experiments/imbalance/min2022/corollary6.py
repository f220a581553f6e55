"""Corollary 6: Theorem 3 restarted on the way, which only tightens it."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2022.problems import (
    algebra,
    excess,
    over_bound,
    rate_of,
    refined,
    tight,
    trained_near_the_target,
)
from experiments.imbalance.networks import trained, trained_coordinates
from experiments.training import extrapolated_ratio
from theory.claims import Check, Measured, Study, claim, measured
from theory.imbalance import tighter_rate
from theory.imbalance.problem import coordinates


@claim(
    "min2022.corollary6",
    source="Min et al. 2022, Corollary 6",
    statement=r"L(t) - L^* \le e^{-\lambda_r(\Sigma_x) c(t_0) (t - t_0)} (L(t_0) - L^*)",
    hypotheses=("gradient flow", "any time t_0"),
    theory_side="bound",
    controls=("loss with the restarted exponent 5% larger, r = m = 1",),
)
def bound_can_be_restarted(study: Study) -> Iterator[Check]:
    problem, runs = trained_near_the_target(study)
    restarted = [over_bound(problem, run, start=len(run.t) // 2) for run in runs]
    yield extrapolated_ratio("loss over the bound restarted half way", restarted).at_most(1.0)
    yield from _restarted_at_every_record(study)


def _restarted_at_every_record(study: Study) -> Iterator[Check]:
    """r = m = 1, where the margin's rate is the rate at every state with 0 < p < y: 5% more must break it."""
    sides = {"above": 0.2, "below": 0.1}
    problem, network = tight(study, "scalar", S=(1.2,), m=1, products=(0.3,), residual=1.5, **sides)
    slowest = float(tighter_rate.margin_rate(problem, coordinates(problem, network))[0])
    runs = refined(study, problem, network, learning_rate=0.02 / slowest, horizon=8 / slowest)
    Z = [trained_coordinates(problem, run) for run in runs]
    rate, slack = rate_of(study, problem, trained(runs[-1]))
    within = algebra(slack, "equality at every state with 0 < p < y")
    along = measured("rate along training where the margin is attained, r = m = 1", rate, within=within, axes=("t",))
    yield along.equals(tighter_rate.margin_rate(problem, Z[-1]))
    exponents = [tighter_rate.restarted_exponent(problem, z, run.t) for z, run in zip(Z, runs)]
    losses = [excess(problem, run) for run in runs]

    def over_restarted(factor: float) -> Measured:
        ratios = [(L / L[0] * np.exp(factor * q))[1:] for L, q in zip(losses, exponents)]
        return extrapolated_ratio("loss over the bound restarted at every record, r = m = 1", ratios)

    yield over_restarted(1.0).at_most(1.0)
    control = over_restarted(1.05).control("loss with the restarted exponent 5% larger, r = m = 1")
    yield control.at_most(1.0)
