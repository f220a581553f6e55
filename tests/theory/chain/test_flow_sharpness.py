"""Sharpness of where the flow ends: against digits of mpmath, its majorisation, and recursions near the edge."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theory.chain.flow_sharpness import amplitude, contraction, flow_sharpness, landing
from theory.chain.gradient_flow import limit
from theory.chain.problem import Chain, imbalance, others, product
from theory.core.validation import InvalidArgument

few = settings(max_examples=30, deadline=None)
weights = st.lists(st.floats(0.2, 3), min_size=2, max_size=5)


@few
@given(weights, st.floats(0.3, 3), st.floats(0.3, 2), st.sampled_from([1e-40, 1.0, 1e40]))
def test_the_flow_ends_at_this_sharpness(sizes: list[float], s: float, x: float, unit: float) -> None:
    """|grad (x (s - p))|^2 at the end of the flow, whose imbalances and product are known in 60 digits."""
    w = np.array(sizes)
    chain = Chain(s, len(w), x)
    with mpmath.workdps(60):
        squares = [mpmath.mpf(each) ** 2 for each in w]
        least, target = min(squares), mpmath.mpf(s) ** 2
        excess = lambda z: mpmath.fprod(z + d - least for d in squares) - target  # noqa: E731
        z = mpmath.findroot(excess, (mpmath.mpf(10) ** -30, 4 + target), solver="anderson", tol=1e-45, maxsteps=400)
        wanted = mpmath.mpf(x) ** 2 * target * mpmath.fsum(1 / (z + d - least) for d in squares)
    assert flow_sharpness(chain, w) == pytest.approx(float(wanted), rel=1e-9)
    assert flow_sharpness(chain, w) >= chain.g * (1 - 1e-12)
    scaled = Chain(s * unit ** len(w), len(w), x) if len(w) == 2 else chain
    factor = unit if len(w) == 2 else 1.0
    assert flow_sharpness(scaled, factor * w) == pytest.approx(factor**2 * flow_sharpness(chain, w), rel=1e-9)


@few
@given(weights, st.floats(0.3, 3), st.floats(0.01, 0.99))
def test_steps_are_majorised(sizes: list[float], s: float, C: float) -> None:
    w = np.array(sizes)
    chain = Chain(s, len(w), 1.2)
    assume(abs(product(w) - s) > 1e-3 * s)
    eta = np.sqrt(C / contraction(chain, w, 1.0))
    stepped = w + eta * chain.sigma * (s - product(w)) * others(w)
    assume(product(stepped) > 0)
    assert contraction(chain, w, eta) == pytest.approx(C)
    before, after = (np.sort(np.log(limit(chain, state) ** 2))[::-1].cumsum()[:-1] for state in (w, stepped))
    assert (after <= before + 1e-9).all()
    assert flow_sharpness(chain, stepped) <= flow_sharpness(chain, w) * (1 + 1e-9)
    if len(w) == 2:
        assert imbalance(stepped) == pytest.approx((1 - C) * imbalance(w), rel=1e-9, abs=1e-9)


@few
@given(st.floats(0.2, 4), st.floats(0.5, 2), st.floats(0.5, 3), st.floats(1e-3, 5e-3))
def test_descent_lands_where_the_law_says(ratio: float, s: float, x: float, room: float) -> None:
    """The rest of the swing's own law, on which it vanishes at both ends; and symmetric about the edge where small."""
    chain = Chain(s, 2, x)
    eta = (1 - room) / (chain.sigma * s)
    start = 2 + ratio * room
    end = landing(chain, eta, start)
    ends = 2 * room + np.array([start - 2, end - 2])
    assert amplitude(chain, eta, start, ends) == pytest.approx(0, abs=1e-15)
    assert (amplitude(chain, eta, start, np.linspace(ends[1], ends[0], 9)[1:-1]) > 0).all()
    assert 2 - room <= end <= 2
    assert 2 - landing(chain, eta, 2 + 1e-6 * room) == pytest.approx(1e-6 * room, rel=1e-5)
    assert landing(chain, eta, np.inf) == pytest.approx(2 - room)
    assert landing(chain, eta, 2.0) == 2.0


def test_the_law_is_what_a_recursion_tends_to() -> None:
    """Descent in numpy at 1 - eta s = 0.002: off by a share of about that."""
    chain, room = Chain(1.3, 2), 0.002
    eta = (1 - room) / chain.s
    start = 2 + 3 * room
    D, p = np.sqrt((start / eta) ** 2 - 4 * chain.s**2), chain.s * (1 + 1e-4 * room)
    first = np.sqrt(np.hypot(p, D / 2) + D / 2)
    w = np.array([first, p / first])
    for _ in range(12_000):
        w = w + eta * (chain.s - w[0] * w[1]) * w[::-1]
    assert (2 - eta * flow_sharpness(chain, w)) / (2 - landing(chain, eta, start)) == pytest.approx(1, abs=5e-3)


def test_what_is_refused() -> None:
    chain = Chain(1.0, 2)
    with pytest.raises(InvalidArgument, match=r"chain.L = 3: expected depth 2"):
        landing(Chain(1.0, 3), 0.9, 2.1)
    with pytest.raises(InvalidArgument, match=r"eta sigma s = 1.1: expected a number in \(0, 1\)"):
        landing(chain, 1.1, 2.1)
    with pytest.raises(InvalidArgument, match=r"start = 1.9: expected a number in \[2, inf\]"):
        landing(chain, 0.9, 1.9)
    with pytest.raises(InvalidArgument, match=r"w.shape = \(1,\): expected \(..., L\) of a chain of at least two"):
        contraction(Chain(1.0, 1), np.ones(1), 0.1)
    with pytest.raises(InvalidArgument, match=r"product\(w\)"):
        flow_sharpness(chain, np.array([1.0, -1.0]))
