"""The edges of flows and steps on rotations: half turns, equal and vanishing singular values, no rotation at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.orthogonal import (
    cayley,
    decay,
    discrete,
    double_bracket,
    landscape,
    maps,
    preserving,
    procrustes,
    two_sided,
)
from theory.orthogonal.procrustes import Component, LinearOPT, random_problem
from theory.orthogonal.rotations import plane_rotation, random_rotation
from theory.orthogonal.two_sided import TwoSided, alignment

few = settings(deadline=None, max_examples=30)
seeds = st.integers(0, 1000)
angles = st.sampled_from([0.0, 1e-12, 0.3, 1.5, np.pi / 2, 2.5, np.pi - 1e-9, np.pi, 4.0, -np.pi, -2.5, 7.0])
rates = st.sampled_from([0.0, 0.5, 1.5])
times = st.sampled_from([0.0, 1e-9, 0.7, 50.0, 1e300, np.inf])


def at(rate: tuple[float, float], alpha: Array, beta: Array, t: float) -> Array:
    return np.array(two_sided.plane_solution(np.array(rate), np.asarray(alpha), np.asarray(beta), t))


@few
@given(angles, angles, rates, rates, times, times)
def test_planes_turn_continuously_from_any_angle(
    alpha: float, beta: float, slow: float, fast: float, first: float, second: float
) -> None:
    assert at((slow, fast), alpha, beta, 0.0) == pytest.approx(np.array([alpha, beta]), abs=1e-14)
    between = at((slow, fast), alpha, beta, first)
    unstable = np.abs(np.cos((alpha + np.array([beta, -beta])) / 2)).min() < 1e-8
    if not unstable:
        assert at((slow, fast), *between, second) == pytest.approx(at((slow, fast), alpha, beta, first + second))


def test_where_planes_end() -> None:
    assert at((0.5, 1.5), 2.5, 1.5, 0.0) == pytest.approx([2.5, 1.5])
    # alpha + beta = 4 turns on to 2 pi, alpha - beta = 1 back to 0; both rotations share the sign.
    assert at((0.5, 1.5), 2.5, 1.5, np.inf) == pytest.approx([np.pi, np.pi])
    assert at((0.0, 1.5), 2.5, 1.5, np.inf) == pytest.approx([2, 2])
    for t in (0.0, 3.0, np.inf):
        assert at((0.5, 1.5), np.pi / 2, np.pi / 2, t) == pytest.approx([np.pi / 2, np.pi / 2])
        assert at((0.5, 1.5), 1.1, 1.1 - np.pi, t)[0] - at((0.5, 1.5), 1.1, 1.1 - np.pi, t)[1] == pytest.approx(np.pi)


@few
@given(seeds, st.sampled_from([1e-6, 1.0, 1e6]))
def test_equal_singular_values_are_flat_in_any_basis(seed: int, scale: float) -> None:
    U, V, C, D = random_rotation(np.random.default_rng(seed), 3, 4)
    aligned = alignment(TwoSided(scale * (U * [2.0, 1.0, 1.0]) @ V.T, C * [3.0, 3.0, 1.0] @ D.T))
    assert aligned.rates[0].tolist()[0] == aligned.rates[0].tolist()[2] == 0
    assert aligned.rates / scale == pytest.approx(np.array([[0, 1, 0], [9, 6, 4]]))
    nothing = alignment(TwoSided(np.zeros((3, 3)), C))
    assert (nothing.rates == 0).all() and nothing.optimal_loss == pytest.approx(1.5)


@few
@given(angles, st.floats(-3, 3), times)
def test_a_plane_under_the_exponential_map_rests_at_half_a_turn(away: float, phi: float, t: float) -> None:
    plane = cayley.Plane(0.7)
    end = float(cayley.exponential_solution(plane, phi, phi + away, t))
    if abs(abs(away) - np.pi) < 1e-15 or t == 0:
        assert end == pytest.approx(phi + away, abs=1e-14)
    elif t > 1e3:
        assert end == pytest.approx(phi + 2 * np.pi * round(away / (2 * np.pi)), abs=1e-12)


def test_clocks_of_half_turns() -> None:
    plane = cayley.Plane(1.4)
    assert cayley.half_turn_time(plane, 0.5, np.inf) == np.inf
    assert np.isinf(cayley.half_turn_asymptote(plane, 0.0)) and cayley.half_turn_asymptote(plane, np.inf) == 0
    late = cayley.half_turn_solution(plane, np.array([1e-300, 1e-5, 1e50]), np.array([0.0, 1e250]))
    assert late[0] == pytest.approx([1e-300, 1e-5, 1e50], rel=1e-12)
    assert late[1] == pytest.approx([(16 * 1.4 * 1e250) ** 0.25] * 3, rel=1e-12)
    assert cayley.half_turn_solution(plane, 1.0, 1e306) == pytest.approx((16 * 1.4) ** 0.25 * 1e76 * 10**0.5, rel=1e-12)
    for call in (
        lambda: cayley.half_turn_time(plane, 0.5, 0.0),
        lambda: cayley.half_turn_time(plane, np.inf, np.inf),
        lambda: cayley.half_turn_solution(plane, np.array([1.0, np.nan]), 1.0),
        lambda: cayley.half_turn_asymptote(plane, -1.0),
    ):
        with pytest.raises(InvalidArgument):
            call()


def test_half_turns_rest_under_steps() -> None:
    theta = np.array([0.0, np.pi, -np.pi, 2 * np.pi])
    assert (discrete.plane_angles(theta, 0.9, 200) == theta).all()
    assert abs(discrete.plane_angles(np.array(np.pi - 1e-12), 0.9, 200)[-1]) < 1e-6


@pytest.mark.parametrize("excess", [1e-15, 1e-9, 1.0, 1e200])
def test_the_cycle_near_its_birth_and_far_from_it(excess: float) -> None:
    h = 1 + excess
    expected = np.sqrt(2 * (h - 1)) if excess < 1e-8 else np.arccos(1 / h)
    assert discrete.cycle_angle(h) == pytest.approx(expected, rel=1e-8)
    assert discrete.cycle_contraction(h) == pytest.approx(1 - 2 / h / h)
    with pytest.raises(InvalidArgument, match="h = 1"):
        discrete.cycle_contraction(1.0)


PROBLEM = random_problem(np.random.default_rng(3), np.array([2.0, 1.2, 0.5]), N=4, n=5)


@pytest.mark.parametrize("R", [2 * np.eye(3), np.zeros((3, 3)), np.triu(np.ones((3, 3))), np.full((3, 3), np.nan)])
def test_what_is_no_rotation_is_refused(R: Array) -> None:
    with pytest.raises(InvalidArgument, match="orthogonal"):
        procrustes.solution(PROBLEM, R[None], 1.0)
    with pytest.raises(InvalidArgument, match="orthogonal"):
        procrustes.coordinates(procrustes.component(PROBLEM, np.eye(3)[None]), R[None])


def test_nothing_taught_nothing_learned() -> None:
    problem = LinearOPT(np.eye(3), np.zeros((3, 3)), np.eye(3))
    R = random_rotation(np.random.default_rng(0), 3)[0]
    assert procrustes.solution(problem, R, np.array([0.0, np.inf])) == pytest.approx(np.stack([R, R]))
    chart = procrustes.component(problem, R)
    assert discrete.largest_learning_rate(chart) == np.inf
    one = LinearOPT(np.eye(1), np.eye(1), np.eye(1))
    assert procrustes.solution(one, np.eye(1), np.inf) == pytest.approx(np.eye(1))
    with pytest.raises(InvalidArgument, match="d = 1"):
        procrustes.slowest_rate(procrustes.component(one, np.eye(1)))


@few
@given(seeds, st.sampled_from([1e-1, 1e-3, 1e-6]))
def test_small_turns_beside_a_nearly_half_one(seed: int, gap: float) -> None:
    Q = random_rotation(np.random.default_rng(seed), 4)[0]
    turn = plane_rotation(4, (0, 1), np.pi - gap) @ plane_rotation(4, (2, 3), 1e-3)
    R, problem = Q @ turn @ Q.T, LinearOPT(np.eye(4), np.diag([4.0, 3.0, 2.0, 1.0]), np.eye(4))
    chart = procrustes.component(problem, R)
    A = procrustes.coordinates(chart, R)
    assert procrustes.solution(problem, R, 0.0) == pytest.approx(R, abs=1e-14 / gap)
    assert procrustes.distance(A) == pytest.approx(np.linalg.norm(R - chart.optimum), rel=1e-15 / gap)
    height = procrustes.loss(problem, R) - procrustes.optimal_loss(problem, chart)
    assert procrustes.excess_loss(chart, A) == pytest.approx(height, rel=1e-14 / gap)


def test_a_half_turn_is_refused_and_late_times_of_the_riccati_form() -> None:
    with pytest.raises(InvalidArgument, match="no rotation by pi"):
        procrustes.solution(LinearOPT(np.eye(2), np.eye(2), np.eye(2)), -np.eye(2), 1.0)
    Q, turn = random_rotation(np.random.default_rng(0), 4)[0], plane_rotation(4, (0, 1), np.pi - 1e-11)
    R = Q @ turn @ plane_rotation(4, (2, 3), 1e-3) @ Q.T
    with pytest.raises(InvalidArgument, match="nearly pi"):
        procrustes.solution(LinearOPT(np.eye(4), np.diag([4.0, 3.0, 2.0, 1.0]), np.eye(4)), R, 0.0)
    with pytest.raises(InvalidArgument, match="max s t / 2"):
        procrustes.riccati_solution(np.array([2.0, 1.0]), np.eye(2), 1e3)


@few
@given(seeds, st.sampled_from([0.0, 1e-9, 1e-3]))
def test_small_gaps_of_expressivity(seed: int, off: float) -> None:
    rng = np.random.default_rng(seed)
    W0 = rng.standard_normal((3, 5))
    R = random_rotation(rng, 3)[0]
    gap, other = procrustes.expressivity_gap(W0, (1 + off) * R @ W0)
    assert gap == pytest.approx((off * np.linalg.norm(W0)) ** 2 / 2, rel=1e-5, abs=1e-26)
    assert other > gap


@pytest.mark.parametrize("wrong", [{"N": 2}, {"n": 2}, {"inputs": np.array([1.0, 0.0, 1.0])}, {"neurons": 0.0}])
def test_problems_that_cannot_have_their_singular_values(wrong: dict) -> None:
    with pytest.raises(InvalidArgument):
        random_problem(np.random.default_rng(0), np.ones(3), **({"N": 3, "n": 3} | wrong))


@pytest.mark.parametrize("of", [landscape.critical_points, landscape.index, landscape.spectrum, landscape.excess_loss])
def test_a_batch_of_one_run_is_refused(of) -> None:
    with pytest.raises(InvalidArgument, match="one problem"):
        of(Component(np.eye(3)[None], np.array([[3.0, 2.0, 1.0]]), np.eye(3)[None]))


def test_landscapes_that_cannot_be_listed() -> None:
    with pytest.raises(InvalidArgument, match="distinct"):
        landscape.index(Component(np.eye(3), np.array([2.0, 1.0, -1.0]), np.eye(3)))
    with pytest.raises(InvalidArgument, match="d = 21"):
        landscape.signs(21)
    assert landscape.poincare_polynomial(63).sum() == 2**62
    assert landscape.poincare_polynomial(1).tolist() == [1]
    for d in (0, 64):
        with pytest.raises(InvalidArgument, match=f"d = {d}"):
            landscape.poincare_polynomial(d)


@pytest.mark.parametrize(
    "image", [maps.gram_schmidt, maps.householder, maps.polar, lambda P: maps.polar_differential(P, P)]
)
@pytest.mark.parametrize("length", [1e-100, 1.0, 1e100])
def test_singular_matrices_have_no_one_image(image, length: float) -> None:
    P = np.random.default_rng(0).standard_normal((2, 3, 3))
    assert image(length * P) == pytest.approx(image(P), abs=1e-12)
    P[1, 2] = P[1, 0] - 2 * P[1, 1]
    for singular in (length * P, 0 * P):
        with pytest.raises(InvalidArgument, match="singular"):
            image(singular)


def test_ends_of_maps_and_steps() -> None:
    A = 1e200 * np.array([[0.0, -1.0], [1.0, 0.0]])
    assert maps.nearest_to_reflection(A) == pytest.approx(2e-200)
    assert (preserving.direction(np.eye(2), np.eye(2), 0.1) == 0).all()


@few
@given(seeds)
def test_equal_inputs_leave_a_frame_where_it_is(seed: int) -> None:
    Q, W = random_rotation(np.random.default_rng(seed), 3, 2)
    Sigma, W = Q * [2.0, 1.0, 1.0] @ Q.T, W[:, :1]
    H = double_bracket.frame_solution(Sigma, W, 1.0, np.array([0.0, np.inf]))
    assert (double_bracket.rates(Sigma, W @ W.T)[[0, 2]] == 0).all()
    least = W - Q[:, :1] * (Q[:, :1].T @ W)
    assert H[0] == pytest.approx(W @ W.T)
    assert H[1] == pytest.approx(least @ least.T / (least.T @ least), abs=1e-9)


@few
@given(seeds, st.integers(1, 3), st.sampled_from([1e-6, 1.0, 1e6]))
def test_white_inputs_leave_every_frame_where_it_is(seed: int, N: int, scale: float) -> None:
    W = random_rotation(np.random.default_rng(seed), 4)[0][:, :N]
    for frame in (W, np.eye(4)[:, 4 - N :]):
        H = double_bracket.frame_solution(scale * np.eye(4), frame, 1.0, np.array([0.0, 1.0, np.inf]))
        assert H == pytest.approx(np.stack([frame @ frame.T] * 3))


def test_a_frame_in_an_eigenspace_that_it_shares_with_others_rests() -> None:
    W = np.eye(4)[:, 3:]
    H = double_bracket.frame_solution(np.stack([np.diag([2.0, 2.0, 1.0, 1.0])] * 2), np.stack([W, W]), 1.0, np.inf)
    assert H == pytest.approx(np.stack([W @ W.T] * 2))
    with pytest.raises(InvalidArgument, match="least directions"):
        double_bracket.frame_solution(np.diag([1.0, 1.0, 1.0, 2.0]), W, 1.0, np.inf)


@pytest.mark.parametrize("a", [0.0, 1e-9, 0.8, 1e100, 1e200, np.inf])
def test_losses_of_half_turns_at_any_parameter(a: float) -> None:
    assert cayley.half_turn_loss(cayley.Plane(1.4, 0.5), a) == pytest.approx(2.8 / (1 + (a / 2) * (a / 2)))
    assert cayley.half_turn_loss(cayley.Plane(1e250, 1.0), 1e200) == pytest.approx(2e-150)


def test_late_half_turns_where_m_over_t_is_no_float() -> None:
    assert cayley.half_turn_asymptote(cayley.Plane(1e200, 0.5), 1e-200) == pytest.approx(1e200)


def test_lengths_whose_squares_are_no_floats() -> None:
    P = 1e200 * np.array([[3.0, 1.0], [4.0, 2.0]])
    assert maps.distance_to_orthogonal(1e200 * np.diag([3.0, 4.0])) == pytest.approx(5e200)
    assert maps.gram_schmidt(P) == pytest.approx(maps.gram_schmidt(P / 1e200))
    dependent = 1e-200 * np.array([[1.0, 2.0], [0.3, 0.6]])
    with pytest.raises(InvalidArgument, match="singular"):
        maps.gram_schmidt(dependent)


def test_half_turns_rest_after_any_number_of_turns() -> None:
    for turns in (0, 3, -7, 10**6, 10**12):
        angle = np.asarray(np.pi * (2 * turns + 1))
        assert decay.turned_back(angle, np.asarray(0.5)) == angle
        aside = angle + 1e-3 + 1e-14 * np.abs(angle)
        assert decay.turned_back(aside, np.asarray(0.5)) > aside + 1e-4


def test_problems_are_white_and_tight_unless_told_otherwise() -> None:
    problem = random_problem(np.random.default_rng(0), np.array([2.0, 1.2, 0.5]), N=4, n=5)
    assert problem.Sigma == pytest.approx(np.eye(3)[None], abs=1e-12) == problem.Omega
    assert np.linalg.svd(problem.M, compute_uv=False) == pytest.approx(np.array([[2.0, 1.2, 0.5]]))
