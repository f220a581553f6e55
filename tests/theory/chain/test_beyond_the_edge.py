"""Chains beyond the edge: cycles and multipliers against steps taken here, thresholds, chaos, refusals."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import beyond_the_edge as beyond
from theory.chain.problem import Chain, imbalance, others, product
from theory.core.validation import InvalidArgument

few = settings(max_examples=25, deadline=None)
chains = st.builds(Chain, st.floats(0.2, 5), st.integers(2, 12), st.floats(0.3, 3))


def step(chain: Chain, eta: float, w: np.ndarray) -> np.ndarray:
    return w + eta * chain.sigma * (chain.s - product(w))[..., None] * others(w)


@few
@given(chains, st.floats(1.01, 2.5))
def test_the_cycle_comes_back(chain: Chain, r: float) -> None:
    eta, w = beyond.cycle_learning_rate(chain, r), beyond.cycle_weight(chain, r)
    one = step(chain, eta, np.full((1, chain.L), w))
    two = step(chain, eta, one)
    assert one == pytest.approx(np.full((1, chain.L), r * w), rel=1e-10)
    assert two == pytest.approx(np.full((1, chain.L), w), rel=1e-12 * (2 * chain.L * r**chain.L) ** 2)
    assert beyond.cycle_ratio(chain, eta) == pytest.approx(r, rel=1e-9)


@few
@given(chains, st.floats(1.02, 1.7))
def test_multipliers_are_those_of_two_steps(chain: Chain, r: float) -> None:
    eta, w, small = beyond.cycle_learning_rate(chain, r), beyond.cycle_weight(chain, r), 1e-7
    lost = 1e-5 * (2 * chain.L * r**chain.L) ** 2
    across, along = np.full((2, chain.L), w)
    across[0] *= 1 + small
    along *= 1 + small
    after = step(chain, eta, step(chain, eta, np.stack([across, along])))
    ratio = imbalance(after[0])[0] / imbalance(across)[0]
    assert beyond.imbalance_multiplier(r) == pytest.approx(5 - 2 * (r + 1 / r), abs=1e-13)
    assert ratio == pytest.approx(beyond.imbalance_multiplier(r), abs=lost)
    moved = (after[1, 0] - w) / (small * w)
    assert moved == pytest.approx(beyond.cycle_multiplier(chain, r), abs=lost)


@few
@given(st.integers(2, 60), st.floats(0.001, 0.3), st.floats(0.01, 0.5))
def test_ratios_grow_with_the_learning_rate(L: int, log_r: float, more: float) -> None:
    """The edge at r = 1, in 40 digits beside it, even in log r, and larger for larger r: cycles are born above it."""
    chain = Chain(1.7, L)
    assert beyond.cycle_learning_rate(chain, 1.0) == pytest.approx(2 / chain.g, rel=1e-13)
    here, there = (float(beyond.cycle_learning_rate(chain, np.exp(x))) for x in (log_r, log_r + more))
    assert 2 / chain.g < here < there
    with mpmath.workdps(40):
        r = mpmath.mpf(np.exp(log_r))
        strength, turned = (_strength(L, each) for each in (r, 1 / r))
    assert here * chain.g / L == pytest.approx(float(strength), rel=1e-12)
    assert float(turned / strength) == pytest.approx(1, rel=1e-15)


def _strength(L: int, r: mpmath.mpf) -> mpmath.mpf:
    A = (r - 1) * (r ** (L - 1) + 1) / (r ** (L - 1) * (r**L - 1))
    return A ** (mpmath.mpf(2) / L - 1) * (r - 1 + A) ** (2 - mpmath.mpf(2) / L)


@few
@given(st.floats(0.2, 5), st.floats(2.0001, 4))
def test_two_weights_in_closed_form(s: float, edges: float) -> None:
    """r + 1/r = 1 + a; products r / (eta sigma) and 1 / (r eta sigma); along, 9 - 2 (1 + a)^2; across, 3 - 2 a."""
    chain = Chain(s, 2, 1.3)
    eta = edges / chain.g
    a, r = eta * chain.sigma * s, beyond.cycle_ratio(chain, eta)
    assert r + 1 / r == pytest.approx(1 + a, rel=1e-12)
    assert eta * chain.sigma * beyond.cycle_weight(chain, r) ** 2 == pytest.approx(1 / r, rel=1e-12)
    assert beyond.cycle_multiplier(chain, r) == pytest.approx(9 - 2 * (1 + a) ** 2, rel=1e-9, abs=1e-9)
    assert beyond.imbalance_multiplier(r) == pytest.approx(3 - 2 * a, rel=1e-9, abs=1e-9)


@few
@given(st.integers(2, 200), st.floats(0.3, 3))
def test_the_cycle_doubles(L: int, s: float) -> None:
    chain = Chain(s, L) if L < 40 else Chain(1.0, L)
    r = beyond.doubling_ratio(chain)
    assert beyond.cycle_multiplier(chain, r) == pytest.approx(-1, abs=1e-9)
    multiple = beyond.cycle_learning_rate(chain, r) * chain.g / 2
    known = {2: np.sqrt(5) - 1, 3: 1.244607392839, 4: 1.247169272435, 16: 1.250831327129}
    assert multiple == pytest.approx(known.get(L, 1.25), rel=1e-11 if L in known else 2e-3)
    if L == 2:
        assert r == pytest.approx(beyond.GOLDEN, rel=1e-12)


def test_imbalances_die_out_below_the_square_of_the_golden_ratio() -> None:
    assert beyond.imbalance_multiplier(beyond.FORGETS_BELOW) == pytest.approx(-1, rel=1e-14)
    assert beyond.imbalance_multiplier(2.0) == 0
    assert beyond.imbalance_multiplier(1.0) == 1


@few
@given(st.floats(0.3, 3), st.floats(-3, 3), st.integers(0, 5))
def test_chaos_is_solved(s: float, angle: float, steps: int) -> None:
    chain = Chain(s, 2, 1.2)
    w = beyond.chaotic_weights(chain, np.array([angle]), np.arange(steps + 2))[:, 0]
    after = step(chain, 2 / (chain.sigma * s), np.full((1, 2), w[steps]))[0, 0]
    assert after == pytest.approx(w[steps + 1], rel=1e-8, abs=1e-8)


@few
@given(st.floats(1.02, 1.22), st.integers(1, 50))
def test_on_the_cycle_exponents_are_those_of_the_multiplier(a: float, pairs: int) -> None:
    chain = Chain(a, 2)  # at eta sigma = 1
    r = beyond.cycle_ratio(chain, 1.0)
    u = np.array([beyond.cycle_weight(chain, r)])
    found = beyond.orbit_exponents(a, u, skipped=2, steps=2 * pairs)
    assert found == pytest.approx([np.log(abs(3 - 2 * a)) / 2], abs=1e-6)


def test_no_exponent_at_2() -> None:
    """The mean of log|1 - E^2| over the arcsine law, by quadrature, and along orbits."""
    u = 2 * np.sin((np.arange(4000) + 0.5) * np.pi / 8000)
    assert beyond.orbit_exponents(2.0, u, skipped=0, steps=1).mean() == pytest.approx(0, abs=1e-3)


def test_what_has_no_cycle_is_refused() -> None:
    chain = Chain(1.7, 3)
    for call, line in (
        (lambda: beyond.cycle_learning_rate(Chain(1.7, 1), 1.5), "chain.L = 1: expected two weights or more"),
        (lambda: beyond.cycle_weight(chain, 0.9), r"r = 0.9: expected a number in \[1, 100\]"),
        (lambda: beyond.cycle_ratio(chain, 1.9 / chain.g), r"eta = 0.3.*: expected a number in \["),
        (lambda: beyond.chaotic_weights(chain, np.ones(1), np.arange(2)), "chain.L = 3: expected 2"),
        (lambda: beyond.orbit_exponents(2.1, np.ones(1), 0, 1), r"a = 2.1: expected a number in \(0, 2\]"),
    ):
        with pytest.raises(InvalidArgument, match=line):
            call()
