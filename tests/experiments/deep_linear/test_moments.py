"""Exact second moments: the mean over outputs of what is quadratic in teacher, start and noise is its expectation."""

import numpy as np
import pytest

from experiments.deep_linear.moments import mean_error, of_exact_moments
from theory.deep_linear.problem import Ensemble, TeacherStudent, generalisation_error

ENSEMBLE = Ensemble(5, 3, teacher=0.7, noise=0.4)


def test_teachers_starts_and_noise_are_uncorrelated() -> None:
    problem, start = of_exact_moments(ENSEMBLE, np.random.default_rng(0), 2, 0.6)
    assert problem.X.shape == (2, 5, 3) and start.shape == (2, 13, 5)
    together = np.concatenate([problem.teacher, start, problem.noise], axis=-1)
    variances = np.repeat([0.49, 0.36, 0.16], [5, 5, 3])
    assert np.allclose(together.mT @ together / 13, np.diag(variances))


def test_the_mean_error_is_that_of_an_output() -> None:
    problem, start = of_exact_moments(ENSEMBLE, np.random.default_rng(0), 2, 0.6)
    alone = [
        generalisation_error(
            ENSEMBLE, TeacherStudent(problem.X, problem.teacher[:, [k]], problem.noise[:, [k]]), start[:, [k]]
        )
        for k in range(13)
    ]
    assert mean_error(ENSEMBLE, problem, start) == pytest.approx(np.mean(alone, axis=0))
