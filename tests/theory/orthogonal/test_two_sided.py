"""Rotations on both sides: alignment, and the solution in a plane as a function of any input; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from theory.core.validation import InvalidArgument
from theory.orthogonal import two_sided
from theory.orthogonal.rotations import plane_rotation, random_rotation
from theory.orthogonal.two_sided import TwoSided, alignment

seeds = st.integers(0, 1000)
times = st.floats(0, 20)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_the_alignment_is_made_of_rotations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = TwoSided(rng.standard_normal((4, 4)), rng.standard_normal((4, 4)))
    aligned = alignment(problem)
    R2, R1 = aligned.optimum
    assert np.allclose([np.linalg.det(R2), np.linalg.det(R1)], 1)
    left = 0.5 * ((R2 @ problem.W0 @ R1.T - problem.T) ** 2).sum()
    assert left == pytest.approx(aligned.optimal_loss)
    assert (aligned.rates >= -1e-12).all()


@given(st.floats(0.1, 2), st.floats(0.1, 2), st.floats(-1.4, 1.4), st.floats(-1.4, 1.4), times, times)
def test_two_times_are_one_in_a_plane(
    slow: float, fast: float, alpha: float, beta: float, first: float, second: float
) -> None:
    rates, one = np.array([[slow], [fast]]), np.ones(1)
    between = two_sided.plane_solution(rates, alpha * one, beta * one, first)
    later = two_sided.plane_solution(rates, *between, second)
    together = two_sided.plane_solution(rates, alpha * one, beta * one, first + second)
    assert np.allclose(later, together, atol=1e-9)


def test_plane_angles_at_the_ends() -> None:
    rates, alpha, beta = np.array([[0.5], [1.0]]), np.array([0.3]), np.array([-0.7])
    start = two_sided.plane_solution(rates, alpha, beta, 0.0)
    assert np.allclose(start, [alpha, beta])
    assert np.allclose(two_sided.plane_solution(rates, alpha, beta, np.inf), 0)


def test_equal_singular_values_stay_where_they_are() -> None:
    flat = two_sided.plane_solution(np.array([0.0, 1.0]), np.array(0.5), np.array(0.1), np.inf)
    assert np.allclose(flat, 0.3)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_shapes_of_times_and_runs(shape: tuple[int, ...]) -> None:
    angles = np.array([0.3, 1.0, -0.2])
    for rates in (np.array([0.5, 1.0]), np.ones((2, 1)), np.ones((2, 3))):
        for angle in two_sided.plane_solution(rates, angles, -angles, np.ones(shape)):
            assert angle.shape == (*shape, 3)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 2)), ((3, 3), (2, 2)), ((3,), (3, 3))])
def test_two_sides_are_square(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(InvalidArgument, match="shape"):
        TwoSided(np.ones(shapes[0]), np.ones(shapes[1]))


S, TAU = np.array([1.9, 1.1, 0.4]), np.array([1.7, 0.8, 0.3])


def turned(S: np.ndarray, TAU: np.ndarray, seed: int = 0) -> TwoSided:
    U, V, C, D = random_rotation(np.random.default_rng(seed), len(S), 4)
    return TwoSided(U * S @ V.T, C * TAU @ D.T)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rates_are_half_the_hessian_at_the_optimum(sign: float) -> None:
    """Both rotations by exp(A) from the right of the optimum, in the metric |dR|^2 = 2 sum dA_ij^2."""
    problem = turned(S, TAU * np.array([1.0, 1.0, sign]))
    aligned = alignment(problem)
    R2, R1 = aligned.optimum
    basis = np.zeros((3, 3, 3))
    for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        basis[k, i, j], basis[k, j, i] = 1, -1

    def loss(x: np.ndarray) -> float:
        left, right = (linalg.expm(np.tensordot(half, basis, 1)) for half in (x[:3], x[3:]))
        return float(0.5 * ((R2 @ left @ problem.W0 @ right.T @ R1.T - problem.T) ** 2).sum())

    h, e = 1e-3, 1e-3 * np.eye(6)
    hessian = [[(loss(a + b) - loss(a - b) - loss(b - a) + loss(-a - b)) / (4 * h**2) for a in e] for b in e]
    assert np.sort(aligned.rates.ravel()) == pytest.approx(np.linalg.eigvalsh(hessian) / 2, abs=1e-5)
    assert aligned.optimal_loss == pytest.approx(loss(np.zeros(6)))
    assert aligned.rates.shape == (2, 3)
    i, j = np.triu_indices(3, 1)
    assert aligned.rates[0] == pytest.approx((S[i] - S[j]) * (aligned.tau[i] - aligned.tau[j]) / 2)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_alignment_is_made_of_the_matrices(sign: float) -> None:
    problem = turned(S, TAU * np.array([1.0, 1.0, sign]), seed=4)
    aligned = alignment(problem)
    assert aligned.U * aligned.s @ aligned.V.T == pytest.approx(problem.W0)
    assert aligned.C * aligned.tau @ aligned.D.T == pytest.approx(problem.T)
    assert aligned.s == pytest.approx(S)
    assert aligned.tau == pytest.approx(TAU * np.array([1.0, 1.0, sign]))


def test_no_rotations_are_better_than_the_optimum() -> None:
    problem = turned(S, TAU)
    left, right = random_rotation(np.random.default_rng(1), 3, 400).reshape(2, 200, 3, 3)
    losses = 0.5 * ((left @ problem.W0 @ right.mT - problem.T) ** 2).sum((-2, -1))
    assert losses.min() > alignment(problem).optimal_loss


@pytest.mark.parametrize("t", [0.0, 0.6])
def test_planes_descend_the_loss(t: float) -> None:
    s, tau = np.array([1.9, 0.7]), np.array([1.3, 0.4])
    rates = alignment(TwoSided(np.diag(s), np.diag(tau))).rates

    def loss(alpha: float, beta: float) -> float:
        W = plane_rotation(2, (0, 1), alpha) * s @ plane_rotation(2, (0, 1), beta).T
        return float(0.5 * ((W - np.diag(tau)) ** 2).sum())

    before, (alpha, beta), after = (
        np.ravel(two_sided.plane_solution(rates, np.array([0.9]), np.array([-0.4]), t + step))
        for step in (0.0, 1e-5, 2e-5)
    )
    h = 1e-5
    # |dR|^2 = 2 d alpha^2
    moved = [-(loss(alpha + h, beta) - loss(alpha - h, beta)) / (4 * h)]
    moved.append(-(loss(alpha, beta + h) - loss(alpha, beta - h)) / (4 * h))
    assert (after - before) / 2e-5 == pytest.approx(moved, rel=1e-5)
