"""Modes at their targets, far above and far below them; modes of very different size, equal, or without a start."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.problem import Chain
from theory.core.validation import InvalidArgument
from theory.deep_linear.modes import (
    Modes,
    aligned,
    amplitudes,
    balanced_solution,
    critical_multiplier,
    decoupled_starts,
    planted,
    transverse_jacobian,
    whitened,
)
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

RNG = np.random.default_rng


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([1, 2]),
    st.sampled_from([1e-8, 1.7, 1e8]),
    st.sampled_from([1e-290, 1e-12, 0.1, 0.999999, 1 - 1e-12, 1.0, 1 + 1e-12, 1.1, 1e6, 1e100, 1e290]),
    st.sampled_from([0.0, 1e-3, 0.5, 3.0, 40.0, 700.0, 1e6, np.inf]),
)
def test_strengths_from_far_below_and_far_above(L: int, s: float, ratio: float, when: float) -> None:
    """u' = x^2 (s - u) and u' = 2 x^2 u (s - u), solved to 700 digits; `when` in units of 1 / s at depth 2."""
    start, t = s * ratio, when / s ** (L - 1)
    with mpmath.workdps(700):
        S, U = mpmath.mpf(s), mpmath.mpf(start)
        decay = mpmath.exp(-L * mpmath.mpf(1.3) ** 2 * S ** (L - 1) * mpmath.mpf(t))
        exact = S - (S - U) * decay if L == 1 else S * U / (U + (S - U) * decay)
    found = balanced_solution(Chain(s, L, 1.3), start, t)
    assert found == pytest.approx(float(exact), rel=1e-11)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 6), st.sampled_from([1e-30, 1e-6, 1e6, 1e30]), st.floats(0.01, 5), st.floats(0, 3))
def test_strengths_do_not_know_units(L: int, unit: float, start: float, t: float) -> None:
    """u -> c u, s -> c s, x^2 t -> c^(2/L - 2) x^2 t."""
    one = balanced_solution(Chain(1.7, L), start, t)
    other = balanced_solution(Chain(1.7 * unit, L), start * unit, t * unit ** (2 / L - 2))
    assert other / unit == pytest.approx(float(one), rel=1e-9)


def test_starts_that_are_none() -> None:
    for start in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InvalidArgument, match="start = .*: expected strengths above 0"):
            balanced_solution(Chain(1.0, 2), start, 1.0)


@pytest.mark.parametrize("sizes", [(1e-9, 1.0), (1.0, 1e-9), (1e-30, 1e-40)])
def test_coupled_modes_of_very_different_size(sizes: tuple[float, float]) -> None:
    """Orthogonal columns do not couple: each is logistic."""
    modes = Modes(whitened([2.0, 1.0], x=1.3, d=3, n=2, K=2, rng=RNG(0)))
    G = np.linalg.qr(RNG(1).standard_normal((1, 4, 2)))[0] * sizes
    t = np.array([0.0, 1.0, 20.0, np.inf])
    each = [balanced_solution(chain, size**2, t) for chain, size in zip(modes.chains(2), sizes)]
    found = np.diagonal(modes.coupled_solution(G, t)[:, 0], axis1=1, axis2=2)
    assert found == pytest.approx(np.stack(each, -1), rel=1e-9)


def test_coupled_modes_of_equal_strength() -> None:
    """S = s I: P(t) = s e^(2 s t) P(0) (s I + (e^(2 s t) - 1) P(0))^-1, which turns with the basis."""
    modes = Modes(whitened([1.5, 1.5], x=1.0, d=3, n=2, K=2, rng=RNG(0)))
    G = RNG(1).standard_normal((1, 4, 2))
    P, growth = G[0].T @ G[0], np.exp(2 * 1.5 * 0.4)
    exact = 1.5 * growth * P @ np.linalg.inv(1.5 * np.eye(2) + (growth - 1) * P)
    assert np.allclose(modes.coupled_solution(G, 0.4)[0], exact)
    assert np.allclose(modes.coupled_solution(G, np.inf)[0], 1.5 * np.eye(2))


@pytest.mark.parametrize(
    "G",
    [
        np.array([[[1.0, 2.0], [1.0, 2.0]]]),
        np.eye(2)[None] * [1.0, 0.0],
        np.ones((1, 1, 2)),
        np.full((1, 2, 2), np.nan),
    ],
)
def test_coupled_modes_need_directions_of_their_own(G: np.ndarray) -> None:
    modes = Modes(whitened([2.0, 1.0], x=1.0, d=3, n=2, K=2, rng=RNG(0)))
    with pytest.raises(InvalidArgument, match=r"G\^T G = a singular matrix"):
        modes.coupled_solution(G, 1.0)


def test_starts_of_which_nothing_is_left() -> None:
    """The second column is half the first; two neurons cannot start three modes."""
    G = np.array([[1.0, 0.5, 0.0], [3.0, 1.5, 1.0], [2.0, 1.0, 0.3]])
    found = decoupled_starts(G)
    assert found[:2].tolist() == [pytest.approx(14), 0]
    assert found[2] > 0
    wide = decoupled_starts(np.array([[1.0, 0.0, 1.0], [0.0, 1e-9, 1.0]]))
    assert wide.tolist() == [pytest.approx(1), pytest.approx(1e-18), 0]


def test_modes_of_any_size_beside_each_other() -> None:
    """A weak draw is not measured by a strong one, and chains do not take one for the other."""
    strong, weak = (whitened([c, 0.5 * c], x=1.0, d=3, n=2, K=2, rng=RNG(0)) for c in (1.0, 1e-12))
    both = TeacherStudent(
        *(
            np.concatenate(pair)
            for pair in ((strong.X, weak.X), (strong.teacher, weak.teacher), (strong.noise, weak.noise))
        )
    )
    assert Modes(both).s[1] == pytest.approx([1e-12, 5e-13])
    with pytest.raises(InvalidArgument, match="the same strengths in every draw"):
        Modes(both).chains(2)
    assert Modes(weak).critical_augmentation(3, Tuning(b=0.0), 0.0) == pytest.approx(5e-13 ** (-4 / 3) / 3)
    for bad in (
        TeacherStudent(np.eye(2), np.zeros((1, 2)), np.zeros((1, 2))),
        TeacherStudent(np.zeros((2, 2)), np.eye(2), np.eye(2)),
    ):
        with pytest.raises(InvalidArgument, match="singular value"):
            Modes(bad)


def test_stacks_fit_their_frames() -> None:
    modes = Modes(whitened([2.0, 1.0], x=1.0, d=4, n=3, K=2, rng=RNG(0)))
    frames = modes.frames([4, 3, 2], RNG(1))
    for L in (1, 3):
        with pytest.raises(InvalidArgument, match=rf"len\(frames\) = 3: expected {L + 1}"):
            aligned(frames, np.ones((1, 2, L)))
        with pytest.raises(InvalidArgument, match=rf"len\(frames\) = 3: expected {L + 1}"):
            amplitudes(frames, [np.ones((1, 3, 3))] * L)
    for widths in ([3, 3, 2], [4, 3, 3], [4]):
        with pytest.raises(InvalidArgument, match="expected d = 4, hidden widths, K = 2"):
            modes.frames(widths, RNG(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": [1.0, 0.0]}, r"rates\[1\] = 0.0"),
        ({"rates": [1.0, np.nan]}, r"rates\[1\] = nan"),
        ({"strengths": [-1.0]}, r"strengths\[0\] = -1.0"),
        ({"strengths": [np.inf]}, r"strengths\[0\] = inf"),
        ({"strengths": np.array(1.0)}, r"strengths.shape = \(\): expected one row of numbers"),
        ({"rates": np.ones((1, 2))}, r"rates.shape = \(1, 2\): expected one row of numbers"),
        ({"draws": 0}, "draws = 0"),
    ],
)
def test_problems_that_cannot_be_planted(changes: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        planted(**({"strengths": [1.0], "rates": [1.0, 2.0], "d": 3, "K": 2, "rng": RNG(0)} | changes))


@pytest.mark.parametrize("x", [1e-300, 1e300, np.nan])
def test_inputs_whose_squares_are_no_numbers(x: float) -> None:
    with pytest.raises(InvalidArgument, match="x = "):
        whitened([1.0], x=x, d=3, n=2, K=2, rng=RNG(0))


def test_a_mode_returns_by_the_numbers_of_each_run() -> None:
    weak, other = Chain(0.3, 3, 1.2), Chain(1.5, 3, 1.2)
    each = [Tuning(a, b, c) for a, b, c in ((0.7, 0.2, 0.9), (1.3, 0.4, 0.1))]
    both = Tuning(np.array([0.7, 1.3]), np.array([0.2, 0.4]), np.array([0.9, 0.1]))
    found = transverse_jacobian(weak, other, both, 2.5)
    assert found.shape == (2, 2, 2)
    assert found == pytest.approx(np.stack([transverse_jacobian(weak, other, one, 2.5) for one in each]))
    multipliers = critical_multiplier(weak, other, both)
    assert multipliers == pytest.approx([critical_multiplier(weak, other, one) for one in each])
    for multiplier, one in zip(multipliers.tolist(), each):
        assert transverse_jacobian(weak, other, one, multiplier)[0, 0] == pytest.approx(0, abs=1e-14)


def test_a_mode_returns_through_one_of_its_own_problem() -> None:
    weak = Chain(0.3, 3, 1.2)
    for other, message in (
        (Chain(1.5, 2, 1.2), "other.L = 2"),
        (Chain(1.5, 3, 1.3), "other.x = 1.3"),
        (Chain(1.5, 3, 1.2, power=1.0), "other.power = 1.0"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            critical_multiplier(weak, other, Tuning())
    equal = transverse_jacobian(weak, weak, Tuning(), 0.0)
    assert np.isfinite(equal).all()
