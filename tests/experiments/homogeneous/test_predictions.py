"""Predictions as functions of the factor by which a constant is multiplied; directions at rest."""

import numpy as np
import pytest

from experiments.homogeneous.predictions import departing, in_time, nothing, scaled
from experiments.homogeneous.rest import across, at_rest, descent
from theory.claims import Study
from theory.core.separable import Separable, planted
from theory.homogeneous.critical_points import equilibrium


def test_predictions_hold_at_one_and_move_with_the_constant() -> None:
    change = np.array([0.5, -2.0])
    assert np.array_equal(scaled(change)(1.0), change)
    assert np.array_equal(scaled(change)(1.5), 1.5 * change)
    assert not departing(change)(1.0).any()
    assert np.allclose(departing(change)(0.9), 0.1 * change)
    assert nothing(1.3) == 0


def test_a_path_is_run_through_faster() -> None:
    t = np.linspace(0, 1, 9)
    path = np.stack([np.exp(-t), t**3], axis=-1)
    assert np.allclose(in_time(t, path)(1.0), path, atol=1e-15)
    assert np.allclose(in_time(t, path)(1.1), np.stack([np.exp(-1.1 * t), (1.1 * t) ** 3], axis=-1), atol=1e-4)


def test_directions_are_as_far_from_rest_as_their_force_says() -> None:
    problem, study = Separable(planted(np.random.default_rng(0), np.array([0.5, 0.3, 0.2]), d=3)[0]), Study("test")
    sizes, aside = np.array([2.0, 9.0]), np.array([1e-4, 1e-6])
    rest = equilibrium(problem, sizes)
    moved = rest + aside[:, None] * across(np.ones((2, 3)), rest)
    found, V, within = at_rest(study, problem, sizes[:, None] * moved)
    assert found == pytest.approx(sizes, rel=1e-6)
    off = np.linalg.norm(V - rest, axis=-1)
    assert (off <= within.value[:, 0]).all() and (within.value[:, 0] < 2.1 * off).all()
    assert np.abs(across(descent(study, problem.Z, sizes[:, None] * rest), rest)).max() < 1e-10
