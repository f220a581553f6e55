"""Lemma 3: what the imbalance of two layers says of their tangent kernel."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2023.problems import algebra, smallest_kernel, two_layers
from theory.claims import Check, Study, claim, measured
from theory.core.linear_networks import end_to_end, imbalances
from theory.imbalance import three_layers
from theory.imbalance.tighter_rate import singular_value


@claim(
    "min2023.lemma3",
    source="Min et al. 2023, Lemma 3, equation 9",
    statement=r"2 \lambda_{\min}(T) \ge B(\sigma_n(W), \sigma_m(W)) = -\Delta_+ + \sqrt{(\Delta_+ + \Delta)^2 + "
    r"4 \sigma_m^2(W)} - \Delta_- + \sqrt{(\Delta_- + \Delta)^2 + 4 \sigma_n^2(W)},\quad W = W_2 W_1",
    hypotheses=("two linear layers",),
    theory_side="bound",
    controls=("bound 5% larger, n = m = 1",),
)
def imbalance_bounds_the_kernel_of_two_layers(study: Study) -> Iterator[Check]:
    cells = []
    for problem, W in two_layers(study):
        sigma_n, sigma_m = (singular_value(end_to_end(W), k) for k in (problem.D, problem.m))
        level = three_layers.two_layer_level(imbalances(W)[0], problem.D, problem.m, sigma_n, sigma_m)
        cells.append((*smallest_kernel(study, W), level / 2))
    kernel, slack, bound = (np.concatenate(column) for column in zip(*cells))
    yield measured("lambda_min(T) of two layers", kernel, within=algebra(slack), part="equation 9").at_least(bound)
    kernel, slack, bound = cells[0]
    equality = algebra(slack, "equality for n = m = 1")
    scalar = measured("lambda_min(T) of two layers, n = m = 1", kernel, within=equality, part="equation 9")
    yield scalar.equals(bound)
    yield scalar.control("bound 5% larger, n = m = 1").equals(1.05 * bound)
