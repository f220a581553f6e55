"""Teachers, starts and noise with the second moments of an ensemble, exactly: what is quadratic in them needs no draws.

The errors of linear students are quadratic forms of (teacher, start, noise), so only second moments enter their means.
Rows of a multiple of an orthogonal matrix have those of independent entries: one output a row, and the mean over the
outputs is the expectation, to rounding.
"""

import numpy as np

from theory.core.arrays import Array
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error


def of_exact_moments(
    ensemble: Ensemble, rng: np.random.Generator, draws: int, start: float
) -> tuple[TeacherStudent, Array]:
    """Gaussian examples of `draws` problems, all with the same 2 d + n outputs, and starts (draws, outputs, d)."""
    d, size = ensemble.d, 2 * ensemble.d + ensemble.n
    rows = np.sqrt(size) * np.linalg.qr(rng.standard_normal((size, size)))[0]
    teacher, begun, noise = (np.repeat(part[None], draws, 0) for part in np.split(rows, [d, 2 * d], axis=1))
    X = draw(ensemble, rng, draws).X
    return TeacherStudent(X, ensemble.teacher * teacher, ensemble.noise * noise), start * begun


def mean_error(ensemble: Ensemble, problem: TeacherStudent, W: Array) -> Array:
    """E_g of an output, its mean over all outputs of each draw (..., draws)."""
    one = Ensemble(ensemble.d, ensemble.n, noise=ensemble.noise)
    return generalisation_error(one, problem, W) / problem.K + (1 - 1 / problem.K) * ensemble.noise**2
