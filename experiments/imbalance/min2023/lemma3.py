"""Lemma 3: what the imbalance of two layers says of their tangent kernel."""

from collections.abc import Iterator

from experiments.imbalance.loss_bounds import columns
from experiments.imbalance.min2023.problems import (
    KERNEL,
    TWO_LAYERS,
    TwoLayers,
    algebra,
    attained_by_two_layers,
    smallest_kernel,
    two_layers,
)
from theory.claims import AS_PRINTED, Check, Study, claim, measured
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, imbalances
from theory.imbalance import three_layers
from theory.imbalance.tighter_rate import singular_value


@claim(
    "min2023.lemma3",
    source="Min et al. 2023, Lemma 3, equation 9",
    source_kind=AS_PRINTED,
    statement=r"2 \lambda_{\min}(T) \ge B(\sigma_n(W), \sigma_m(W)),\quad " + rf"{TWO_LAYERS},\quad {KERNEL}",
    hypotheses=("two linear layers",),
    theory_side="bound",
    controls=("bound 5% larger", "product 5% larger", "roles of n and m exchanged"),
    parameters=TwoLayers,
)
def imbalance_bounds_the_kernel_of_two_layers(study: Study, sizes: TwoLayers) -> Iterator[Check]:
    kernel, slack, bound = columns(
        (*smallest_kernel(study, W), _bound(W, problem.D, problem.m)) for problem, W in two_layers(study, sizes)
    )
    every = measured("lambda_min(T) of two layers", kernel, within=algebra(slack), part="equation 9")
    yield every.at_least(bound)
    for n, m in ((1, 1), (3, 3), (3, 1), (2, 4)):
        W = attained_by_two_layers(study, n, m, residual=0.3)[1]
        kernel, slack = smallest_kernel(study, W)
        within, case = algebra(slack, "equality by construction"), f"n, m = {n}, {m}"
        attained = measured("lambda_min(T) where it is attained", kernel, within=within, part="equation 9", case=case)
        yield attained.equals(_bound(W, n, m))
        if (n, m) == (3, 1):
            yield attained.control("bound 5% larger").at_least(1.05 * _bound(W, n, m))
            yield attained.control("product 5% larger").at_least(_bound(W, n, m, factor=1.05))
            yield attained.control("roles of n and m exchanged").at_least(_bound(W, m, n))


def _bound(W: Layers, n: int, m: int, factor: float = 1.0) -> Array:
    """B / 2, at singular values of the product multiplied by a factor."""
    sigma_n, sigma_m = (factor * singular_value(end_to_end(W), k) for k in (n, m))
    return three_layers.two_layer_level(imbalances(W)[0], n, m, sigma_n, sigma_m) / 2
