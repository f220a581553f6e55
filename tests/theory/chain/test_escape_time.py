"""Elliptic escape times against the integrals they come from, in many digits."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize

from theory.chain.escape_time import elliptic, escape_time
from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.core.validation import InvalidArgument

depths, seeds = st.sampled_from([3, 4]), st.integers(0, 10_000)


def exact_time(chain: Chain, w: Array, share: float) -> float:
    """int dz / (2 sigma (s - p) p) until p is the share of s; z = a (e^y - 1), so that small weights are resolved."""
    a = float(w.max()) ** 2

    def p(y: float) -> float:
        return float(np.sqrt((w**2 + a * np.expm1(y)).prod()))

    def speed(y: float) -> float:
        return a * np.exp(y) / (2 * chain.sigma * (chain.s - p(y)) * p(y)) if y > 0 else 0.0

    end = optimize.brentq(lambda y: p(y) - share * chain.s, 0, 80, xtol=1e-14)
    # A weight of 0 makes the speed infinite at first, as y^(-1/2).
    return integrate.quad(lambda r: 2 * r * speed(r * r), 0, np.sqrt(end), epsabs=0, epsrel=1e-12, limit=500)[0]


@settings(max_examples=30, deadline=None)
@given(depths, seeds, st.floats(0.1, 10), st.floats(0.3, 3), st.sampled_from([0.3, 0.5, 0.9]), st.booleans())
def test_small_chains_escape_when_they_should_to_the_fourth_power(
    L: int, seed: int, s: float, x: float, share: float, with_zero: bool
) -> None:
    chain = Chain(s, L, x)
    w = np.random.default_rng(seed).uniform(0.3, 1.5, L) * chain.omega
    w[-1] *= not with_zero
    off = [exact_time(chain, size * w, share) - escape_time(chain, size * w, share) for size in (0.2, 0.1)]
    unit = 1 / (chain.sigma * chain.s ** (2 - 2 / L))
    assert abs(off[0]) < 1.0 * 0.2**4 * unit
    assert abs(off[1]) < max(abs(off[0]) / 8, 2e-5 * unit)


@settings(max_examples=25, deadline=None)
@given(depths, seeds, st.sampled_from([1e-40, 1e-3, 1.0, 1e40]))
def test_the_elliptic_integral_is_that_of_the_product(L: int, seed: int, size: float) -> None:
    w = np.random.default_rng(seed).uniform(0.0, 1.5, L)
    found = elliptic(size * w) * size ** (L - 2)
    assert elliptic(size * w[::-1]) * size ** (L - 2) == pytest.approx(found, rel=1e-12)
    alike = np.sqrt((w**2).mean()) * np.ones(L)
    assert elliptic(alike) <= found * (1 + 1e-12)
    assert elliptic(alike) == pytest.approx(alike[0] ** (2 - L) / (L - 2), rel=1e-12)
    squares = [mpmath.mpf(float(each)) ** 2 for each in w]
    over = lambda z: 1 / mpmath.sqrt(mpmath.fprod(each + z for each in squares)) / 2  # noqa: E731
    assert found == pytest.approx(float(mpmath.quad(over, [0, 1e-4, 0.01, 0.3, 3, 100, mpmath.inf])), rel=1e-6)


@pytest.mark.parametrize("L", [3, 4])
def test_half_the_target_takes_the_constant_of_its_depth(L: int) -> None:
    chain, w = Chain(1.7, L, 1.2), 1e-3 * np.array([1.0, 2.0, 0.5, 3.0][:L])
    z = (chain.s / 2) ** (2 / L)
    integral = integrate.quad(lambda v: 1 / (chain.s - v ** (L / 2)), 0, z)[0]
    c = (integral - z ** (1 - L / 2) / (L / 2 - 1)) / 2
    m = (w**2).mean()
    expected = (elliptic(w) + c - m / (2 * chain.s)) / (chain.sigma * chain.s)
    assert escape_time(chain, w) == pytest.approx(expected, rel=1e-11)


def test_the_edges() -> None:
    chain = Chain(2.0, 3)
    w = np.array([[0.0, 0.1, 0.2], [0.0, 0.0, 0.2], [0.1, 0.1, 0.1]])
    assert np.isfinite(escape_time(chain, w)).tolist() == [True, False, True]
    assert np.isinf(escape_time(chain, w, 1.0)).all()
    assert escape_time(chain, w[2], np.array([0.3, 0.6])).shape == (2,)
    assert np.isinf(elliptic(np.zeros(4)))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: elliptic(np.ones(2)), r"w.shape = \(2,\): expected"),
        (lambda: elliptic(np.array([1.0, -1.0, 1.0])), r"w\[1\] = -1.0: expected a number in"),
        (lambda: elliptic(np.array([1.0, 1e-60, 1.0])), "smallest weight above 0 = 1e-60: expected"),
        (lambda: escape_time(Chain(2.0, 2), np.ones(2)), "chain.L = 2: expected depth 3 or 4"),
        (lambda: escape_time(Chain(2.0, 3), np.ones(4)), r"w.shape = \(4,\): expected \(\*shape, 3\)"),
        (lambda: escape_time(Chain(2.0, 3), np.ones(3), 0.0), "share = 0.0: expected a number in"),
        (lambda: escape_time(Chain(2.0, 3), 2 * np.ones(3)), "w = .*: expected small weights, not all 0"),
        (lambda: escape_time(Chain(2.0, 3), np.zeros(3)), "w = .*: expected small weights, not all 0"),
    ],
)
def test_refusals(call: object, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        call()
