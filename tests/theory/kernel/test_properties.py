"""What holds of the kernel and its networks at any inputs, steps and widths, their limits among them."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.kernel import catapult, corrections, lazy, width
from theory.kernel.inputs import (
    Inputs,
    least_of_a_pair,
    near,
    null_vectors,
    random_inputs,
    unit_rows,
    unreachable,
)

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


def drawn(seed: int, n: int = 5, d: int = 4) -> tuple[Inputs, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return random_inputs(n, d, rng), rng.standard_normal(n), rng


@few
@given(seeds, st.integers(1, 6), st.integers(1, 5))
def test_the_kernel_is_a_kernel(seed: int, n: int, d: int) -> None:
    inputs, _, _ = drawn(seed, n, d)
    assert np.allclose(np.diag(inputs.H), 0.5)
    assert np.allclose(inputs.H, inputs.H.T)
    assert 0 <= inputs.least <= inputs.largest <= width.inputs_norm(inputs) <= n + 1e-9
    assert inputs.largest >= 0.5 - 1e-12  # the mean of the diagonal


@few
@given(seeds, st.floats(1e-9, np.pi - 1e-9))
def test_a_pair_at_an_angle(seed: int, angle: float) -> None:
    first, _, _ = drawn(seed, 2, 3)
    pair = Inputs(near(angle, first).X[[0, 2]])
    assert pair.angles[0, 1] == pytest.approx(angle, rel=1e-9, abs=1e-15)
    exact = mpmath.cos(mpmath.mpf(angle)) * (mpmath.pi - angle) / (2 * mpmath.pi)
    assert pair.H[0, 1] == pytest.approx(float(exact), abs=1e-12)


@given(st.floats(0, np.pi / 2))
def test_the_least_eigenvalue_of_a_pair(angle: float) -> None:
    with mpmath.workdps(700):
        exact = mpmath.mpf(1) / 2 - mpmath.cos(angle) * (mpmath.pi - angle) / (2 * mpmath.pi)
    assert float(least_of_a_pair(angle)) == pytest.approx(float(exact), rel=1e-10, abs=1e-300)


@given(st.floats(1e-300, 1e300), seeds)
def test_rows_of_any_size_are_scaled(size: float, seed: int) -> None:
    inputs, _, _ = drawn(seed)
    assert np.allclose(unit_rows(size * inputs.X).X, inputs.X, atol=1e-12)


@few
@given(seeds, st.integers(1, 5), st.integers(1, 3), st.integers(0, 3))
def test_null_vectors_are_those_of_the_kernel(seed: int, pairs: int, d: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((pairs, d + 1))
    X = np.vstack([x, -x, rng.standard_normal((1, d + 1)), x[:1].repeat(copies, 0)])
    inputs = unit_rows(X[rng.permutation(len(X))])
    vectors = null_vectors(inputs)
    assert np.allclose(vectors.T @ vectors, np.eye(vectors.shape[1]))
    assert np.allclose(inputs.H @ vectors, 0, atol=1e-12)
    assert np.allclose(width.kernel(inputs, rng.standard_normal((7, d + 1))) @ vectors, 0, atol=1e-12)
    assert vectors.shape[1] == copies + max(0, pairs - d - 1)
    y = rng.standard_normal(inputs.n)
    assert 0 <= unreachable(inputs, y) <= y @ y + 1e-12
    assert unreachable(inputs, vectors @ vectors.T @ y) == pytest.approx(float(unreachable(inputs, y)), abs=1e-12)


@few
@given(seeds, st.floats(0.01, 3), st.integers(0, 6))
def test_lazy_steps_add_up(seed: int, eta: float, k: int) -> None:
    inputs, r, _ = drawn(seed)
    after = lazy.residual(inputs, eta, r, k)
    assert np.allclose(lazy.residual(inputs, eta, after, 2), lazy.residual(inputs, eta, r, k + 2))
    c = lazy.coefficients(inputs, eta, r, np.array([0, k]))
    assert np.allclose(c[0], 0)
    assert np.allclose(inputs.H @ c[1], r - after)
    assert lazy.squared_movement(inputs, eta, r, k) == pytest.approx(float(c[1] @ inputs.H @ c[1]), abs=1e-10)
    assert np.array_equal(inputs.vector("r", r), r)


@few
@given(seeds, st.integers(1, 50))
def test_moves_of_neurons_add_up_to_that_of_all(seed: int, m: int) -> None:
    inputs, c, rng = drawn(seed)
    W = rng.standard_normal((m, inputs.d))
    of_all = np.square(lazy.moves(inputs, W, c)).sum()
    assert of_all == pytest.approx(float(c @ width.kernel(inputs, W) @ c), rel=1e-9)
    bound = lazy.movement_bound(inputs.n, 0.25, m, float(np.linalg.norm(c)))  # sqrt(n) |c| / sqrt(m) and more
    assert (lazy.moves(inputs, W, c) <= bound).all()


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(0, 1000))
def test_the_two_bounds_of_the_loss(least: float, eta: float, k: int) -> None:
    discrete = float(lazy.loss_factor(least, eta, k))
    assert 0 <= discrete <= float(lazy.flow_factor(least / 2, eta * k)) * (1 + 1e-9) <= 1 + 1e-9
    assert lazy.flow_factor(least, np.inf) == 0
    assert lazy.loss_factor(least, eta, 0) == 1


@few
@given(seeds)
def test_beyond_the_longest_step_the_bound_is_broken(seed: int) -> None:
    inputs, _, _ = drawn(seed)
    for share, keeps in ((0.999, True), (1.001, False)):
        eta = share * lazy.longest_step(inputs)
        factors = (1 - eta * inputs.eigenvalues) ** 2
        assert bool((factors <= lazy.loss_factor(inputs.least, eta, 1)).all()) == keeps
    assert lazy.printed_step(inputs) < lazy.longest_step(inputs)


@few
@given(seeds)
def test_one_neuron_shows_the_moments_of_all(seed: int) -> None:
    inputs, r, rng = drawn(seed, 3, 2)
    h = width.kernel(inputs, rng.standard_normal((40_000, 1, 2))) - inputs.H
    squares = np.square(h).sum((1, 2))
    assert squares.mean() == pytest.approx(float(width.squared_deviation(inputs, 1)), abs=6 * squares.std() / 200)
    steps = np.square(h @ r).sum(1)
    assert steps.mean() == pytest.approx(width.squared_step(inputs, r), abs=6 * steps.std() / 200 + 1e-12)
    assert width.squared_deviation(inputs, 1e300) < 1e-299


@few
@given(seeds)
def test_the_covariance_of_the_outputs(seed: int) -> None:
    inputs, y, _ = drawn(seed)
    C = width.covariance_at_start(inputs)
    assert np.linalg.eigvalsh(C)[0] > -1e-12
    # Euler: relu is w times its derivative, so that C - H is the kernel of what is orthogonal to either input.
    assert np.allclose(C - inputs.H, np.sin(inputs.angles) / (2 * np.pi))
    assert width.squared_residual_at_start(y) == pytest.approx(y @ y + np.trace(C))


@given(st.integers(1, 1000), st.floats(1e-3, 0.5), st.floats(0.01, 0.9))
def test_widths_of_the_paper(n: int, least: float, delta: float) -> None:
    assert width.theorem_width(n, least, delta) == pytest.approx(n**6 / least**4 / delta**3)
    assert width.lemma_width(n, least, delta) == pytest.approx(n**2 / least**2 * np.log(n / delta))
    assert width.perturbation_radius(n, least, delta) == pytest.approx(0.15666 * delta * least / n**2, rel=1e-4)
    assert width.theorem_width(n, least, delta / 2) == pytest.approx(8 * width.theorem_width(n, least, delta))


@few
@given(seeds, st.floats(0.01, 0.9))
def test_widths_of_these_inputs(seed: int, delta: float) -> None:
    inputs, _, _ = drawn(seed)
    assert width.markov_width(inputs, delta) == pytest.approx(
        float(width.squared_deviation(inputs, (inputs.least / 4) ** 2 * delta))
    )
    assert width.markov_width(inputs, delta, share=0.5) == pytest.approx(width.markov_width(inputs, delta) / 4)
    assert 0 < width.hoeffding_width(inputs, delta) <= width.hoeffding_width(inputs, delta / 2)
    assert 0 < width.chernoff_width(inputs, delta) <= width.chernoff_width(inputs, delta / 2)


@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0.05, 1.0))
def test_one_input_crosses_in_closed_form(seed: int, eta: float) -> None:
    """Of the active neurons half are pushed down by |c|, and those that started less above the plane cross it."""
    inputs, r, rng = drawn(seed, 1, 3)
    found = corrections.crossings(inputs, eta, r, 5, rng, 20_000)
    c = lazy.coefficients(inputs, eta, r, np.arange(6))[:, 0]
    assert np.allclose(found.share, np.abs(c) / 2 / np.sqrt(2 * np.pi), rtol=0.02)
    assert np.allclose(found.bias[0], 0)
    drop = corrections.worst_drop(inputs, np.ones(1), rng, 10)
    assert drop == pytest.approx(1 / np.sqrt(2 * np.pi))


@few
@given(st.floats(0.1, 3.9), st.floats(1e-9, 1e-4))
def test_small_residuals_of_one_input_are_lazy(eta: float, start: float) -> None:
    course = catapult.one_input(eta, start, 5)
    assert np.allclose(course.residual, start * (1 - eta / 2) ** np.arange(6), rtol=1e-2)
    assert course.eigenvalue[0] == 0.5
    assert (np.diff(course.eigenvalue) <= 0).all()


@given(st.floats(4.5, 1e6), st.floats(1e-3, 1e3))
@settings(max_examples=25, deadline=None)
def test_long_steps_end_where_they_are_stable(eta: float, start: float) -> None:
    course = catapult.one_input(eta, start, 400)
    assert np.isfinite(course.residual).all()
    assert eta * course.eigenvalue[-1] <= 2 + 1e-6


def test_just_beyond_the_edge_the_residual_changes_sign_for_ever() -> None:
    course = catapult.one_input(4.1, 0.01, 2000)
    assert 4.1 * course.eigenvalue[-1] == pytest.approx(2, abs=1e-9)
    assert course.residual[-1] == pytest.approx(-course.residual[-2], rel=1e-6)
    assert abs(course.residual[-1]) > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Inputs(np.ones((2, 2))), r"\|X\[0\]\| = 1.4142135623730951: expected an input of length 1"),
        (lambda: unit_rows(np.zeros((1, 2))), r"Z\[0\] = 0: expected rows that are not 0"),
        (lambda: lazy.loss_factor(0.5, 5.0, 1), "learning_rate = 5.0: expected at most 2 / lambda_0 = 4"),
        (lambda: lazy.residual(drawn(0)[0], 0.1, np.ones(5), -1), "k = -1: expected whole numbers of steps"),
        (lambda: lazy.residual(drawn(0)[0], 0.1, np.ones(4), 1), r"start.shape = \(4,\): expected \(5,\)"),
        (lambda: width.kernel(drawn(0)[0], np.ones((3, 2))), r"W.shape = \(3, 2\): expected \(..., m, 4\)"),
        (
            lambda: width.chernoff_width(unit_rows(np.ones((2, 2))), 0.1),
            "inputs = lambda_0 = .*: expected inputs whose",
        ),
        (lambda: near(0.1, unit_rows(np.ones((2, 2)))), "others.X = a first and second row on one line: expected"),
    ],
)
def test_what_is_refused(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
