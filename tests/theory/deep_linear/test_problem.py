"""Teachers and students: input errors, projectors, and the error of a student."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.deep_linear.problem import Ensemble, TeacherStudent, conditioned, draw, generalisation_error

ENSEMBLE = Ensemble(7, 4, K=2, teacher=0.8, noise=0.3)
RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": 0}, "d = 0"),
        ({"n": 0}, "n = 0"),
        ({"K": -1}, "K = -1"),
        ({"teacher": 0.0}, "teacher = 0.0"),
        ({"noise": -0.1}, "noise = -0.1"),
    ],
)
def test_an_ensemble_outside_its_domain_is_named(changes: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Ensemble(**({"d": 5, "n": 3} | changes))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("X", np.full((5, 3), np.nan)),
        ("X", np.ones(3)),
        ("teacher", np.ones((2, 4))),
        ("noise", np.ones((3, 3))),
        ("noise", np.ones((4, 2, 3))),
    ],
)
def test_shapes_that_do_not_fit_are_named(name: str, array: np.ndarray) -> None:
    arrays = {"X": np.ones((5, 3)), "teacher": np.ones((2, 5)), "noise": np.zeros((2, 3))} | {name: array}
    with pytest.raises(InvalidArgument, match=name):
        TeacherStudent(**arrays)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9))
def test_seen_and_unseen_divide_the_space(seed: int, d: int, n: int) -> None:
    problem = draw(Ensemble(d, n, noise=0.2), RNG(seed), 2)
    P, Q = problem.seen, problem.unseen
    assert np.allclose(P + Q, np.eye(d)) and np.allclose(P @ P, P, atol=1e-6)
    assert np.trace(Q, axis1=-2, axis2=-1) == pytest.approx(max(d - n, 0), abs=1e-6)
    assert np.allclose(problem.basis @ problem.basis.mT, P, atol=1e-6)


def test_the_minimum_norm_solution_fits_with_the_least_norm() -> None:
    problem = draw(ENSEMBLE, RNG(0), 3)
    W = problem.minimum_norm_solution
    assert np.allclose(W @ problem.X, problem.Y)
    assert np.allclose(W @ problem.unseen, 0)
    assert np.allclose(W @ problem.basis, problem.targets / problem.singular_values[:, None])


def test_each_repeats_every_draw_in_a_row() -> None:
    problem = draw(ENSEMBLE, RNG(0), 3)
    runs = problem.each(2)
    assert np.array_equal(runs.X[::2], problem.X) and np.array_equal(runs.X[1::2], problem.X)
    with pytest.raises(InvalidArgument, match="copies"):
        problem.each(0)


def test_the_error_of_the_teacher_is_the_noise() -> None:
    problem = draw(ENSEMBLE, RNG(0), 3)
    assert generalisation_error(ENSEMBLE, problem, problem.teacher) == pytest.approx(2 * 0.3**2)
    many = np.stack([problem.teacher, problem.teacher + 1.0])
    assert generalisation_error(ENSEMBLE, problem, many)[1] == pytest.approx(2 + 2 * 0.3**2)


def test_conditioned_problems_have_the_spectra_asked_for() -> None:
    problem = conditioned(RNG(0), 8, np.array([1.5, 1.0, 0.5]), np.array([2.0, 0.7]), K=3, draws=4)
    assert np.allclose(problem.singular_values, [1.5, 1.0, 0.5])
    strengths = np.linalg.svd(problem.minimum_norm_solution, compute_uv=False)
    assert np.allclose(strengths, [2.0, 0.7, 0.0])
    with pytest.raises(InvalidArgument, match="singular_values"):
        conditioned(RNG(0), 2, np.ones(3), np.ones(1), K=1, draws=1)
    with pytest.raises(InvalidArgument, match="strengths"):
        conditioned(RNG(0), 4, np.ones(3), np.ones(2), K=1, draws=1)


def test_draws_have_the_variances_of_their_ensemble() -> None:
    problem = draw(Ensemble(9, 4, K=3, teacher=0.7, noise=0.4), RNG(0), 20_000)
    assert problem.X.var() == pytest.approx(1 / 9, rel=0.02)
    assert problem.teacher.std() == pytest.approx(0.7, rel=0.01)
    assert problem.noise.std() == pytest.approx(0.4, rel=0.01)
    assert (problem.d, problem.n, problem.K) == (9, 4, 3)
    assert np.allclose(problem.Y[0], problem.teacher[0] @ problem.X[0] + problem.noise[0])


def test_sizes_of_an_ensemble() -> None:
    few, many = Ensemble(9, 4), Ensemble(4, 9)
    assert (few.aspect, few.unseen, many.aspect, many.unseen) == (4 / 9, 5, 9 / 4, 0)


def test_the_error_is_the_distance_over_the_inputs_and_the_noise_of_every_output() -> None:
    ensemble = Ensemble(5, 3, K=2, noise=0.3)
    problem = draw(ensemble, RNG(0), 2)
    by_hand = ((problem.teacher - 1.0) ** 2).sum((1, 2)) / 5 + 2 * 0.09
    assert generalisation_error(ensemble, problem, np.ones((2, 2, 5))) == pytest.approx(by_hand)


def test_the_unseen_teacher_of_a_conditioned_problem_is_gaussian() -> None:
    problem = conditioned(RNG(0), 8, np.array([1.5, 1.0, 0.5]), np.array([2.0, 0.7]), K=3, draws=2000)
    unseen = problem.teacher @ problem.unseen
    assert (unseen**2).sum((1, 2)).mean() == pytest.approx(3 * 5, rel=0.03)
    assert not problem.noise.any()
    seen = problem.teacher @ problem.seen
    assert np.allclose(seen, problem.minimum_norm_solution)
