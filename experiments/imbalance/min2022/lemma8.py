"""Lemma 8: the smallest eigenvalue of B^T B, from A^T A - B B^T and A B."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.imbalance.loss_bounds import columns
from experiments.imbalance.min2022.problems import tight
from theory.claims import AS_PRINTED, Check, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.imbalance import tighter_rate
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates

BECAUSE = "the eigenvalues of Gram matrices: the bound is Lipschitz in D and A B"


@dataclass(frozen=True)
class Matrices:
    """Gaussian A and B."""

    matrices: int = varies("random A and B of each shape", 500, smoke=50, paper=5000, low=1, high=100_000)
    ratio: float = varies("of the standard deviation of B to that of A", 1.0, low=1e-3, high=1e3)
    product: float = varies("smallest singular value of A B where the bound is attained", 0.7, low=0.05, high=1.1)
    above: float = varies("largest eigenvalue of A^T A - B B^T there", 0.8, low=0.6, high=100)
    below: float = varies("largest eigenvalue of B B^T - A^T A there", 0.7, low=0.6, high=100)


@claim(
    "min2022.lemma8",
    source="Min et al. 2022, Lemma 8",
    source_kind=AS_PRINTED,
    statement=r"A^\top A - B B^\top = D \Rightarrow \lambda_m(B^\top B) \ge "
    r"\tfrac12\left(b - a + \sqrt{(a + b)^2 + 4 \sigma_m^2(A B)}\right),\quad "
    r"a = [\lambda_1(D)]_+,\quad b = [\lambda_m(-D)]_+,\quad "
    r"A \in \mathbb{R}^{r \times h},\quad B \in \mathbb{R}^{h \times m}",
    hypotheses=("A and B of any shape",),
    theory_side="bound",
    controls=(
        "Lemma 8 with a constant 5% larger",
        "Lemma 8 with the product 5% larger",
        "Lemma 8 without what lies below",
    ),
    parameters=Matrices,
)
def imbalance_and_product_bound_a_gram_matrix(study: Study, sizes: Matrices) -> Iterator[Check]:
    runs = sizes.matrices
    cells = []
    for r, m, h in ((1, 1, 1), (3, 2, 4), (2, 4, 3), (4, 4, 9), (5, 1, 2)):
        rng = study.rng("lemma 8", r, m, h)
        A, B = rng.standard_normal((runs, r, h)), sizes.ratio * rng.standard_normal((runs, h, m))
        cells.append((*_smallest_eigenvalue(A, B), tighter_rate.smallest_gram_eigenvalue(A.mT @ A - B @ B.mT, A @ B)))
    smallest, slack, bound = columns(cells)
    yield measured("lambda_m(B^T B), A and B random", smallest, within=Tolerance(slack, BECAUSE)).at_least(bound)
    yield from _attained(study, sizes)


def _attained(study: Study, sizes: Matrices) -> Iterator[Check]:
    """Planes of one row of A and one column of B each; what is left over is orthogonal to them."""
    for r, m, extra in ((3, 2, (0.6,)), (2, 2, ()), (2, 4, (0.6, 0.5))):
        S, products = np.ones(r), np.linspace(1.1, sizes.product, min(r, m))
        sides = {"above": sizes.above, "below": sizes.below}
        problem, network = tight(study, f"lemma 8 attained {r} {m}", S=S, m=m, products=products, extra=extra, **sides)
        A, B = split(problem, coordinates(problem, network))[1], network.V.mT
        D, AB = A.mT @ A - B @ B.mT, A @ B
        smallest, slack = _smallest_eigenvalue(A, B)
        name = f"lambda_m(B^T B) where Lemma 8 is attained, r, m = {r}, {m}"
        attained = measured(name, smallest, within=Tolerance(slack, BECAUSE))
        bound = tighter_rate.smallest_gram_eigenvalue(D, AB)
        yield attained.equals(bound)
        if (r, m) == (3, 2):
            yield attained.control("Lemma 8 with a constant 5% larger").at_least(1.05 * bound)
            larger = tighter_rate.smallest_gram_eigenvalue(D, 1.05 * AB)
            yield attained.control("Lemma 8 with the product 5% larger").at_least(larger)
            without = tighter_rate.smallest_gram_eigenvalue(_positive_part(D), AB)
            yield attained.control("Lemma 8 without what lies below").equals(without)


def _smallest_eigenvalue(A: Array, B: Array) -> tuple[Array, Array]:
    """lambda_m(B^T B) of each run, and what it and its bound may be off by."""
    terms = 4 * (sum(A.shape[-2:]) + sum(B.shape[-2:]))
    size = (A**2).sum((-2, -1)) + (B**2).sum((-2, -1))
    return np.linalg.eigvalsh(B.mT @ B)[..., 0], rounding(terms, size, of=BECAUSE).value


def _positive_part(D: Array) -> Array:
    values, vectors = np.linalg.eigh(D)
    return (vectors * np.maximum(values, 0)[..., None, :]) @ vectors.mT
