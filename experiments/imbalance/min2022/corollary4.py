"""Corollary 4: the rate of Theorem 3 is at least that of Theorem 1 of 2021."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.loss_bounds import columns
from experiments.imbalance.min2022.problems import (
    DATA,
    C,
    States,
    algebra,
    random_states,
    rate_of,
    trained_on_data,
)
from experiments.imbalance.networks import trained
from theory.claims import AS_PRINTED, Check, Study, claim, measured, on_data, rounding
from theory.imbalance import tighter_rate
from theory.imbalance.convergence import convergence_rate
from theory.imbalance.problem import coordinates, orthogonal_rows


@claim(
    "min2022.corollary4",
    source="Min et al. 2022, Corollary 4",
    source_kind=AS_PRINTED,
    statement=r"c \ge 2\Delta,\quad " + rf"{C}",
    hypotheses=("any state",),
    theory_side="bound",
    controls=("twice the level of the imbalance, 5% larger",),
    accepts_data="regression",
    parameters=States,
)
def margin_never_costs(study: Study, sizes: States) -> Iterator[Check]:
    cells = []
    for problem, network in random_states(study, sizes):
        margin = tighter_rate.margin_rate(problem, coordinates(problem, network))
        cells.append((margin, rate_of(study, problem, network)[1], convergence_rate(problem, network)))
    margin, slack, earlier = columns(cells)
    name = "Theorem 3 over Theorem 1 of 2021, random states"
    yield measured(name, margin, within=algebra(slack)).at_least(earlier)
    # Of the last problem, a start with U1 V^T = 0 and so without margin: there the two are one.
    hidden, output = np.full(problem.r, 0.7), np.linspace(0.5, 0.4, problem.m)
    start = orthogonal_rows(problem, hidden, output, study.rng("no margin"), problem.r + problem.m)
    Z, earlier = coordinates(problem, start), convergence_rate(problem, start)
    terms = 4 * sum(Z.shape[-2:])
    within = rounding(terms, problem.S[-1] ** 2 * (Z**2).sum(), of="the eigenvalues of the imbalance")
    equal = measured("Theorem 3 without margin", tighter_rate.margin_rate(problem, Z), within=within)
    yield equal.equals(earlier)
    yield equal.control("twice the level of the imbalance, 5% larger").at_least(1.05 * earlier)
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check]:
    problem, runs = trained_on_data(study)
    states = trained(runs[-1])
    slack = rate_of(study, problem, states)[1]
    margin = tighter_rate.margin_rate(problem, coordinates(problem, states))
    over = measured("Theorem 3 along training", margin, within=algebra(slack), case=DATA, axes=("t", "run"))
    earlier = convergence_rate(problem, states)
    yield over.at_least(lambda k: k * earlier)
