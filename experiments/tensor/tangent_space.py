"""The tangent space at generic components: its dimension for every number of components, without rounding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.tensor.models import Monomials, tensor
from experiments.tensor.problems import unit_vectors
from theory.claims import OURS, Check, Curves, Measured, Study, Tolerance, claim, exactly, measured, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor.coordinates import dimension, rank_in_integers
from theory.tensor.generic import lazy_width, tangent_dimension

CLASSICAL = ((3, 5, 7), (4, 3, 5), (4, 4, 9), (4, 5, 14))  # l, d, m: one less than m d or D, the smaller
LARGEST = 3000  # of the whole numbers drawn: two of a plane are parallel once in a million, and powers fit 64 bits
COORDINATES = 500
GAP = 1e-13  # singular values below this share of the largest are 0: rounding leaves 2e-16; at m d = D, D of hundreds,
# the least of the others is near 1e-6, and ten times smaller once in ten times


@dataclass(frozen=True)
class Sizes:
    """Of the tensors: every number of components up to the one that fills them."""

    orders: tuple[int, ...] = varies("l", (2, 3, 4, 5), smoke=(2, 3, 4), low=2, high=6)
    inputs: tuple[int, ...] = varies("d", (2, 3, 4, 5), smoke=(3, 5), paper=(2, 3, 4, 5, 6), low=2, high=30)

    def __post_init__(self) -> None:
        largest = dimension(max(self.inputs), max(self.orders))
        if largest > COORDINATES:
            reject("binom(d + l - 1, l)", largest, f"at most {COORDINATES} coordinates")


@claim(
    "tensor.tangent_space",
    source="Alexander & Hirschowitz 1995, by Terracini's lemma; m* is ours",
    source_kind=OURS,
    statement=r"\dim \operatorname{span}"
    r"\{\operatorname{sym}(u_i^{\otimes (l-1)} \otimes v) : i \le m, v \in \mathbb R^d\}"
    r" = \min(m d, D),\quad D = \binom{d + l - 1}{l};\quad l = 2:\ m d - \tfrac{m (m - 1)}{2};\quad"
    r" (l, d, m) \in \{(3, 5, 7), (4, 3, 5), (4, 4, 9), (4, 5, 14)\}:\ D - 1",
    hypotheses=("generic u_1, ..., u_m in R^d: outside a set of measure 0", "m <= d where l = 2"),
    theory_side="closed form",
    controls=("min(m d, D) without exceptions", "m d at l = 2", "components in a plane", "m* = D / d always"),
    parameters=Sizes,
)
def dimension_of_the_tangent_space(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    cells = [(l, d, m) for l in sizes.orders for d in sizes.inputs for m in range(1, lazy_width(d, l) + 1)]
    drawn = {(l, d, m): study.rng(l, d).integers(-LARGEST, LARGEST + 1, (m, d)) for l, d, m in cells}
    yield _ranks([rank_in_integers(drawn[cell], cell[0]) for cell in cells], "whole numbers").equals(_law(cells))
    yield _ranks([_by_torch(study, *cell) for cell in cells], "Jacobian by torch").equals(_law(cells))
    defective = [_by_torch(study, *cell) for cell in CLASSICAL]
    yield _ranks(defective, "classical cases").equals(_law(CLASSICAL))
    yield _ranks(defective).control("min(m d, D) without exceptions").equals(np.array([35, 15, 35, 70]))
    matrices = [(2, 6, m) for m in range(1, 4)]
    found = _ranks([_by_torch(study, *cell) for cell in matrices])
    yield found.control("m d at l = 2").equals(np.array([6 * m for _, _, m in matrices]))
    plane = unit_vectors(study.rng("plane"), 4, 2) @ unit_vectors(study.rng("axes"), 2, 5)
    flat = _ranks([_rank(_jacobian(study, plane, 3))])
    yield flat.control("components in a plane").equals(_law([(3, 5, 4)]))
    least = [_least_that_fills(study, l, d) for l, d in ((3, 5), (4, 3), (4, 4))]
    filled = measured("m*", np.array(least), within=Tolerance(1e-9, "counted"), axes=("case",))
    yield filled.equals(np.array([8, 6, 10]))
    orders = np.array([5**2 / 6, 3**3 / 24, 4**3 / 24])
    yield measured("m* over d^(l-1) / l!", np.array(least) / orders, within=exactly("counted"), axes=("case",)
                   ).supporting().at_least(1.0)  # fmt: skip
    yield filled.control("m* = D / d always").equals(np.array([7, 5, 9]))


def _law(cells: list[tuple[int, int, int]] | tuple[tuple[int, int, int], ...]) -> Array:
    return np.array([tangent_dimension(d, l, m) for l, d, m in cells])


def _ranks(found: list[int], case: str = "") -> Measured:
    counted = Tolerance(1e-9, "counted")
    return measured("dimension of the tangent space", np.array(found), within=counted, case=case, axes=("cell",))


def _jacobian(study: Study, U: Array, l: int) -> Array:
    return Monomials(U.shape[1], l, study.device).jacobian(tensor(study, U)).cpu().numpy()


def _rank(jacobian: Array) -> int:
    values = np.linalg.svd(jacobian, compute_uv=False)
    return int((values > GAP * values[0]).sum())


def _by_torch(study: Study, l: int, d: int, m: int) -> int:
    """Of Gaussian components: on the sphere their tangents are the same."""
    return _rank(_jacobian(study, unit_vectors(study.rng("components", l, d), m, d), l))


def _least_that_fills(study: Study, l: int, d: int) -> int:
    return next(m for m in range(1, 100) if _by_torch(study, l, d, m) == dimension(d, l))
