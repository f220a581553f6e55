"""Corollary 6: Theorem 3 restarted on the way, which only tightens it."""

from collections.abc import Iterator

from experiments.imbalance.loss_bounds import over_bounds
from experiments.imbalance.min2022.problems import (
    DATA,
    RECORDS,
    C,
    NearTheTarget,
    algebra,
    bounded,
    excess,
    rate_of,
    rounding_of_margins,
    tight,
    tight_far_from_white,
    trained_at_its_rate,
    trained_near_the_target,
    trained_on_data,
)
from experiments.imbalance.networks import trained, trained_coordinates
from theory.claims import AS_PRINTED, Check, Study, claim, measured, on_data
from theory.imbalance import tighter_rate


@claim(
    "min2022.corollary6",
    source="Min et al. 2022, Corollary 6",
    source_kind=AS_PRINTED,
    statement=r"L(t) - L^* \le e^{-\lambda_r(\Sigma_x) c(t_0) (t - t_0)} (L(t_0) - L^*),\quad "
    rf"{C}",
    hypotheses=("gradient flow", "any time t_0"),
    theory_side="bound",
    controls=("restarted half way, exponent 5% larger", "restarted at every record, exponent 5% larger"),
    accepts_data="regression",
    parameters=NearTheTarget,
)
def bound_can_be_restarted(study: Study, sizes: NearTheTarget) -> Iterator[Check]:
    """With r = m = 1 the margin's rate is the rate at every state with 0 < p < y."""
    sides = {"above": 0.2, "below": 0.1}
    problem, network = tight(study, "scalar", S=(1.2,), m=1, products=(0.3,), residual=1.5, **sides)
    runs = trained_at_its_rate(study, problem, network, step=0.02, horizon=8.0)
    Z = trained_coordinates(problem, runs[-1])
    rate, slack = rate_of(study, problem, trained(runs[-1]))
    within = algebra(slack, "equality at every state with 0 < p < y") + rounding_of_margins(problem, Z)
    along = measured("rate along training where the margin is attained, r = m = 1", rate, within=within, axes=("t",))
    yield along.equals(lambda k: k * tighter_rate.margin_rate(problem, Z))
    far = tight_far_from_white(study, residual=1e-3)[:2]
    lazy = far[0], trained_at_its_rate(study, *far, step=0.02, horizon=8.0)
    trainings = (trained_near_the_target(study, sizes), (problem, runs), lazy)
    halves = [bounded(problem, runs, start=len(runs[0].t) // 2) for problem, runs in trainings]
    over, bound = over_bounds("loss over the bound restarted half way", halves)
    yield over.at_most(bound)
    yield over.control("restarted half way, exponent 5% larger").at_most(bound(1.05))
    everywhere = [
        (
            [excess(problem, run) for run in runs],
            [tighter_rate.restarted_exponent(problem, trained_coordinates(problem, run), run.t) for run in runs],
        )
        for problem, runs in trainings
    ]
    over, bound = over_bounds("loss over the bound restarted at every record", everywhere)
    yield over.at_most(bound)
    yield over.control("restarted at every record, exponent 5% larger").at_most(bound(1.05))
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check]:
    problem, runs = trained_on_data(study)
    half = [bounded(problem, runs, start=RECORDS // 2)]
    over, bound = over_bounds("loss over the bound restarted half way", half, case=DATA)
    yield over.at_most(bound)
