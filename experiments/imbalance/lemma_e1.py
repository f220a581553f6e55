"""Lemma E.1: how often a singular value of a Gaussian matrix leaves its interval."""

from collections.abc import Iterator

import numpy as np

from theory.claims import Check, Study, claim, exactly, measured
from theory.imbalance import width


@claim(
    "min2021.lemma_e1",
    source="Min et al. 2021, Lemma E.1",
    statement=r"\text{all singular values of } A \in \mathbb{R}^{n \times m} \text{ lie in }"
    r" \sqrt{n} \pm (\sqrt{m} + t) \text{ but with probability } \le 2 e^{-t^2/2}",
    hypotheses=("A iid N(0, 1)",),
    theory_side="bound",
    controls=("tail 2 exp(-t^2)",),
)
def singular_values_of_gaussian_matrices_concentrate(study: Study) -> Iterator[Check]:
    t = np.linspace(0, 6, 61)
    known = exactly("n = m = 1, where the tail is known exactly")
    tail = measured("tail of one Gaussian", width.scalar_tail(t), within=known, axes=("t",))
    yield tail.at_most(width.tail(t))
    correction = "the tail is 2 exp(-t^2/2), hence s = sqrt(m + D) + sqrt(2 log(2/delta)) in Lemma 1"
    yield tail.misprint("tail 2 exp(-t^2)", correction=correction).at_most(width.printed_tail(t))
