"""Chains at their minima, at 0, in other units, and after infinite time."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import collapse, gradient_flow, minnorm, times, weight_decay
from theory.chain.problem import Chain, imbalance, imbalance_solution
from theory.core.validation import InvalidArgument
from theory.minnorm.tuning import Tuning

near = st.sampled_from([0.0, 1e-13, 1e-9, 1e-4, 0.1, 0.5, 0.9])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6),
    st.sampled_from([1e-6, 1.0, 1e6]),
    st.sampled_from([1e-9, 0.02, 0.5, 0.999, 1.001, 3.0, 1e6]),
    near,
)
def test_times_of_products_that_are_close(L: int, s: float, start: float, share: float) -> None:
    """Against 40 digits, from the start a share of the way to s."""
    chain, begin = Chain(s, L, 1.3), s * start
    end = begin + share * (s - begin)
    found = float(gradient_flow.balanced_time(chain, begin, end))
    if end == begin:
        assert found == 0
        return
    with mpmath.workdps(40):
        A, B, S = mpmath.mpf(begin), mpmath.mpf(end), mpmath.mpf(s)
        sign = 1 if A < S else -1
        first, last = (mpmath.log(abs(v / (S - v))) for v in (A, B))
        speed = lambda y: (S / (1 + sign * mpmath.exp(-y))) ** (mpmath.mpf(2) / L - 1) / S  # noqa: E731
        if sign < 0:  # in log v, where y is close to 0
            speed = lambda u: mpmath.exp(u) ** (mpmath.mpf(2) / L - 1) / (S - mpmath.exp(u))  # noqa: E731
            first, last = mpmath.log(A), mpmath.log(B)
        exact = mpmath.quad(speed, mpmath.linspace(first, last, 9)) / (L * mpmath.mpf(1.3) ** 2)
    assert found == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("L", [2, 3, 5])
@pytest.mark.parametrize("far", [3.0, 1e3, 1e9, 1e30, 1e60])
@pytest.mark.parametrize("fall", [10.0, 1.01])
def test_products_come_down_from_far_above(far: float, fall: float, L: int) -> None:
    """L sigma t = int v^(2/L - 2) / (v - s) dv, of u = v / start."""
    s, x, start = 1.7, 1.3, 17 * far
    with mpmath.workdps(40):
        e = mpmath.mpf(2) / L - 2
        integral = mpmath.quad(lambda u: u**e / (u - mpmath.mpf(s) / start), [mpmath.mpf(start / fall) / start, 1])
        exact = integral * mpmath.mpf(start) ** e / (L * mpmath.mpf(x) ** 2)
    found = gradient_flow.balanced_time(Chain(s, L, x), start, start / fall)
    assert found == pytest.approx(float(exact), rel=1e-12, abs=0)


def test_no_time_at_the_target() -> None:
    for L in (1, 2, 3):
        chain = Chain(2.0, L)
        assert gradient_flow.balanced_time(chain, 2.0, 2.0) == 0
        assert gradient_flow.balanced_time(chain, 0.3, 0.3) == 0
        assert gradient_flow.balanced_time(chain, np.array([0.5, 5.0]), 2.0).tolist() == [np.inf, np.inf]


def test_imbalance_is_conserved_for_ever_and_keeps_its_digits() -> None:
    assert imbalance_solution(np.array([3.0, 1.0]), 0.0, np.inf).tolist() == [8]
    both = imbalance_solution(np.array([[3.0, 1.0], [3.0, 1.0]]), np.array([0.0, 0.5]), np.array([0.0, np.inf]))
    assert both.tolist() == [[[8], [8]], [[8], [0]]]
    with pytest.raises(InvalidArgument, match="rate = -1.0"):
        imbalance_solution(np.array([3.0, 1.0]), -1.0, 1.0)
    close = 1e8 * (1 + 2.0**-52)
    assert imbalance(np.array([close, 1e8]))[0] == pytest.approx(2e8 * (close - 1e8), rel=1e-14)


@pytest.mark.parametrize("r", [-1.0, -0.31, -0.29, -1e-3, -1e-9, 0.0, 1e-12, 1e-5, 0.29, 0.31, 5.0])
def test_the_energy_of_small_orbits(r: float) -> None:
    """r - log(1 + r), about r^2 / 2."""
    chain = Chain(1.0, 2)
    p = 1 + r
    with mpmath.workdps(50):
        exact = mpmath.mpf(p) - 1 - mpmath.log(mpmath.mpf(p)) if p else mpmath.inf
    assert minnorm.orbit_energy(chain, Tuning(), p, 1.0) == pytest.approx(float(exact), rel=1e-13, abs=0)
    with pytest.raises(InvalidArgument, match="p = -0.5"):
        minnorm.orbit_energy(chain, Tuning(), -0.5, 1.0)


def test_slow_multipliers_keep_their_digits() -> None:
    """z^2 + 14 z + 3 b = 0 at s = 1, L = 3, c = 5: the slow root is -3 b / 14."""
    pair = minnorm.spectrum(Chain(1.0, 3), Tuning(1.0, 1e-18, 5.0))[-2:]
    assert pair[0] == pytest.approx(-14)
    assert pair[1] == pytest.approx(-3e-18 / 14, rel=1e-14)
    repelled = minnorm.spectrum(Chain(1.0, 3), Tuning(1.0, 1e-18, 0.0))[-2:]
    assert repelled[0] == pytest.approx(3e-18, rel=1e-14)
    assert repelled[1] == pytest.approx(1)


def test_the_bound_of_collapse_from_0_to_infinity() -> None:
    chain, tuning, t = Chain(1.0, 4), Tuning(1.0, 0.1, 0.1), np.array([0.0, 1.0, 1e4, np.inf])
    assert collapse.size_bound(chain, tuning, 0.0, 0.0, t).tolist() == [0, 0, 0, 0]
    bound = collapse.size_bound(chain, tuning, 0.3, 0.0, t)
    assert bound[0] == pytest.approx(0.3)
    assert bound[2:].tolist() == [0, 0]
    beyond = collapse.size_bound(chain, tuning, 10.0, 0.0, t)
    assert beyond[0] == pytest.approx(10)
    assert beyond[1:].tolist() == [np.inf] * 3  # the criterion is above 1: no bound
    fixed = Tuning(1.0, 0.0, 0.1)  # the multiplier stands still, and the force cannot grow
    assert collapse.size_bound(chain, fixed, 0.3, 0.0, np.array(np.inf)) == 0
    resting = collapse.size_bound(chain, Tuning(1.0, 0.0, 0.0), 0.5, 4.0, np.array(np.inf))  # lambda w^2 = 1
    assert resting == 0.5
    with pytest.raises(InvalidArgument, match="t = -1.0"):
        collapse.size_bound(chain, tuning, 0.3, 0.0, np.array(-1.0))


def test_crossings_at_zero_and_on_the_grid() -> None:
    t = np.linspace(0, 4, 9)
    assert times.hitting_time(t, np.maximum(1 - t / 2, 0.0), 0.1) <= 2
    assert times.hitting_time(t, 2.0**-t, 2.0**-2) == pytest.approx(2)
    with pytest.raises(InvalidArgument, match="epsilon = 0"):
        times.hitting_time(t, 2.0**-t, 0.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.sampled_from([1e-90, 1e-6, 1e6, 1e90]), st.floats(0, 1))
def test_equilibria_do_not_know_units(L: int, unit: float, share: float) -> None:
    """w_l -> c w_l, s -> c^L s, gamma -> c^(2L - 2) gamma, at x = 1: here by c^L = `unit`."""
    one, other = Chain(1.3, L), Chain(1.3 * unit, L)
    gamma = (share * weight_decay.collapse_threshold(chain) if L > 1 else share for chain in (one, other))
    found = [weight_decay.equilibrium(chain, each) for chain, each in zip((one, other), gamma)]
    assert found[1] / unit == pytest.approx(found[0], rel=1e-6, abs=1e-12)
