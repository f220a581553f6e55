"""Examples that repeat, other units, rates of 0, as many examples as inputs but one, and infinite time."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.deep_linear import generalisation as law
from theory.deep_linear import spectrum
from theory.deep_linear.problem import Ensemble, TeacherStudent, conditioned, draw, generalisation_error

RNG = np.random.default_rng
units = st.sampled_from([1e-100, 1e-6, 1.0, 1e6, 1e100])


def repeated(seed: int = 0, K: int = 2, noise: float = 0.0) -> TeacherStudent:
    """Five inputs; of four examples two are alike, one is 0, and one is three times another: rank 2."""
    rng = RNG(seed)
    x = rng.standard_normal((5, 2))
    X = np.stack([x[:, 0], x[:, 1], 3 * x[:, 0], np.zeros(5)], axis=-1)
    return TeacherStudent(X, rng.standard_normal((K, 5)), noise * rng.standard_normal((K, 4)))


# ---- problem


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), units)
def test_examples_that_repeat_have_the_rank_of_the_others(seed: int, unit: float) -> None:
    problem = repeated(seed, noise=0.3)
    scaled = TeacherStudent(unit * problem.X, problem.teacher / unit, problem.noise)
    assert scaled.rank == 2
    assert np.allclose(scaled.seen + scaled.unseen, np.eye(5), atol=1e-15)
    assert np.trace(scaled.unseen) == pytest.approx(3, abs=1e-12)
    assert np.allclose(scaled.unseen @ problem.X, 0, atol=1e-12)
    assert np.allclose(scaled.minimum_norm_solution * unit, problem.minimum_norm_solution, rtol=1e-9, atol=1e-9)
    # The normal equations, and no part beyond what is seen.
    W = problem.minimum_norm_solution
    assert np.allclose(W @ problem.X @ problem.X.T, problem.Y @ problem.X.T)
    assert np.allclose(W @ problem.unseen, 0, atol=1e-12)
    assert np.allclose(problem.misfit, problem.Y - W @ problem.X)


def test_two_equal_examples_by_hand() -> None:
    """X = (x, x), |x|^2 = 25: X^+ = (x, x)^T / 50."""
    x = np.array([3.0, 4.0])
    problem = TeacherStudent(np.stack([x, x], -1), np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    assert problem.pseudoinverse == pytest.approx(np.stack([x, x]) / 50)
    assert problem.minimum_norm_solution == pytest.approx(2 * x[None] / 25)
    assert problem.misfit == pytest.approx(np.array([[-1.0, 1.0]]))


def test_what_is_small_beside_something_large_is_seen() -> None:
    problem = TeacherStudent(np.diag([1e9, 1.0, 0.0]), np.ones((1, 3)), np.zeros((1, 3)))
    assert problem.rank == 2
    assert problem.minimum_norm_solution == pytest.approx(np.array([[1.0, 1.0, 0.0]]))


def test_no_example_shows_anything() -> None:
    nothing = TeacherStudent(np.zeros((2, 3)), np.ones((1, 2)), np.ones((1, 3)))
    assert nothing.rank == 0
    assert np.array_equal(nothing.unseen, np.eye(2))
    assert not nothing.minimum_norm_solution.any() and np.array_equal(nothing.misfit, np.ones((1, 3)))
    start = np.array([[5.0, 7.0]])
    assert np.array_equal(law.solution(nothing, start, np.inf), start)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda: TeacherStudent(1e200 * np.eye(2), np.ones((1, 2)), np.zeros((1, 2))), "largest entry of X = 1e"),
        (lambda: TeacherStudent(1e-200 * np.eye(2), np.ones((1, 2)), np.zeros((1, 2))), "largest entry of X = 1e"),
        (lambda: TeacherStudent(np.eye(2), 1e200 * np.ones((1, 2)), np.zeros((1, 2))), "largest entry of teacher"),
        (lambda: Ensemble(3, 2, noise=1e-200), "noise = 1e-200"),
        (lambda: Ensemble(3, 2, teacher=1e200), "teacher = 1e"),
        (lambda: repeated().each(2), r"X.shape = \(5, 4\): expected \(draws, d, n\)"),
        (lambda: generalisation_error(Ensemble(6, 4, K=2), repeated(), np.zeros((2, 5))), "problem.d = 5"),
        (lambda: generalisation_error(Ensemble(5, 4, K=2), repeated(), np.zeros((1, 5))), r"W.shape = \(1, 5\)"),
        (lambda: conditioned(RNG(0), 4, np.array([1.0, 0.0]), np.ones(1), K=1, draws=1), "smallest of singular_values"),
        (lambda: conditioned(RNG(0), 4, np.ones(2), -np.ones(1), K=1, draws=1), "smallest of strengths = -1"),
    ],
)
def test_problems_that_are_none_are_refused(request_, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        request_()


# ---- generalisation


def test_rates_of_0_keep_all_of_the_start() -> None:
    rates = np.array([0.0, 2.0])
    assert law.flow_memory(rates, [0.0, 1.0, np.inf]) == pytest.approx(np.array([[1, 1], [1, np.exp(-2)], [1, 0]]))
    assert law.descent_memory(rates, [0.0, 3.0, np.inf], 0.3) == pytest.approx(np.array([[1, 1], [1, 0.4**3], [1, 0]]))
    assert law.ridge_memory(rates, 0.0).tolist() == [1, 0]
    assert law.ridge_memory(rates, 2.0).tolist() == [1, 0.5]
    ensemble = Ensemble(4, 2, teacher=0.5, noise=0.25)
    assert law.best_memory(ensemble, rates).tolist() == [1, 1 / 9]
    assert law.best_times(ensemble, rates).tolist() == [4, pytest.approx(np.log(9) / 2)]
    memory = law.flow_memory(rates, np.inf)
    by_hand = (0.25 + 1 / 32 + 2 * 0.25) / 4 + 1 / 16
    assert law.error(ensemble, rates, memory) == pytest.approx(by_hand)
    quiet = Ensemble(4, 2, teacher=0.5)
    assert law.error(quiet, rates, memory) == pytest.approx(0.75 / 4)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1e-300, 1e-18, 1e-9, 0.3, 0.999, 1.0, 1.5, 1.999]),
    st.sampled_from([0, 1, 2, 7, 1000, 10**9, 10**18]),
)
def test_descent_keeps_the_digits_of_slow_rates(moved: float, steps: int) -> None:
    with mpmath.workdps(60):
        exact = (1 - mpmath.mpf(moved)) ** steps
        digits = float(abs(mpmath.log(abs(exact)))) if exact else 0.0
    found = law.descent_memory(np.array([moved]), float(steps), 1.0)[0]
    assert found == pytest.approx(float(exact), rel=1e-15 * (10 + digits), abs=1e-300)


def test_steps_without_end_or_in_parts() -> None:
    assert law.descent_memory(np.array([0.5, 1.0, 1.9]), np.inf, 1.0).tolist() == [0, 0, 0]
    assert law.descent_memory(np.array([2.0, 3.0]), [0.0, 3.0], 1.0).tolist() == [[1, 1], [-1, -8]]
    with pytest.raises(InvalidArgument, match="steps = inf: expected an end where eta lam = 2"):
        law.descent_memory(np.array([2.0]), np.inf, 1.0)
    with pytest.raises(InvalidArgument, match="steps = 0.5: expected whole steps where eta lam = 1.5"):
        law.descent_memory(np.array([1.5]), 0.5, 1.0)
    with pytest.raises(InvalidArgument, match="learning_rate = 1.0: expected a smaller one: where eta lam = 3"):
        law.descent_memory(np.array([0.5, 3.0]), 1e4, 1.0)
    for rates in (-1.0, np.nan, np.inf):
        with pytest.raises(InvalidArgument, match="rates = "):
            law.ridge_memory(np.array([rates]), 1.0)


@pytest.mark.parametrize("n", [1, 4])
def test_students_of_examples_that_repeat(n: int) -> None:
    problem = repeated(noise=0.5) if n == 4 else TeacherStudent(np.ones((1, 1)), np.ones((2, 1)), np.ones((2, 1)))
    start = RNG(3).standard_normal(problem.teacher.shape)
    W = start
    for _ in range(3):
        W = W + 0.01 * (problem.Y - W @ problem.X) @ problem.X.T
    assert np.allclose(law.student(problem, start, law.descent_memory(problem.rates, 3, 0.01)), W)
    assert np.allclose(law.solution(problem, start, np.inf), problem.minimum_norm_solution + start @ problem.unseen)
    halfway = law.solution(problem, start, 0.3)
    assert np.allclose(law.solution(problem, halfway, 0.4), law.solution(problem, start, 0.7))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 99), st.sampled_from([0.0, 0.4, np.inf]))
def test_students_turn_with_their_inputs_and_do_not_know_the_order_of_examples(seed: int, t: float) -> None:
    problem, rng = repeated(seed, noise=0.5), RNG(seed)
    turn, order = np.linalg.qr(rng.standard_normal((5, 5)))[0], rng.permutation(4)
    start = rng.standard_normal((2, 5))
    turned = TeacherStudent(turn @ problem.X[:, order], problem.teacher @ turn.T, problem.noise[:, order])
    found = law.solution(turned, start @ turn.T, t)
    assert np.allclose(found @ turn, law.solution(problem, start, t), atol=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.4, np.inf])
def test_the_error_over_examples_that_repeat_is_the_mean_over_its_sources(t: float) -> None:
    """Teacher, start and noise are uncorrelated: the sum over their entries, each alone at its size."""
    ensemble, X = Ensemble(5, 4, teacher=0.7, noise=0.4), repeated().X
    zero, total = (np.zeros((1, 5)), np.zeros((1, 5)), np.zeros((1, 4))), 0.16
    for which, size in enumerate((0.7, 0.6, 0.4)):
        for entry in range(zero[which].size):
            teacher, begun, noise = (array.copy() for array in zero)
            (teacher, begun, noise)[which].flat[entry] = size
            problem = TeacherStudent(X, teacher, noise)
            total += ((teacher - law.solution(problem, begun, t)) ** 2).sum() / 5
    rates = problem.rates
    assert law.error(ensemble, rates, law.flow_memory(rates, t), 0.6) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_without_noise_the_end_has_a_mean_at_every_size(n: int) -> None:
    assert law.final_error(Ensemble(5, n, teacher=2.0)) == pytest.approx(max(5 - n, 0) * 4 / 5)
    assert law.best_stopped_error(Ensemble(5, n)) == law.final_error(Ensemble(5, n))
    with pytest.raises(InvalidArgument, match="n = "):
        law.final_error(Ensemble(5, n, noise=1e-3))


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_stopping_does_not_know_the_units_of_labels(unit: float) -> None:
    one, other = (Ensemble(30, 12, teacher=0.7 * c, noise=0.4 * c) for c in (1.0, unit))
    assert law.best_time(other, 0.2 * unit) == pytest.approx(law.best_time(one, 0.2), rel=1e-6)
    if unit < 1:
        assert law.crossover(other) == pytest.approx(law.crossover(one) * unit, rel=1e-6)
    assert law.best_ridge_error(other) == pytest.approx(law.best_ridge_error(one) * unit**2, rel=1e-12)
    assert law.best_ridge_strength(other) == pytest.approx(law.best_ridge_strength(one))


def test_stopping_under_much_noise_and_hardly_any() -> None:
    """All modes stop at sw^2 / se^2 where that is small; what stopping gains without noise cannot be told."""
    assert law.best_time(Ensemble(30, 12, noise=1e6)) == pytest.approx(1e-12, rel=1e-9)
    assert law.best_times(Ensemble(30, 12, noise=1e6), np.array([1e-300, 1.0])) == pytest.approx(1e-12)
    with pytest.raises(InvalidArgument, match=r"noise = 0.01: expected more"):
        law.crossover(Ensemble(30, 12, noise=0.01))
    with pytest.raises(InvalidArgument, match="start = inf"):
        law.best_times(Ensemble(30, 12, noise=1.0), np.ones(1), np.inf)
    for noise, teacher in ((1e-100, 1e100), (1e100, 1e-100)):
        with pytest.raises(InvalidArgument, match="teacher and start relative to the noise = "):
            law.best_time(Ensemble(30, 12, noise=noise, teacher=teacher))


# ---- spectrum


@pytest.mark.parametrize(
    ("d", "n"), [(1, 2), (10, 4), (1000, 999), (999, 1000), (10**6, 10**6 - 1), (10**9, 10**9 + 1)]
)
def test_sums_next_to_as_many_examples_as_inputs(d: int, n: int) -> None:
    """int rho / x = d / |d - n| over the smaller of n and d, exactly; and int rho = 1."""
    inverse = spectrum.bulk_sum(Ensemble(d, n), lambda x: 1 / x)
    assert inverse == pytest.approx(min(n, d) * d / abs(d - n), rel=1e-12)
    assert spectrum.bulk_sum(Ensemble(d, n), np.ones_like) == pytest.approx(min(n, d), rel=1e-12)
    assert spectrum.edge_sum(Ensemble(d, n), np.ones_like) == pytest.approx(0, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([(3, 1), (10, 4), (100, 99), (10**4, 10**4 - 1)]), st.floats(-16, 4).map(lambda e: 10.0**e))
def test_resolvents(sizes: tuple[int, int], mu: float) -> None:
    """Marchenko & Pastur's Stieltjes transform, and the arcsine law's, to 60 digits."""
    d, n = sizes
    with mpmath.workdps(60):
        a, z = mpmath.mpf(n) / d, mpmath.mpf(mu)
        bulk = n * (-(1 - a + z) + mpmath.sqrt((1 - a + z) ** 2 + 4 * a * z)) / (2 * a * z)
        low, high = ((1 + sign * mpmath.sqrt(a)) ** 2 + z for sign in (-1, 1))
        edge = (1 / low + 1 / high) / 4 - 1 / (2 * mpmath.sqrt(low * high))
    ensemble, f = Ensemble(d, n), lambda x: 1 / (x + mu)
    assert spectrum.bulk_sum(ensemble, f) == pytest.approx(float(bulk), rel=1e-12)
    assert spectrum.edge_sum(ensemble, f) == pytest.approx(float(edge), rel=1e-10, abs=1e-12 * float(1 / low))
    assert spectrum.expected_sum(ensemble, f) == pytest.approx(float(bulk + edge), rel=1e-11)


@pytest.mark.parametrize("t", [1.0, 1e3, 1e5, 1e7])
def test_late_times_are_those_of_the_lower_edge(t: float) -> None:
    """Against quadrature in u = x^(1/2), where the density of d = 1000, n = 999 is smooth but for its ends."""
    with mpmath.workdps(25):
        a = mpmath.mpf(999) / 1000
        low, high = 1 - mpmath.sqrt(a), 1 + mpmath.sqrt(a)
        density = lambda u: mpmath.sqrt((high**2 - u**2) * (u**2 - low**2)) / (mpmath.pi * a * u)  # noqa: E731
        ends = [low, *(low * 4**k for k in range(1, 6)), high]
        exact = 999 * mpmath.quad(lambda u: mpmath.exp(-t * u**2) * density(u), ends)
    assert spectrum.bulk_sum(Ensemble(1000, 999), lambda x: np.exp(-x * t)) == pytest.approx(float(exact), rel=1e-9)


def test_draws_of_one_example_and_one_input() -> None:
    problem = draw(Ensemble(1, 1, noise=0.1), RNG(0), 3)
    assert np.allclose(problem.minimum_norm_solution * problem.X, problem.Y)
    assert spectrum.expected_inverse_sum(Ensemble(1, 3)) == 1
