"""Theorem 3: any number of layers whose imbalances change sign once, or are multiples of the identity."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from experiments.imbalance.loss_bounds import columns
from experiments.imbalance.min2023.problems import KERNEL, algebra, scalars, smallest_kernel
from theory.claims import AS_PRINTED, Check, Study, claim, measured, varies
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, imbalances
from theory.core.validation import reject
from theory.imbalance import three_layers
from theory.imbalance.tighter_rate import singular_value


@dataclass(frozen=True)
class Unimodal:
    """Random layers of each shape."""

    states: int = varies("random layers of each shape and turn", 300, smoke=30, paper=3000, low=1, high=10_000)
    gap: float = varies("that is added to the eigenvalues of unimodal D_l", 0.5, low=0.01, high=100)
    depths: tuple[int, ...] = varies("layers of the homogeneous ones", (2, 3, 5), low=2, high=7)

    def __post_init__(self) -> None:
        if len(set(self.depths)) < len(self.depths):
            reject("depths", self.depths, "different ones")


@claim(
    "min2023.theorem3",
    source="Min et al. 2023, Theorem 3",
    source_kind=AS_PRINTED,
    statement=r"\lambda_{\min}(T) \ge \prod_{i=1}^{L-1} \tilde d(i);\quad D_l = d_l I \Rightarrow "
    r"\lambda_{\min}(T) \ge "
    r"\sqrt{\textstyle\prod_i \tilde d(i)^2 + (L\, \sigma_{\max(n, m)}(W)^{2 - 2/L})^2},\quad "
    r"\tilde d(i) = \sum_{l=l^*}^{i} \lambda_m(D_l) \text{ for } i \ge l^*,\quad "
    r"\tilde d(i) = \sum_{l=i}^{l^*-1} \lambda_n(-D_l) \text{ for } i < l^*,\quad " + KERNEL,
    hypotheses=("D_l <= 0 for l < l* and D_l >= 0 for l >= l*", "sigma_k = 0 beyond the smaller dimension of W (m, n)"),
    theory_side="bound",
    controls=(
        "product bound of layers that are not unimodal",
        "product bound 5% larger where it is attained",
        "roles of n and m exchanged",
        "homogeneous bound without its exponent 2 - 2/L",
        "homogeneous bound 5% larger where W is not square",
        "smallest singular value in place of the 0 of a W that is not square",
    ),
    parameters=Unimodal,
)
def imbalances_of_unimodal_layers_multiply(study: Study, sizes: Unimodal) -> Iterator[Check]:
    yield from _unimodal(study, sizes)
    yield from _homogeneous(study, sizes)


def _unimodal(study: Study, sizes: Unimodal) -> Iterator[Check]:
    """Matrices and scalars; equality where the turning layer is zero."""
    attained = [(scalars(values), turn) for values, turn in (((2.0, 1.5, 0.0, 1.2, 1.7), 3), ((0.0, 0.7, 1.3, 2.0), 1))]
    attained.append((_aligned(), 3))
    kernel, slack, bound = columns(
        (*smallest_kernel(study, W), three_layers.unimodal_bound(W, turn))
        for W, turn in (*_unimodal_layers(study, sizes), *attained)
    )
    name = "lambda_min(T) of unimodal layers over the product"
    yield measured(name, kernel, within=algebra(slack)).at_least(bound)
    for W, turn in attained:
        kernel, slack = smallest_kernel(study, W)
        within = algebra(slack, "equality where W_(l*) = 0")
        widths = ", ".join(str(layer.shape[-1]) for layer in W)
        equal = measured("product bound where it is attained", kernel, within=within, case=f"h = {widths}, l* = {turn}")
        bound = three_layers.unimodal_bound(W, turn)
        yield equal.equals(bound)
    yield equal.control("product bound 5% larger where it is attained").at_least(1.05 * bound)
    exchanged = three_layers.turning_factors(imbalances(W), turn, W[-1].shape[-2], W[0].shape[-1]).prod(axis=-1)
    yield equal.control("roles of n and m exchanged").equals(exchanged)
    W = scalars((1.0, 3.0, 1.0))
    kernel, slack = smallest_kernel(study, W)
    factors = three_layers.turning_factors(imbalances(W), 2, 1, 1)
    wrong = measured(name, kernel, within=algebra(slack)).control("product bound of layers that are not unimodal")
    yield wrong.at_least(factors.prod(axis=-1))


def _unimodal_layers(study: Study, sizes: Unimodal) -> Iterator[tuple[Layers, int]]:
    for widths in ((2, 5, 4, 3), (3, 5, 4, 6, 2), (1, 1, 1, 1, 1)):
        for turn in range(1, len(widths)):
            rng = study.rng("unimodal", widths, turn)
            yield three_layers.unimodal_layers(rng, widths=widths, turn=turn, gap=sizes.gap, runs=sizes.states), turn


def _aligned() -> list[Array]:
    """Diagonal layers, n = 3, m = 1, the third 0: the weakest direction of one is the weakest of all."""
    W = [np.zeros((1, after, before)) for before, after in pairwise((3, 4, 5, 4, 1))]
    for layer, squares in ((0, (7.0, 4.5, 2.6)), (1, (5.0, 3.0, 1.7)), (3, (1.9,))):
        directions = np.arange(len(squares))
        W[layer][0, directions, directions] = np.sqrt(squares)
    return W


def _homogeneous(study: Study, sizes: Unimodal) -> Iterator[Check]:
    """D_l = d_l I: layers in shared singular bases whose squares differ by constants; equality for equal scalars."""
    attained = [(scalars(values), int(np.argmin(values)) + 1) for values in ((1.6, 0.7), (1.3, 1.3, 1.3, 1.3))]
    kernel, slack, bound = columns(
        (*smallest_kernel(study, W), three_layers.homogeneous_bound(W, turn))
        for W, turn in (*_homogeneous_layers(study, sizes, 2, 2), *attained)
    )
    yield measured("lambda_min(T) of homogeneous layers", kernel, within=algebra(slack)).at_least(bound)
    for W, turn in attained:
        kernel, slack = smallest_kernel(study, W)
        within = algebra(slack, "equality for two scalars, and for equal ones")
        equal = measured(f"homogeneous bound where it is attained, {len(W)} layers", kernel, within=within)
        yield equal.equals(three_layers.homogeneous_bound(W, turn))
    control = equal.control("homogeneous bound without its exponent 2 - 2/L")
    yield control.equals(len(W) * np.prod(W) ** 2)
    yield from _not_square(study, sizes)


def _not_square(study: Study, sizes: Unimodal) -> Iterator[Check]:
    """n != m: some output is reached by no input, or some input reaches no output, and sigma_max(n, m)(W) = 0."""
    specimen = _in_shared_bases(np.array([[[1.0, 0.0], [2.0, 1.0]]]), 1, 2, turn=1)
    at_zero = _in_shared_bases(np.array([[0.4, 0.0, 0.0]]) + np.array([[[0.7], [0.0], [0.9]]]), 2, 3, turn=2)
    balanced = _in_shared_bases(np.array([[[1.3, 1.1, 0.0]] * 3]), 3, 2, turn=1)
    attained = [("W_(l*) = 0 at the weakest input", at_zero, 2), ("equal layers", balanced, 1)]
    random = [layers for n, m in ((1, 3), (3, 2)) for layers in _homogeneous_layers(study, sizes, n, m)]
    kernel, slack, bound = columns(
        (*smallest_kernel(study, W), three_layers.homogeneous_bound(W, turn))
        for W, turn in (*random, (specimen, 1), *((W, turn) for _, W, turn in attained))
    )
    yield measured("lambda_min(T) of homogeneous layers, n != m", kernel, within=algebra(slack)).at_least(bound)
    for case, W, turn in attained:
        kernel, slack = smallest_kernel(study, W)
        within = algebra(slack, "equality where sigma_min(W), or every D_l, is 0")
        equal = measured("homogeneous bound where it is attained, n != m", kernel, within=within, case=case)
        bound = three_layers.homogeneous_bound(W, turn)
        yield equal.equals(bound)
    yield equal.control("homogeneous bound 5% larger where W is not square").at_least(1.05 * bound)
    kernel, slack = smallest_kernel(study, specimen)
    wrong = measured("lambda_min(T) of homogeneous layers, n != m", kernel, within=algebra(slack))
    smallest = singular_value(end_to_end(specimen), 1)
    control = wrong.control("smallest singular value in place of the 0 of a W that is not square")
    yield control.at_least(np.hypot(three_layers.unimodal_bound(specimen, 1), 2 * smallest))


def _homogeneous_layers(study: Study, sizes: Unimodal, n: int, m: int) -> Iterator[tuple[Layers, int]]:
    runs = sizes.states
    for depth in sizes.depths:
        rng = study.rng("homogeneous", n, m, depth)
        for turn in range(1, depth + 1):
            gaps = np.cumsum(rng.uniform(0, 2, (runs, depth, 1)), axis=1)
            distance = np.abs(np.arange(1, depth + 1) - turn)
            weakest = rng.uniform(0.01, 1, (runs, 1, max(n, m)))
            weakest[..., min(n, m) :] = 0
            squares = weakest + gaps[:, distance] - gaps[:, :1]
            # Each side needs an order of its own, or the two would mirror each other.
            squares[:, turn:] += rng.uniform(0, 1, (runs, 1, 1))
            yield _in_shared_bases(squares, n, m, turn=turn), turn


def _in_shared_bases(squares: Array, n: int, m: int, *, turn: int) -> list[Array]:
    """Diagonal layers with these squares (runs, L, max(n, m)): n wide before layer `turn` and m wide after it."""
    widths = [n] * turn + [m] * (squares.shape[1] - turn + 1)
    return [
        np.eye(after, before) * np.sqrt(squares[:, l, None, :before])
        for l, (before, after) in enumerate(pairwise(widths))
    ]
