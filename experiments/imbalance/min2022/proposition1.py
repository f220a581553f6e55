"""Proposition 1': the rate of the loss at any state, from the imbalance and the singular values of the product."""

from collections.abc import Iterator

from experiments.imbalance.loss_bounds import columns
from experiments.imbalance.min2022.problems import (
    DATA,
    B,
    Paper,
    algebra,
    attained_with_one_output,
    random_states,
    rate_of,
    trained_factorisation,
    trained_near_the_target,
    trained_on_data,
)
from experiments.imbalance.networks import trained, trained_coordinates
from theory.claims import AS_PRINTED, Check, Study, claim, measured, on_data
from theory.imbalance import tighter_rate
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates


@claim(
    "min2022.proposition1",
    source="Min et al. 2022, Proposition 1'",
    source_kind=AS_PRINTED,
    statement=r"-\tfrac{d}{dt} \log(L - L^*) \ge \lambda_r(\Sigma_x) B(\sigma_m(P), \sigma_r(P)),\quad "
    r"P = U_1 V^\top,\quad " + B,
    hypotheses=("gradient flow", "any state", "any width"),
    theory_side="bound",
    controls=(
        "bound 5% larger where it is attained",
        "roles of r and m exchanged",
        "singular values of the product 5% larger",
        "largest eigenvalue of Sigma_x in place of the smallest",
    ),
    accepts_data="regression",
    parameters=Paper,
)
def imbalance_and_product_bound_the_rate(study: Study, sizes: Paper) -> Iterator[Check]:
    cells = [
        (*rate_of(study, problem, network), tighter_rate.product_rate(problem, coordinates(problem, network)))
        for problem, network in random_states(study, sizes)
    ]
    trainings = [
        trained_near_the_target(study, sizes),
        *(training for _, *training in trained_factorisation(study, sizes)),
    ]
    for problem, runs in trainings:
        Z = trained_coordinates(problem, runs[-1])
        cells.append((*rate_of(study, problem, trained(runs[-1])), tighter_rate.product_rate(problem, Z)))
    rate, slack, bound = columns(cells)
    every = measured("rate of the loss, random states and along training", rate, within=algebra(slack), axes=("state",))
    yield every.at_least(bound)
    yield from _attained(study)
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check]:
    problem, runs = trained_on_data(study)
    states = trained(runs[-1])
    rate, slack = rate_of(study, problem, states)
    along = measured("rate of the loss along training", rate, within=algebra(slack), case=DATA, axes=("t", "run"))
    bound = tighter_rate.product_rate(problem, coordinates(problem, states))
    yield along.at_least(lambda k: k * bound)


def _attained(study: Study) -> Iterator[Check]:
    """Where the bound is the rate, each wrong one exceeds it."""
    problem, network = attained_with_one_output(study)
    Z, (rate, slack) = coordinates(problem, network), rate_of(study, problem, network)
    start = measured("rate where the bound is attained", rate, within=algebra(slack))
    bound = tighter_rate.product_rate(problem, Z)
    yield start.equals(bound)
    yield start.control("bound 5% larger where it is attained").at_least(1.05 * bound)
    V, U1 = split(problem, Z)
    sigma_m, sigma_r = (tighter_rate.singular_value(U1 @ V.mT, k) for k in (problem.m, problem.r))
    smallest, largest = problem.S[-1] ** 2, problem.S[0] ** 2
    exchanged = tighter_rate.level(problem, Z, sigma_r, sigma_m)
    yield start.control("roles of r and m exchanged").at_least(smallest * exchanged)
    larger = tighter_rate.level(problem, Z, 1.05 * sigma_m, 1.05 * sigma_r)
    yield start.control("singular values of the product 5% larger").at_least(smallest * larger)
    control = start.control("largest eigenvalue of Sigma_x in place of the smallest")
    yield control.at_least(largest / smallest * bound)
