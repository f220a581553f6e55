"""Theorem 1: the rate of two layers near their minimiser, against the gradients of torch and their training."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.deep_networks import measured_rate
from experiments.imbalance.loss_bounds import columns, over_bounds
from experiments.imbalance.min2023.problems import (
    DATA,
    LAYERS,
    PL,
    TWO_LAYERS,
    TwoLayers,
    algebra,
    attained_by_two_layers,
    bounded,
    trained_at_its_rate,
    two_layers,
    two_layers_on_data,
)
from experiments.training.batches import layers_of
from theory.claims import AS_PRINTED, Check, Study, Tolerance, claim, measured, on_data, rounding
from theory.imbalance import three_layers
from theory.imbalance.three_layers import FullRankRegression


@claim(
    "min2023.theorem1",
    source="Min et al. 2023, Theorem 1, equation 12",
    source_kind=AS_PRINTED,
    statement=r"L(t) - L^* \le e^{-\gamma \alpha_2 t}(L(0) - L^*),\quad \alpha_2 = \tfrac12 B(\nu_n, \nu_m),\quad "
    r"\nu_k = [\sigma_k(W^*) - \sqrt{K/\mu}\, \|W(0) - W^*\|_F]_+,\quad "
    rf"{TWO_LAYERS},\quad {LAYERS},\quad f(W^*) = f^* = \min f,\quad {PL}",
    hypotheses=("gradient flow", "two linear layers, L = 2", "f is K-smooth and mu-strongly convex, and gamma-PL"),
    theory_side="bound",
    controls=(
        "equation 12 without the factor 1/2",
        "K / mu left out of the least singular value",
        "loss with the exponent 5% larger",
    ),
    accepts_data="regression",
    parameters=TwoLayers,
)
def imbalance_sets_the_rate_of_two_layers(study: Study, sizes: TwoLayers) -> Iterator[Check]:
    rate, slack, bound = columns(
        (*measured_rate(study, problem, W), three_layers.two_layer_rate(problem, W))
        for problem, W in two_layers(study, sizes)
    )
    yield measured("rate of two layers", rate, within=algebra(slack), part="equation 12 with 1/2").at_least(bound)
    yield from _attained(study)
    yield from _orthogonal_rows(study)
    yield from _least_singular_value()
    if study.data is not None:
        yield from _on_data(study)


@on_data
def _on_data(study: Study) -> Iterator[Check]:
    problem, runs = two_layers_on_data(study)
    states = layers_of(runs[-1].arrays)
    rate, slack = measured_rate(study, problem, states)
    along = measured("rate of two layers along training", rate, within=algebra(slack), case=DATA, axes=("t", "run"))
    pointwise = three_layers.two_layer_rate(problem, states)
    yield along.at_least(lambda k: k * pointwise)
    start = three_layers.two_layer_rate(problem, [layer[0] for layer in states])
    over, bound = over_bounds("loss of two layers over its bound", [bounded(problem, start, runs)], case=DATA)
    yield over.at_most(bound)


def _attained(study: Study) -> Iterator[Check]:
    """A residual so small that nu_k is sigma_k(W): there the rate is gamma alpha_2, and stays it."""
    size, trainings = 1e-4, []
    lipschitz = "B is 2-Lipschitz in each of nu_n and nu_m, which are within 2 |W - W*| of sigma_k(W)"
    for n, m in ((2, 1), (2, 2)):
        problem, W = attained_by_two_layers(study, n, m, residual=size)
        rate, slack = measured_rate(study, problem, W)
        within = algebra(slack) + Tolerance(problem.pl_constant / 2 * 2 * 2 * 2 * size, lipschitz)
        attained = measured("rate of two layers where it is attained", rate, within=within, case=f"n, m = {n}, {m}")
        promised = three_layers.two_layer_rate(problem, W)
        yield attained.equals(promised)
        trainings.append(bounded(problem, promised, trained_at_its_rate(study, problem, W, promised)))
    over, bound = over_bounds("loss of two layers over its bound", trainings)
    yield over.at_most(bound)
    yield over.control("loss with the exponent 5% larger").at_most(bound(1.05))


def _orthogonal_rows(study: Study) -> Iterator[Check]:
    """W(0) = 0: nu = 0, and the true rate is gamma (0.9 + 0.4)."""
    problem = FullRankRegression(np.eye(2), np.diag([1.0, 0.8]))
    W = (np.sqrt(0.9) * np.eye(4, 2)[None], np.sqrt(0.4) * np.eye(4)[None, 2:])
    rate, slack = measured_rate(study, problem, W)
    within = algebra(slack, "orthogonal rows, W(0) = 0: nu = 0, and the true rate is gamma (0.9 + 0.4)")
    start = measured("rate from orthogonal rows", rate, within=within, part="equation 12 with 1/2")
    bound = three_layers.two_layer_rate(problem, W)
    yield start.equals(bound)
    correction = "alpha_2 = B / 2, as equation 9 has it"
    yield start.misprint("equation 12 without the factor 1/2", correction=correction).at_least(2 * bound)


def _least_singular_value() -> Iterator[Check]:
    """nu_k is attained: of the W no worse than W_0, the one that went furthest in the flattest direction."""
    X, target = np.diag([2.0, 1.0]), np.array([[0.0, 3.0]])
    problem = FullRankRegression(X, X @ target.T)
    start = (target + np.array([[0.7, 0.0]]))[None]
    furthest = (target - np.array([[0.0, 0.7 * 2.0]]))[None]
    within = rounding(20, 10, of="a few operations; both losses are 1/2 (2 x 0.7)^2")
    losses = measured("the two losses", problem.excess(furthest), within=within).supporting()
    yield losses.equals(problem.excess(start))
    smallest = measured("sigma_1 of the furthest W as good as W_0", np.linalg.norm(furthest), within=within)
    yield smallest.equals(three_layers.least_singular_value(problem, start, 1))
    yield smallest.control("K / mu left out of the least singular value").equals(np.linalg.norm(target) - 0.7)
