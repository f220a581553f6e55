"""The error of shallow students and the law of their rates: limits, semigroup, input errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.deep_linear import generalisation as law
from theory.deep_linear import spectrum
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw, generalisation_error

ENSEMBLE = Ensemble(60, 30, noise=0.3)
RATES = np.linspace(0.1, 2.8, 6)


def at(t: float | np.ndarray):
    return lambda rates: law.flow_memory(rates, t)


def test_known_values() -> None:
    assert law.final_error(ENSEMBLE) == pytest.approx(0.5 + 0.09 * (1 + 30 / 29))
    assert law.final_error(Ensemble(30, 60, K=2, noise=0.5)) == pytest.approx(2 * 0.25 * (1 + 30 / 29))
    assert spectrum.expected_sum(ENSEMBLE, np.ones_like) == pytest.approx(30)
    # d = 60, n = 30, noise 0.3: the exact fit is beaten by early stopping from small starts, and by ridge.
    assert law.best_ridge_error(ENSEMBLE) == pytest.approx(0.6596, abs=1e-4)
    assert law.best_stopped_error(ENSEMBLE) == pytest.approx(0.6623, abs=1e-4)
    assert law.crossover(ENSEMBLE) == pytest.approx(0.2008, abs=1e-4)


@settings(deadline=None)
@given(st.floats(0, 20), st.floats(0, 20))
def test_memory_composes(first: float, second: float) -> None:
    together = law.flow_memory(RATES, first + second)
    assert np.allclose(together, law.flow_memory(RATES, first) * law.flow_memory(RATES, second), rtol=1e-12)


@settings(deadline=None)
@given(st.floats(0, 5), st.floats(0, 5))
def test_a_student_trained_twice_is_one_trained_longer(first: float, second: float) -> None:
    problem = draw(Ensemble(6, 4, K=2, noise=0.3), np.random.default_rng(0), 2)
    start = np.ones((2, 2, 6))
    halfway = law.student(problem, start, law.flow_memory(problem.rates, first))
    twice = law.student(problem, halfway, law.flow_memory(problem.rates, second))
    once = law.student(problem, start, law.flow_memory(problem.rates, first + second))
    assert np.allclose(twice, once, atol=1e-11)


def test_descent_remembers_what_its_steps_leave() -> None:
    rates = np.tile(RATES, (3, 1))
    memory = law.descent_memory(rates, np.array([[0, 1, 7]]), 0.5)
    assert memory.shape == (1, 3, 3, 6)
    assert np.allclose(memory[0, 0], 1) and np.allclose(memory[0, 2], (1 - 0.5 * rates) ** 7)
    assert np.allclose(law.descent_memory(RATES, 2e5, 1e-5), law.flow_memory(RATES, 2.0), rtol=1e-4)
    with pytest.raises(InvalidArgument, match="learning_rate = 0"):
        law.descent_memory(RATES, 1, 0.0)


def test_a_student_at_times_of_any_shape() -> None:
    problem = draw(Ensemble(6, 4, K=2, noise=0.3), np.random.default_rng(0), 3)
    start = np.ones((3, 2, 6))
    W = law.solution(problem, start, np.array([[0.0, 0.5], [1.5, np.inf]]))
    assert W.shape == (2, 2, 3, 2, 6)
    assert np.array_equal(W[0, 0], start)
    assert np.allclose(W[1, 1], problem.minimum_norm_solution + start @ problem.unseen)
    assert np.allclose(law.solution(problem, W[0, 1], 1.0), W[1, 0])
    with pytest.raises(InvalidArgument, match="t = -1"):
        law.solution(problem, start, -1.0)


def test_times_of_any_shape_and_both_ends() -> None:
    rates = np.tile(RATES, (3, 1))
    t = np.array([[0.0, 1.0], [2.0, np.inf]])
    memory = law.flow_memory(rates, t)
    assert memory.shape == (2, 2, 3, 6)
    assert np.array_equal(memory[0, 0], np.ones((3, 6))) and np.array_equal(memory[1, 1], np.zeros((3, 6)))
    errors = law.error(ENSEMBLE, rates, memory, 0.5)
    assert errors.shape == (2, 2, 3)
    # Before training: teacher and start apart, and noise.
    fraction = (6 + ENSEMBLE.unseen) / 60
    assert errors[0, 0] == pytest.approx(fraction * 1.25 + 0.09)


def test_the_limits_of_the_expected_error() -> None:
    assert law.expected_error(ENSEMBLE, at(0.0), 0.5) == pytest.approx(1.25 + 0.09)
    exact = law.final_error(ENSEMBLE, 0.5)
    assert law.expected_error(ENSEMBLE, at(np.inf), 0.5) == pytest.approx(exact, abs=1 / 60**2)
    curve = law.expected_error(ENSEMBLE, at(np.array([0.0, 1.0, np.inf])))
    assert curve.shape == (3,)


def test_the_expected_error_is_the_mean_of_the_given_one() -> None:
    problem = draw(Ensemble(20, 10), np.random.default_rng(0), 4000)
    ensemble = Ensemble(20, 10, noise=0.4)
    given = law.error(ensemble, problem.rates, law.flow_memory(problem.rates, 1.5), 0.3)
    assert given.mean() == pytest.approx(law.expected_error(ensemble, at(1.5), 0.3), abs=6 * given.std() / 4000**0.5)


def test_a_student_without_start_that_never_trains_is_nothing() -> None:
    problem = draw(Ensemble(5, 3), np.random.default_rng(0), 1)
    zero = np.zeros((1, 1, 5))
    assert np.array_equal(law.student(problem, zero, law.flow_memory(problem.rates, 0.0)), zero)
    fitted = law.student(problem, zero, law.flow_memory(problem.rates, np.inf))
    assert np.allclose(fitted, problem.minimum_norm_solution)


def test_every_mode_stops_where_its_error_turns() -> None:
    best = law.best_times(ENSEMBLE, RATES, 0.4)
    around = [law.error(ENSEMBLE, RATES[:, None], law.flow_memory(RATES[:, None], t)[0], 0.4) for t in (0.0, np.inf)]
    at_best = law.error(ENSEMBLE, RATES[:, None], np.exp(-best * RATES)[:, None], 0.4)
    assert (at_best < around[0]).all() and (at_best < around[1]).all()


def test_what_stopping_is_worth() -> None:
    quiet = Ensemble(60, 30)
    assert law.best_stopped_error(quiet, 0.2) == law.final_error(quiet, 0.2)
    t = law.best_time(ENSEMBLE, 0.4)
    errors = law.expected_error(ENSEMBLE, at(np.array([0.9 * t, t, 1.1 * t])), 0.4)
    assert errors.argmin() == 1
    assert law.best_ridge_error(ENSEMBLE) < law.best_stopped_error(ENSEMBLE) < law.final_error(ENSEMBLE)
    assert law.best_stopped_error(ENSEMBLE, law.crossover(ENSEMBLE)) == pytest.approx(law.final_error(ENSEMBLE))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda: law.flow_memory(RATES, -1.0), "t = -1"),
        (lambda: law.flow_memory(np.array([1.0, -0.1]), 1.0), "rates = -0.1"),
        (lambda: law.ridge_memory(RATES, -0.1), "strength = -0.1"),
        (lambda: law.error(ENSEMBLE, RATES, RATES, -0.5), "start = -0.5"),
        (lambda: law.expected_error(Ensemble(5, 5), at(1.0)), "n = 5"),
        (lambda: law.final_error(Ensemble(5, 6, noise=0.1)), "n = 6"),
        (lambda: law.best_times(Ensemble(6, 3), RATES), "noise = 0"),
        (lambda: law.best_time(Ensemble(6, 3)), "noise = 0"),
        (lambda: law.crossover(Ensemble(6, 3)), "noise = 0"),
        (lambda: law.crossover(Ensemble(3, 6, noise=0.3)), "n = 6"),
    ],
)
def test_what_has_no_answer_is_refused(request_, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        request_()


def test_one_student_by_hand() -> None:
    # d = 1, n = 1, x = 1, teacher 2, noise 1, start 5: W(t) = 3 + 2 e^-t.
    problem = TeacherStudent(np.ones((1, 1)), np.full((1, 1), 2.0), np.ones((1, 1)))
    W = law.student(problem, np.full((1, 1), 5.0), law.flow_memory(problem.rates, np.log(2)))
    assert W == pytest.approx(4.0)
    assert generalisation_error(Ensemble(1, 1, noise=0.5), problem, W) == pytest.approx(4.25)


GENERIC = Ensemble(9, 5, K=3, teacher=0.7, noise=0.4)


@pytest.mark.parametrize("n", [5, 13])
def test_the_error_is_the_mean_over_its_sources_one_by_one(n: int) -> None:
    """Teacher, start and noise are uncorrelated: the mean is the sum over their entries, each alone at its size."""
    ensemble, start = Ensemble(9, n, K=1, teacher=0.7, noise=0.4), 0.6
    X = draw(ensemble, np.random.default_rng(0), 1).X
    zero = np.zeros((1, 1, 9)), np.zeros((1, 1, 9)), np.zeros((1, 1, n))
    total = 0.16
    for which, size in enumerate((0.7, 0.6, 0.4)):
        for entry in range(zero[which].size):
            teacher, begun, noise = (array.copy() for array in zero)
            (teacher, begun, noise)[which].flat[entry] = size
            problem = TeacherStudent(X, teacher, noise)
            W = law.student(problem, begun, law.flow_memory(problem.rates, 1.3))
            total += ((problem.teacher - W) ** 2).sum() / 9
    assert law.error(ensemble, problem.rates, law.flow_memory(problem.rates, 1.3), start)[0] == pytest.approx(total)


def test_ridge_is_a_memory() -> None:
    problem = draw(GENERIC, np.random.default_rng(0), 2)
    W = law.student(problem, np.zeros((2, 3, 9)), law.ridge_memory(problem.rates, 0.3))
    gram = problem.X @ problem.X.mT + 0.3 * np.eye(9)
    assert np.allclose(W, problem.Y @ problem.X.mT @ np.linalg.inv(gram))


def test_flow_and_descent_follow_their_equations() -> None:
    problem, eta = draw(GENERIC, np.random.default_rng(0), 2), 0.1
    W = start = np.random.default_rng(1).standard_normal((2, 3, 9))
    for _ in range(3):
        W = W + eta * (problem.Y - W @ problem.X) @ problem.X.mT
    assert np.allclose(law.student(problem, start, law.descent_memory(problem.rates, 3, eta)), W)
    slope = (law.solution(problem, start, 1e-6) - start) / 1e-6
    assert np.allclose(slope, (problem.Y - start @ problem.X) @ problem.X.mT, atol=1e-4)


@pytest.mark.parametrize("start", [0.0, 0.6])
def test_best_memories_and_times_are_the_best_of_many(start: float) -> None:
    memories = np.linspace(0, 1, 2001)
    for rate in RATES:
        errors = law.error(GENERIC, np.array([rate]), memories[:, None], start)
        assert law.best_memory(GENERIC, np.array([rate]), start)[0] == pytest.approx(
            memories[errors.argmin()], abs=1e-3
        )
    stopped = np.diagonal(law.flow_memory(RATES, law.best_times(GENERIC, RATES, start)))
    assert stopped == pytest.approx(law.best_memory(GENERIC, RATES, start))


def test_limits_of_any_ensemble() -> None:
    assert law.final_error(GENERIC, 0.6) == pytest.approx(3 * (4 / 9 * (0.49 + 0.36) + 0.16 * (1 + 5 / 3)))
    assert law.expected_error(GENERIC, at(0.0), 0.6) == pytest.approx(3 * (0.49 + 0.36 + 0.16))
    assert law.final_error(Ensemble(5, 9, K=2, noise=0.4), 0.6) == pytest.approx(2 * 0.16 * (1 + 5 / 3))


def test_the_best_time_and_strength_are_the_best_of_many() -> None:
    t = law.best_time(GENERIC, 0.6)
    times = np.linspace(0.8 * t, 1.2 * t, 201)
    errors = law.expected_error(GENERIC, at(times), 0.6)
    assert t == pytest.approx(times[errors.argmin()], rel=3e-3)
    assert law.best_stopped_error(GENERIC, 0.6) == pytest.approx(errors.min(), rel=1e-5)
    strengths = np.geomspace(0.2, 0.6, 201)
    ridge = [law.expected_error(GENERIC, lambda x, mu=mu: law.ridge_memory(x, mu)) for mu in strengths]
    assert law.best_ridge_strength(GENERIC) == pytest.approx(strengths[np.argmin(ridge)], rel=8e-3)
    assert law.best_ridge_error(GENERIC) == pytest.approx(min(ridge), rel=1e-4)


def test_the_crossover_of_any_ensemble_and_memory() -> None:
    memory = lambda rates, t: law.descent_memory(rates, t / 0.2, 0.2)  # noqa: E731
    for ensemble in (GENERIC, Ensemble(9, 5, K=1, teacher=0.7, noise=0.4)):
        start = law.crossover(ensemble, memory)
        assert law.best_stopped_error(ensemble, start, memory) == pytest.approx(law.final_error(ensemble))
        assert law.best_stopped_error(ensemble, 1.1 * start, memory) > law.final_error(ensemble)
    t = law.best_time(GENERIC, 0.6, memory)
    around = [float(law.expected_error(GENERIC, lambda x, t=t: memory(x, t), 0.6)) for t in (0.97 * t, t, 1.03 * t)]
    assert np.argmin(around) == 1
