"""Random separable problems that several claims judge."""

import numpy as np

from theory.core.separable import Separable, apply, labelled_by_a_teacher, planted


def random_problems(rng: np.random.Generator, runs: int) -> Separable:
    """Twelve Gaussian examples in five dimensions with a teacher's labels, of those whose support has a Gram matrix of
    condition number below 60 and whose other examples clear the margin by a tenth (an example nearly on the margin
    shows on which side of it the classifier leaves it only after very long)."""
    candidates = Separable(labelled_by_a_teacher(rng, n=12, d=5, runs=20 * runs, least=0.3))
    slack = np.where(candidates.support, np.inf, apply(candidates.Z, candidates.w) - 1).min(-1)
    fits = (candidates.condition < 60) & (slack > 0.1)
    return Separable(candidates.Z[fits][:runs])


def separated_problem(rng: np.random.Generator) -> Separable:
    """Three support vectors in four dimensions whose Gram matrix has a smallest eigenvalue below half of the others."""
    candidates = Separable(planted(rng, np.array([0.5, 0.3, 0.2]), d=4, margin=0.8, runs=200))
    spectrum = np.linalg.eigvalsh(candidates.Z @ candidates.Z.mT)
    fits = (spectrum[:, 1] > 2.2 * spectrum[:, 0]) & (candidates.condition < 12)
    return candidates.run(int(np.flatnonzero(fits)[0]))
