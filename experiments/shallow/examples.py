"""Random separable problems that several claims judge."""

import numpy as np

from theory.core.separable import Separable, apply, labelled_by_a_teacher


def random_problems(rng: np.random.Generator, runs: int) -> Separable:
    """Twelve Gaussian examples in five dimensions with a teacher's labels, of those whose support has a Gram matrix of
    condition number below 60 and whose other examples clear the margin by a tenth (an example nearly on the margin
    shows on which side of it the classifier leaves it only after very long)."""
    candidates = Separable(labelled_by_a_teacher(rng, n=12, d=5, runs=20 * runs, least=0.3))
    slack = np.where(candidates.support, np.inf, apply(candidates.Z, candidates.w) - 1).min(-1)
    fits = (candidates.condition < 60) & (slack > 0.1)
    return Separable(candidates.Z[fits][:runs])
