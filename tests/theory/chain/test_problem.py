"""Chains: input errors, products without division, minima, and the exact discrete law as algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain.problem import (
    Chain,
    distance,
    imbalance,
    imbalance_after_step,
    imbalance_solution,
    minimum,
    others,
    product,
)
from theory.core.validation import InvalidArgument

seeds, depths = st.integers(0, 10_000), st.integers(1, 6)


def weights(seed: int, L: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(*shape, L))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s": 0.0}, "s = 0.0"),
        ({"s": -1.0}, "s = -1.0"),
        ({"s": np.inf}, "s = inf"),
        ({"L": 0}, "L = 0"),
        ({"x": 0.0}, "x = 0.0"),
        ({"power": 0.5}, "power = 0.5"),
    ],
)
def test_a_chain_outside_its_domain_is_named(changes: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Chain(**({"s": 1.0, "L": 2} | changes))


@settings(deadline=None)
@given(seeds, depths)
def test_the_product_of_the_others_needs_no_division(seed: int, L: int) -> None:
    w = weights(seed, L, 3)
    w[0, seed % L] = 0.0
    q = others(w)
    assert q.shape == w.shape
    assert np.allclose(w * q, product(w)[:, None], atol=1e-12)
    assert np.allclose(q[..., 0], w[..., 1:].prod(-1))


@settings(deadline=None)
@given(seeds, depths, st.floats(0.1, 5))
def test_the_minimum_has_the_product_and_is_the_nearest(seed: int, L: int, s: float) -> None:
    chain = Chain(s, L)
    w = weights(seed, L)
    nearest = minimum(chain, w)
    assert product(nearest) == pytest.approx(s)
    assert np.allclose(np.abs(nearest), chain.omega)
    signs = np.array(np.meshgrid(*[[-1, 1]] * L)).reshape(L, -1).T
    minima = chain.omega * signs[signs.prod(-1) > 0]
    assert distance(chain, w) == pytest.approx(np.linalg.norm(w - minima, axis=-1).min())


@settings(deadline=None)
@given(seeds, st.integers(2, 6), st.floats(-1, 1), st.floats(0, 1))
def test_the_discrete_law_is_algebra(seed: int, L: int, force: float, shrinkage: float) -> None:
    w = weights(seed, L, 4)
    after = imbalance((1 - shrinkage) * w + force * others(w))
    size = (w**2).max() + (force * others(w)).max() ** 2
    assert np.allclose(after, imbalance_after_step(w, force, shrinkage), atol=1e-13 * (1 + size))


def test_forces_may_differ_between_runs() -> None:
    w = weights(0, 3, 2)
    both = imbalance_after_step(w, np.array([0.1, 0.4]), np.array([0.0, 0.2]))
    assert np.allclose(both[0], imbalance_after_step(w[0], 0.1))
    assert np.allclose(both[1], imbalance_after_step(w[1], 0.4, 0.2))


@settings(deadline=None)
@given(seeds, st.integers(2, 5), st.floats(0.1, 2), st.floats(0, 3), st.floats(0, 3))
def test_the_imbalance_decays_on_from_where_it_is(seed: int, L: int, rate: float, t: float, later: float) -> None:
    w = np.sort(np.abs(weights(seed, L, 3)))
    whole = imbalance_solution(w, rate, t + later)
    assert np.allclose(whole, np.exp(-2 * rate * later) * imbalance_solution(w, rate, t), rtol=1e-12)


def test_imbalances_at_times_of_any_shape() -> None:
    w, rate = weights(0, 3, 2), np.array([0.5, 2.0])
    assert np.array_equal(imbalance_solution(w, rate, 0.0), imbalance(w))
    assert not imbalance_solution(w, rate, np.inf).any()
    times = imbalance_solution(w, rate, np.array([[0.0, 1.0, np.inf]]))
    assert times.shape == (1, 3, 2, 2)
    assert np.allclose(times[0, 1, 1], np.exp(-4) * imbalance(w)[1])
    assert imbalance_solution(w[0], 0.5, np.array([1.0, 2.0])).shape == (2, 2)
    with pytest.raises(InvalidArgument, match="t = "):
        imbalance_solution(w, rate, -1.0)
