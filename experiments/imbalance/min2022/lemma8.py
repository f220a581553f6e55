"""Lemma 8: the smallest eigenvalue of B^T B, from A^T A - B B^T and A B."""

from collections.abc import Iterator

import numpy as np

from experiments.imbalance.min2022.problems import tight
from theory.claims import Check, Measured, Study, claim, measured, rounding
from theory.core.arrays import Array
from theory.imbalance import tighter_rate
from theory.imbalance.dynamics import split
from theory.imbalance.problem import coordinates


@claim(
    "min2022.lemma8",
    source="Min et al. 2022, Lemma 8",
    statement=r"A^\top A - B B^\top = D \Rightarrow \lambda_m(B^\top B) \ge \tfrac12\left(-\bar\lambda + "
    r"\underline\lambda + \sqrt{(\bar\lambda + \underline\lambda)^2 + 4 \sigma_m^2(A B)}\right),\quad "
    r"\bar\lambda = [\lambda_1(D)]_+,\ \underline\lambda = [\lambda_m(-D)]_+",
    hypotheses=("A (r, h) and B (h, m) of any shape",),
    theory_side="bound",
    controls=("Lemma 8 with a constant 5% larger", "Lemma 8 without what lies below"),
)
def imbalance_and_product_bound_a_gram_matrix(study: Study) -> Iterator[Check]:
    runs = study.pick(smoke=50, quick=500, paper=5000)
    for r, m, h in ((1, 1, 1), (3, 2, 4), (2, 4, 3), (4, 4, 9), (5, 1, 2)):
        rng = study.rng("lemma 8", r, m, h)
        A, B = rng.standard_normal((runs, r, h)), rng.standard_normal((runs, h, m))
        smallest = _smallest_eigenvalue(f"lambda_m(B^T B), r, m, h = {r}, {m}, {h}", A, B)
        yield smallest.at_least(tighter_rate.smallest_gram_eigenvalue(A.mT @ A - B @ B.mT, A @ B))
    problem, network = tight(study, "lemma 8 attained", S=(1.0, 1.0, 1.0), m=2, products=(1.1, 0.7), extra=(0.6,))
    A, B = split(problem, coordinates(problem, network))[1], network.V.mT
    D, AB = A.mT @ A - B @ B.mT, A @ B
    attained = _smallest_eigenvalue("lambda_m(B^T B) where Lemma 8 is attained", A, B)
    bound = tighter_rate.smallest_gram_eigenvalue(D, AB)
    yield attained.equals(bound)
    yield attained.control("Lemma 8 with a constant 5% larger").equals(1.05 * bound)
    without = tighter_rate.smallest_gram_eigenvalue(_positive_part(D), AB)
    yield attained.control("Lemma 8 without what lies below").equals(without)


def _smallest_eigenvalue(name: str, A: Array, B: Array) -> Measured:
    """lambda_m(B^T B) of each run; its bound is Lipschitz in D and A B, so only eigenvalues round."""
    terms = 4 * (sum(A.shape[-2:]) + sum(B.shape[-2:]))
    within = rounding(terms, (A**2).sum((-2, -1)) + (B**2).sum((-2, -1)), of="the eigenvalues of Gram matrices")
    return measured(name, np.linalg.eigvalsh(B.mT @ B)[..., 0], within=within, axes=("run",))


def _positive_part(D: Array) -> Array:
    values, vectors = np.linalg.eigh(D)
    return (vectors * np.maximum(values, 0)[..., None, :]) @ vectors.mT
