"""Weight manifolds: semigroup, limits, shapes and errors; the formulas themselves are the claims' business."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.manifolds import brockett, curvature, noise, norms, oblique, rank_one, rayleigh, schedules, steps
from theory.manifolds.brockett import Brockett
from theory.manifolds.rank_one import RankOne
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule

RNG = np.random.default_rng(0)
A = np.diag([2.0, 1.2, 0.5, -1.0])
M = RNG.standard_normal((4, 3))
T = RNG.standard_normal((4, 3))


def unit(x: Array, axis: int = -1) -> Array:
    return x / np.linalg.norm(x, axis=axis, keepdims=True)


X, U, V, W = (unit(RNG.standard_normal(shape)) for shape in ((5, 4), (5, 4), (5, 3), (5, 3, 4)))
W = W.mT


def sphere_at(start: Array, t: Array) -> Array:
    return rayleigh.solution(Rayleigh(A), start, t)


def product_at(start: Array, t: Array) -> Array:
    return np.concatenate(rank_one.solution(RankOne(M), start[..., :4], start[..., 4:], t), axis=-1)


def columns_at(start: Array, t: Array) -> Array:
    return oblique.turned(T, start, oblique.angle_flow(T, oblique.angles(T, start), t))


FLOWS = [(sphere_at, X), (product_at, np.concatenate([U, V], axis=-1)), (columns_at, W)]
NAMES = ["Rayleigh", "rank one", "oblique"]


@pytest.mark.parametrize(("flow", "start"), FLOWS, ids=NAMES)
def test_flows_compose_and_have_both_ends(flow: Callable[[Array, Array], Array], start: Array) -> None:
    at = flow(start, np.array([0.0, 0.7, 1.9, 200.0, np.inf]))
    assert at.shape == (5, *start.shape)
    assert at[0] == pytest.approx(start)
    assert flow(at[1], np.array([1.2]))[0] == pytest.approx(at[2])
    assert at[3] == pytest.approx(at[4], abs=1e-9)


def test_limits_are_optima() -> None:
    assert abs(sphere_at(X, np.array([np.inf])) @ Rayleigh(A).optimum) == pytest.approx(1)
    z = product_at(np.concatenate([U, V], axis=-1), np.array([np.inf]))[0]
    assert abs(z @ rank_one.optimum(RankOne(M))) == pytest.approx(2)
    assert columns_at(W, np.array([np.inf]))[0] == pytest.approx(np.broadcast_to(oblique.optimum(T), W.shape))


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
def test_modes_are_orthonormal_and_tangent(shape: tuple[int, int]) -> None:
    problem = RankOne(RNG.standard_normal(shape))
    modes = rank_one.modes(problem)
    assert modes.shape == (sum(shape) - 2, sum(shape))
    assert len(rank_one.rates(problem)) == len(modes)
    assert modes @ modes.T == pytest.approx(np.eye(len(modes)))
    assert modes[:, : shape[0]] @ rank_one.optimum(problem)[: shape[0]] == pytest.approx(0, abs=1e-12)


def test_brockett_is_at_rest_at_its_optimum() -> None:
    problem = Brockett(np.array([3.0, 2.0, 1.0]), np.array([2.0, 1.0]))
    assert brockett.velocity(problem, np.stack([problem.optimum] * 2)) == pytest.approx(0)
    modes = brockett.modes(problem).reshape(len(brockett.rates(problem)), -1)
    assert modes @ modes.T == pytest.approx(np.eye(len(modes)))


def test_a_single_eigenvalue_has_no_modes() -> None:
    problem = Rayleigh(np.array([[3.0]]))
    assert problem.modes.shape == (1, 0)
    assert problem.rates.shape == (0,)


@given(st.integers(1, 6), st.integers(0, 5), st.sampled_from(norms.MANIFOLDS))
def test_ranges_are_ranges(B: int, more: int, manifold: norms.Manifold) -> None:
    ends = norms.ranges(manifold, B + more, B)
    assert set(ends) == set(norms.NORMS)
    assert all(0 < low <= high * (1 + 1e-12) for low, high in ends.values())
    assert norms.scale(manifold, B + more, B) <= norms.scale(manifold, B + more, B, ("Frobenius",))


@given(st.integers(0, 1000))
def test_small_gradients_have_no_normaliser(seed: int) -> None:
    R = np.random.default_rng(seed).uniform(0, 0.1, (2, 3))
    assert np.array_equal(steps.normaliser(R, 1.0, 1.0), np.ones((2, 3)))
    assert steps.normaliser(0.0, 1.0, 1.0) == 1


def test_zeta_without_curvature_or_distance_is_one() -> None:
    rho = np.array([0.0, 0.5, 3.0])
    assert steps.zeta(0.0, rho) == pytest.approx(1)
    assert steps.zeta(1.0, rho)[0] == pytest.approx(1)


def test_curvature_of_a_plane_does_not_depend_on_its_basis() -> None:
    S, R = (np.triu(RNG.standard_normal((3, 3)), 1) for _ in range(2))
    S, R = S - S.T, R - R.T
    for formula in (curvature.stiefel, curvature.oblique, curvature.rotations):
        assert formula(S + 2 * R, R - S) == pytest.approx(formula(S, R))


@pytest.mark.parametrize("q", [0, 1, 2])
def test_what_remains_composes(q: int) -> None:
    D, t = 0.4, np.array([0.0, 3.0, 8.0])
    left = schedules.remaining(Schedule(0.5, 1.5, q), D, t)
    by_hand = np.cumprod([1.0, *(1 - D * Schedule(0.5, 1.5, q)(np.arange(8.0)))])
    assert left == pytest.approx(by_hand[[0, 3, 8]])
    limit = schedules.remaining(Schedule(0.5, 1.5, q), D, np.array([1e7, np.inf]))
    assert limit[1] == pytest.approx(limit[0], abs=0.05)
    assert (limit[1] > 0) == (q == 2)
    assert schedules.remaining(Schedule(0.5, 1.5, q), D, np.inf) == limit[1]


def test_moments_without_noise_are_squares_of_what_remains() -> None:
    schedule = Schedule(0.5, 1.5, 1)
    moments = noise.second_moments(schedule, 0.4, 0.0, 2.0, 8)
    assert moments == pytest.approx(2 * schedules.remaining(schedule, 0.4, np.arange(9.0)) ** 2)


def test_the_cycle_begins_at_the_optimum() -> None:
    assert rayleigh.cycle_angle(2 + 1e-6) == pytest.approx(0, abs=1e-3)
    theta = rayleigh.cycle_angle(2.5)
    assert rayleigh.circle_angles(np.array([theta]), 2.5, np.ones(1))[-1] == pytest.approx(-theta)


ERRORS: list[tuple[Callable[[], object], str]] = [
    (lambda: norms.ranges("sphere", 2, 3), "A, B = (2, 3)"),
    (lambda: norms.ranges("sphere", 2, 0), "B = 0"),
    (lambda: norms.extreme_points("sphere", 6, 3), "a power of 2"),
    (lambda: curvature.curvature_range("sphere", 2, 1), "two dimensions"),
    (lambda: steps.largest_step(-1.0, 1.0), "rho = -1"),
    (lambda: steps.zeta(-1.0, np.ones(1)), "k = -1"),
    (lambda: Schedule(0.0), "c = 0"),
    (lambda: Schedule(1.0, q=-1.0), "q = -1"),
    (lambda: schedules.remaining(Schedule(1.0, 1.0, 0.7), 0.5, 3.0), "q = 0.7"),
    (lambda: noise.stationary(2.0, 1.0, 1.0), "g D = 2"),
    (lambda: noise.harmonic(0.5, 1.0, 1.0, np.ones(1)), "2 c D - 1 = 0"),
    (lambda: Rayleigh(np.array([[1.0, 2.0], [0.0, 1.0]])), "symmetric"),
    (lambda: Rayleigh(np.eye(2)), "gap"),
    (lambda: RankOne(np.eye(2)), "gap"),
    (lambda: Brockett(np.array([1.0, 2.0]), np.array([1.0])), "l = "),
    (lambda: Brockett(np.array([2.0, 1.0]), np.array([1.0, -1.0])), "m = "),
    (lambda: rayleigh.pull(np.array([2.0]), 1.0), "theta"),
    (lambda: rayleigh.cycle_angle(2.0), "g D = 2"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        call()
    assert message in str(caught.value)
