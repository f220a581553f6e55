"""Theorem 3: any number of layers whose imbalances change sign once, or are multiples of the identity."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2023.problems import algebra, scalars, smallest_kernel
from theory.claims import Check, Study, claim, measured
from theory.core.linear_networks import imbalances
from theory.imbalance import three_layers


@claim(
    "min2023.theorem3",
    source="Min et al. 2023, Theorem 3",
    statement=r"\lambda_{\min}(T) \ge \prod_i \tilde d(i);\quad D_l = d_l I \Rightarrow \lambda_{\min}(T) \ge "
    r"\sqrt{\textstyle\prod_i \tilde d(i)^2 + (L\, \sigma_{\min}(W)^{2 - 2/L})^2}",
    hypotheses=("D_l <= 0 for l < l* and D_l >= 0 for l >= l*",),
    theory_side="bound",
    controls=(
        "product bound of layers that are not unimodal",
        "product bound 5% larger where it is attained",
        "homogeneous bound without its exponent 2 - 2/L",
    ),
)
def imbalances_of_unimodal_layers_multiply(study: Study) -> Iterator[Check]:
    yield from _unimodal(study)
    yield from _homogeneous(study)


def _unimodal(study: Study) -> Iterator[Check]:
    """Matrices and scalars; equality where the turning layer is zero."""
    runs = study.pick(smoke=30, quick=300, paper=3000)
    cells = []
    for widths in ((2, 5, 4, 3), (3, 5, 4, 6, 2), (1, 1, 1, 1, 1)):
        for turn in range(1, len(widths)):
            rng = study.rng("unimodal", widths, turn)
            W = three_layers.unimodal_layers(rng, widths=widths, turn=turn, gap=0.5, runs=runs)
            cells.append((*smallest_kernel(study, W), three_layers.unimodal_bound(W, turn)))
    kernel, slack, bound = (np.concatenate(column) for column in zip(*cells))
    name = "lambda_min(T) of unimodal layers over the product"
    yield measured(name, kernel, within=algebra(slack)).at_least(bound)
    for values, turn in (((2.0, 1.5, 0.0, 1.2, 1.7), 3), ((0.0, 0.7, 1.3, 2.0), 1)):
        W = scalars(values)
        kernel, slack = smallest_kernel(study, W)
        within = algebra(slack, "equality where W_(l*) = 0")
        attained = measured(f"product bound where it is attained, l* = {turn}", kernel, within=within)
        bound = three_layers.unimodal_bound(W, turn)
        yield attained.equals(bound)
    yield attained.control("product bound 5% larger where it is attained").equals(1.05 * bound)
    W = scalars((1.0, 3.0, 1.0))
    kernel, slack = smallest_kernel(study, W)
    factors = three_layers.turning_factors(imbalances(W), 2, 1, 1)
    wrong = measured(name, kernel, within=algebra(slack)).control("product bound of layers that are not unimodal")
    yield wrong.at_least(factors.prod(axis=-1))


def _homogeneous(study: Study) -> Iterator[Check]:
    """D_l = d_l I: layers in shared singular bases whose squares differ by constants; equality for equal scalars."""
    runs = study.pick(smoke=30, quick=300, paper=3000)
    cells = []
    for depth in (2, 3, 5):
        rng = study.rng("homogeneous", depth)
        for turn in range(1, depth + 1):
            gaps = np.cumsum(rng.uniform(0, 2, (runs, depth, 1)), axis=1)
            distance = np.abs(np.arange(1, depth + 1) - turn)
            squares = rng.uniform(0.01, 1, (runs, 1, 2)) + gaps[:, distance] - gaps[:, :1]
            # Each side needs an order of its own, or the two would mirror each other.
            squares[:, turn:] += rng.uniform(0, 1, (runs, 1, 1))
            W = [np.sqrt(squares[:, l, :, None]) * np.eye(2) for l in range(depth)]
            cells.append((*smallest_kernel(study, W), three_layers.homogeneous_bound(W, turn)))
    kernel, slack, bound = (np.concatenate(column) for column in zip(*cells))
    yield measured("lambda_min(T) of homogeneous layers", kernel, within=algebra(slack)).at_least(bound)
    for values in ((1.6, 0.7), (1.3, 1.3, 1.3, 1.3)):
        W, depth = scalars(values), len(values)
        kernel, slack = smallest_kernel(study, W)
        within = algebra(slack, "equality for two scalars, and for equal ones")
        attained = measured(f"homogeneous bound where it is attained, {depth} layers", kernel, within=within)
        yield attained.equals(three_layers.homogeneous_bound(W, turn=int(np.argmin(values)) + 1))
    control = attained.control("homogeneous bound without its exponent 2 - 2/L")
    yield control.equals(depth * np.prod(values) ** 2)
