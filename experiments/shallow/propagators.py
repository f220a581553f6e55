"""Jacobians of Minnorm's training at the solution, from trainings that start beside it."""

import numpy as np

from experiments.methods.minnorm.descent import SimultaneousMinnormDescent
from experiments.shallow.classifiers import minnorm_classifier, states
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.minnorm.tuning import Tuning

PERTURBATION = 1e-3


def propagators(
    study: Study,
    problem: Separable,
    a: float,
    b: float | Array,
    c: float = 0.0,
    *,
    learning_rate: float = 1.0,
    steps: int = 1,
    kind: type[SimultaneousMinnormDescent] = SimultaneousMinnormDescent,
) -> Array:
    """Jacobian (d + n, d + n) of that many steps; with several b (k,) one for each of them, (k, d + n, d + n).

    The map is affine while no multiplier is held at 0, so its differences are exact at any perturbation.
    """
    d, size = problem.w.size, problem.w.size + problem.duals.size
    start = np.concatenate([problem.w, problem.duals])
    starts = start + PERTURBATION * np.vstack([np.zeros(size), np.eye(size)])
    # All perturbed states at all b are one batch.
    w, multipliers = np.split(np.tile(starts, (np.size(b), 1)), [d], axis=-1)
    trainee = minnorm_classifier(study, problem.Z, Tuning(a, np.repeat(b, size + 1), c), w, multipliers, kind)
    run = trainee.train(learning_rate=learning_rate, steps=steps, record=[steps])
    ends = states(run)[-1].reshape(*np.shape(b), size + 1, size)
    return (ends[..., 1:, :] - ends[..., :1, :]).mT / PERTURBATION
