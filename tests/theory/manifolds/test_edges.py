"""The edges of every domain: coincidences, poles, both ends of time, what is huge beside what is tiny."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.manifolds import curvature, noise, norms, oblique, rank_one, rayleigh, schedules, steps
from theory.manifolds.brockett import Brockett, modes, rates, velocity
from theory.manifolds.rank_one import RankOne
from theory.manifolds.rayleigh import Rayleigh
from theory.manifolds.schedules import Schedule
from theory.orthogonal.rotations import random_rotation

few = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 1000)
scales = st.sampled_from([1e-150, 1e-6, 1.0, 1e6, 1e150])


def rotation(seed: int, d: int) -> np.ndarray:
    return random_rotation(np.random.default_rng(seed), d)[0]


def left_by_gamma(c: float, a: float, q: int, h: float, t: float) -> float:
    with mpmath.workdps(60):
        r = [mpmath.mpf(c) * h] if q == 1 else [mpmath.sqrt(mpmath.mpf(c) * h), -mpmath.sqrt(mpmath.mpf(c) * h)]
        a, t = mpmath.mpf(a), mpmath.mpf(t)
        parts = [mpmath.gammaprod([t + a - x, a], [t + a, a - x]) for x in r]
        return float(mpmath.fprod(parts))


def test_steps_that_land_on_the_minimum_leave_nothing() -> None:
    assert schedules.remaining(Schedule(2.0), 2.0, np.arange(5.0)) == pytest.approx([1, -3, 3, -1, 0], abs=1e-14)
    assert schedules.remaining(Schedule(2.0), 2.0, np.inf) == 0
    assert schedules.remaining(Schedule(4.0, 1.0, 2), 1.0, np.arange(4.0)) == pytest.approx([1, -3, 0, 0], abs=1e-14)
    # binom(1999, t) on the way, beyond any float, before the step that lands
    assert schedules.remaining(Schedule(2000.0), 1.0, np.array([1.0, 1998.0, 1999.0, 2000.0, 1e9])) == pytest.approx(
        [-1999, 1999, -1, 0, 0], rel=1e-10
    )


@few
@given(
    st.sampled_from([0.3, 1.0, 2.5]),
    st.sampled_from([0.5, 1.0, 1.7]),
    st.sampled_from([1, 2]),
    st.sampled_from([1e-9, 0.5, 0.99999, 3.3, 40.1]),
    st.sampled_from([0.0, 1.0, 7.0, 17.0, 1000.0, 1e6, 1e12]),
)
def test_what_remains_is_a_quotient_of_gamma_functions(c: float, a: float, q: int, h: float, t: float) -> None:
    assert schedules.remaining(Schedule(c, a, q), h, t) == pytest.approx(left_by_gamma(c, a, q, h, t), rel=1e-11)


def test_late_steps_keep_their_digits() -> None:
    assert schedules.remaining(Schedule(1.0), 0.5, 1e12) == pytest.approx(5.641895835476950e-7, rel=1e-13)
    with mpmath.workdps(40):
        limit = float(1 / (mpmath.gamma(1 - mpmath.sqrt(mpmath.mpf(0.3))) * mpmath.gamma(1 + mpmath.sqrt(0.3))))
    assert schedules.remaining(Schedule(1.0, 1.0, 2), 0.3, np.array([1e300, np.inf])) == pytest.approx(
        [limit] * 2, rel=1e-13
    )


@pytest.mark.parametrize("q", [0, 1, 2])
def test_a_flat_direction_keeps_all(q: int) -> None:
    assert (schedules.remaining(Schedule(0.5, 1.5, q), 0.0, np.array([0.0, 9.0, np.inf])) == 1).all()


@pytest.mark.parametrize(
    ("schedule", "h", "t", "named"),
    [
        (Schedule(1.0, q=0), 2.0, np.inf, "c h = 2"),
        (Schedule(1.0), -1.0, 3.0, "h = -1"),
        (Schedule(1.0), np.nan, 3.0, "h = nan"),
        (Schedule(1.0), 1.0, 2.5, "t = 2.5"),
        (Schedule(1.0), 1e9, 2.0, "expected"),
    ],
)
def test_what_leaves_no_answer_is_refused(schedule: Schedule, h: float, t: float, named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        schedules.remaining(schedule, h, t)


def test_times_of_a_schedule() -> None:
    assert Schedule(2.0)(np.inf) == 0 and Schedule(2.0, q=0)(np.inf) == 2
    with pytest.raises(InvalidArgument, match="t = -1"):
        Schedule(2.0)(-1.0)


def test_noise_has_a_law_only_where_it_contracts() -> None:
    with pytest.raises(InvalidArgument, match="h = -0.5"):
        noise.stationary(-0.5, -0.5, 1.0)
    with pytest.raises(InvalidArgument, match="q = 2"):
        noise.harmonic(Schedule(2.0, q=2), 1.0, 1.0, np.array([9.0]))
    with pytest.raises(InvalidArgument, match="min t = 0"):
        noise.harmonic(Schedule(2.0), 1.0, 1.0, np.array([0.0]))
    assert noise.harmonic(Schedule(2.0), 1.0, 1.0, np.array([np.inf])) == 0


@few
@given(seeds, scales, st.sampled_from([0.0, 1.0, 40.0, 1e5, np.inf]))
def test_a_start_orthogonal_to_the_largest_eigenvector_finds_the_next(seed: int, scale: float, t: float) -> None:
    Q, x = rotation(seed, 4), np.array([0.0, 0.6, 0.0, -0.8])
    problem = Rayleigh(scale * (Q * [3.0, 2.0, 1.0, 1.0] @ Q.T))
    expected = np.array([0, 0.6, 0, -0.8 * np.exp(-t)]) / np.hypot(0.6, 0.8 * np.exp(-t))
    assert rayleigh.solution(problem, 1e3 * Q @ x, t / scale) == pytest.approx(Q @ expected, abs=1e-8)
    rests = Q @ np.array([0, 0, 0.6, 0.8])
    assert rayleigh.solution(problem, rests, t / scale) == pytest.approx(rests, abs=1e-8)


def test_a_start_nearly_orthogonal_is_not_taken_for_one() -> None:
    problem = Rayleigh(np.diag([1.0, 0.0]))
    assert rayleigh.solution(problem, np.array([1e-200, 1.0]), np.inf) == pytest.approx([1, 0])
    assert rayleigh.solution(problem, np.array([1e-20, 1.0]), np.log(1e20)) == pytest.approx([0.5**0.5] * 2)
    assert rayleigh.solution(problem, np.array([1e200, 1e200]), 0.0) == pytest.approx([0.5**0.5] * 2)
    with pytest.raises(InvalidArgument, match="vector = 0"):
        rayleigh.solution(problem, np.zeros(2), 1.0)


@pytest.mark.parametrize("equal", [2.0, 2.0 * (1 + 1e-15)])
def test_equal_eigenvalues_are_named_in_any_basis(equal: float) -> None:
    Q = rotation(1, 3)
    A = Q * [equal, 2.0, 1.0] @ Q.T
    with pytest.raises(InvalidArgument, match="gap"):
        Rayleigh((A + A.T) / 2)
    with pytest.raises(InvalidArgument, match="gap"):
        RankOne(A @ rotation(2, 3))


@few
@given(seeds, st.sampled_from([0.0, 2.0, 1e4, np.inf]))
def test_critical_points_of_the_product_of_spheres_rest(seed: int, t: float) -> None:
    U, V = rotation(seed, 4), rotation(seed + 1, 3)
    problem = RankOne(U[:, :3] * [2.0, 1.0, 0.0] @ V.T)
    for u, v in ((U[:, 0], -V[:, 0]), (U[:, 1], V[:, 1]), (U[:, 3], V[:, 2])):
        for found, rests in zip(rank_one.solution(problem, u, 7 * v, t), (u, v)):
            assert found == pytest.approx(rests, abs=1e-8)


def test_one_by_one() -> None:
    problem = RankOne(np.array([[-3.0]]))
    assert rank_one.rates(problem).shape == (0,) and rank_one.modes(problem).shape == (0, 2)
    # u = v = 1 is the worst of the four points, all critical
    assert np.ravel(rank_one.solution(problem, np.ones(1), np.ones(1), np.inf)) == pytest.approx([1, 1])
    with pytest.raises(InvalidArgument, match="gap"):
        RankOne(np.zeros((2, 3)))
    assert modes(Brockett(np.ones(1), np.ones(1))).shape == (0, 1, 1)
    assert rates(Brockett(np.ones(1), np.ones(1))).shape == (0,)


def test_saddles_on_the_circle_rest() -> None:
    g = np.full(60, 0.9)
    for path in (
        rayleigh.circle_angles(np.array([0.0, np.pi / 2]), 1.3, g),
        rayleigh.fine_grained_angles(np.array([0.0, np.pi / 2]), 1.3, g, 0.5, 1.0),
    ):
        assert (path == [0, np.pi / 2]).all()
    assert rayleigh.alignment(np.array([np.pi / 2]), 1.3) == 0


@pytest.mark.parametrize("excess", [1e-14, 1e-9, 1e-3, 1.0, 1e8, 1e17])
def test_the_cycle_near_its_birth_and_far_from_it(excess: float) -> None:
    strength = 2 + excess
    with mpmath.workdps(60):
        g = mpmath.mpf(strength)
        start = mpmath.sqrt(6 * (g - 2) / g) if excess < 1 else mpmath.pi * (1 - 2 / g)
        expected = float(mpmath.findroot(lambda x: g * mpmath.sin(x) - 2 * x, start)) / 2
    assert rayleigh.cycle_angle(strength) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("beta", "strength"), [(0.0, 0.3), (-0.1, 0.3), (np.nan, 0.3), (0.1, 0.0), (0.1, 1e-9)])
def test_what_never_leaves_a_saddle_is_refused(beta: float, strength: float) -> None:
    with pytest.raises(InvalidArgument):
        rayleigh.steps_to_leave(np.array([0.2, beta]), strength)


def test_steps_of_a_huge_gradient() -> None:
    assert steps.normaliser(1e120, 0.5, 1.0) == pytest.approx(1e240)
    assert steps.zeta(1e-300, np.array([1e300, 0.0, -1e-10])) == pytest.approx([1e150, 1, 1])


@pytest.mark.parametrize(
    ("rho", "c"), [(0.0, 0.0), (0.0, 1.0), (1e10, 1.0), (1e-10, 1e100), (1e100, 1e250), (3.0, 0.2)]
)
def test_the_cap_at_any_scale(rho: float, c: float) -> None:
    with mpmath.workdps(60):
        r, k = mpmath.mpf(rho), mpmath.mpf(c)
        first = 1 / (r + mpmath.sqrt(r**2 + 1))
        low, high = mpmath.mpf("1e-260"), mpmath.mpf(1)
        for _ in range(1100):
            middle = (low + high) / 2
            low, high = (middle, high) if middle**2 * (1 + k * (r + middle)) < 1 else (low, middle)
    assert steps.largest_step(rho, c) == pytest.approx(float(min(first, low)), rel=1e-13)


def test_columns_without_a_target_and_opposite_to_it_rest() -> None:
    T = np.array([[3e200, 0.0, 1.0], [4e200, 0.0, 0.0], [0.0, 0.0, 0.0]])
    W = np.array([[-0.6, 0.36, -1.0], [-0.8, 0.48, 1e-20], [0.0, 0.8, 0.0]])
    for t in (0.0, 1.0, np.inf):
        at = oblique.solution(T, W, t)
        assert at[:, :2] == pytest.approx(W[:, :2])
        assert at[:, 2] == pytest.approx([1, 0, 0] if t == np.inf else [-1, 0, 0], abs=1e-15)
    assert oblique.solution(T, np.where(T == 3e200, 0.6, np.where(T == 4e200, 0.8, W)), 2.0)[:2, 0] == pytest.approx(
        [0.6, 0.8]
    )
    with pytest.raises(InvalidArgument, match="column 1"):
        oblique.optimum(T)
    with pytest.raises(InvalidArgument, match="along its target"):
        oblique.turned(T[:, :1], -W[:, :1], np.ones(1))


@few
@given(seeds, st.sampled_from([1e-12, 1e-6, 1.0, np.pi - 1e-6]))
def test_nearly_aligned_columns_turn_in_their_plane(seed: int, phi: float) -> None:
    Q = rotation(seed, 3)
    T, W = 2 * Q[:, :1], np.cos(phi) * Q[:, :1] + np.sin(phi) * Q[:, 1:2]
    later = 2 * np.arctan(np.tan(phi / 2) * np.exp(-1.0))
    at = oblique.solution(T, W, 0.5)[:, 0]
    assert Q[:, 1] @ at == pytest.approx(np.sin(later), rel=1e-4, abs=1e-15)
    assert Q[:, 0] @ at == pytest.approx(np.cos(later), abs=1e-9)
    assert Q[:, 2] @ at == pytest.approx(0, abs=1e-3 * np.sin(later) + 1e-15)


@few
@given(seeds, scales, st.sampled_from([1.0, 1e-5, 1e-9]))
def test_a_curvature_is_one_of_the_plane(seed: int, scale: float, apart: float) -> None:
    S, R = (M - M.T for M in np.random.default_rng(seed).standard_normal((2, 4, 4)))
    for formula in (curvature.stiefel, curvature.oblique, curvature.rotations):
        assert formula(scale * S, S + apart * R) == pytest.approx(formula(S, R), abs=1e-14 / apart)
        with pytest.raises(InvalidArgument, match="parallel"):
            formula(S, 3 * S)


def test_a_thin_parallelogram() -> None:
    X, Y = np.array([[1.0], [0.0]]), np.array([[1.0], [1e-12]])
    assert curvature.gram(X, Y) == pytest.approx(1e-24, rel=1e-12)
    assert curvature.gram(X, X) == 0 and curvature.gram(0 * X, X) == 0


def test_sizes_of_no_manifold_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="A >= B"):
        curvature.curvature_range("Stiefel", 3, 4)
    with pytest.raises(InvalidArgument, match="dimension"):
        curvature.injectivity_radius("oblique", 1, 1)
    with pytest.raises(InvalidArgument, match="side = 2"):
        norms.convolution_norm(np.ones((1, 1, 3, 2)), 2)
    assert norms.extreme_points("oblique", 1, 1).shape[1:] == (1, 1)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_an_area_of_sides_whose_squares_are_beyond_floating_point(scale: float) -> None:
    X, Y = np.array([[3.0], [0.0]]), np.array([[1.0], [2.0]])
    assert curvature.gram(scale * X, Y / scale) == pytest.approx(36)
    assert curvature.gram(scale * X, scale * X) == 0
    with np.errstate(over="ignore"):
        assert scale < 1 or steps.normaliser(scale, 0.5, 1.0) == np.inf


def test_sizes_beyond_machine_integers() -> None:
    assert norms.layer_frobenius(10**12, 4 * 10**12, 1.5) == pytest.approx(3e12)
    assert norms.layer_spectral_bound(3, 12, 0.5) == norms.convolution_bound(3, 12, 0.5) == 3


def test_what_has_no_number_is_named() -> None:
    infinite, problem = np.array([[np.inf], [1.0]]), Brockett(np.array([2.0, 1.0]), np.ones(1))
    angle = np.array([0.3])
    for call, named in (
        (lambda: velocity(problem, infinite), r"velocity\[0, 0\] = nan"),
        (lambda: curvature.gram(infinite, np.ones((2, 1))), "gram = nan"),
        (lambda: noise.second_moments(Schedule(1.0), 1.0, 1.0, -1.0, 2), "start = -1"),
        (lambda: noise.second_moments(Schedule(1.0), 1.0, 1.0, 1.0, -2), "steps = -2"),
        (lambda: noise.second_moments(Schedule(1e300, q=0.0), 1.0, 1.0, 1.0, 2), r"moments\[1\] = inf"),
        (lambda: norms.layer_frobenius(-1, 2, 1.0), "C = -1"),
        (lambda: norms.layer_spectral_bound(1, 0, 1.0), "D = 0"),
        (lambda: norms.convolution_bound(1, 2, -1.0), "kernel = -1"),
        (lambda: norms.convolution_norm(np.full((1, 1, 1, 1), np.inf), 2), r"kernels\[0, 0, 0, 0\] = inf"),
        (lambda: norms.scale("sphere", 2, 1, ()), "norms = "),
        (lambda: norms.scale("sphere", 2, 1, ("l1",)), "norms = .*l1.*expected some of Frobenius"),
        (lambda: oblique.optimum(infinite), r"T\[0, 0\] = inf"),
        (lambda: oblique.angles(infinite, np.eye(2, 1)), r"T\[0, 0\] = inf"),
        (lambda: oblique.angle_steps(np.eye(2, 1), angle, np.inf, 2), "(theta|phi).* = -?inf"),
        (lambda: oblique.angles(np.eye(2, 1), 1.01 * np.eye(2, 1)), r"lengths of columns of W\[0\] = 1.01"),
        (lambda: oblique.solution(np.eye(2, 1), 0.99 * np.eye(2, 1), 1.0), r"lengths of columns of W\[0\] = 0.99"),
        (lambda: oblique.turned(np.eye(2, 1), 0 * np.eye(2, 1), angle), r"lengths of columns of W\[0\] = 0"),
        (lambda: curvature.rotations(np.eye(2), np.ones((2, 2))), "X = .*expected a skew matrix"),
        (lambda: rayleigh.turned(np.array([[0.0, 1.0], [0.5, 0.0]]), np.ones(2), 1.0), "A = .*symmetric"),
        (lambda: rayleigh.turned(np.eye(2), np.array([np.inf, 1.0]), 1.0), r"x\[0\] = inf"),
        (lambda: rayleigh.alignment(0 * angle, np.inf), r"<log, grad>\[0\] = nan"),
        (lambda: rayleigh.turned(np.full((1, 1), np.inf), np.ones(1), 1.0), r"A\[0, 0\] = inf"),
        (lambda: rayleigh.circle_angles(angle, np.inf, np.ones(1)), r"theta\[1, 0\] = -inf"),
        (lambda: rayleigh.fine_grained_angles(angle, np.inf, np.ones(1), 0.1, 1.0), r"R\[0\] = inf"),
        (lambda: steps.sine(np.array([0.0, np.nan])), r"theta\[1\] = nan"),
        (lambda: steps.normaliser(np.array([-0.1]), 0.5, 1.0), r"R\[0\] = -0.1"),
        (lambda: steps.normaliser(0.1, -0.5, 1.0), "rho = -0.5"),
        (lambda: steps.normaliser(0.1, 0.5, np.inf), "c = inf"),
        (lambda: steps.zeta(0.0, np.array([0.5, np.inf])), r"rho\[1\] = inf"),
        (lambda: steps.squared_distance_bound(*np.full((3, 1), 1e200), 1.0), r"bound\[0\] = inf"),
    ):
        with np.errstate(all="ignore"), pytest.raises(InvalidArgument, match=named):
            call()
