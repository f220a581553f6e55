"""Weight decay: equilibria and thresholds, limits in gamma, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import weight_decay
from theory.chain.problem import Chain, distance
from theory.core.validation import InvalidArgument


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0.3, 3), st.floats(0, 0.999))
def test_the_equilibrium_rests(L: int, s: float, fraction: float) -> None:
    chain = Chain(s, L, x=1.2)
    gamma = fraction * min(weight_decay.collapse_threshold(chain), 10.0)
    u = weight_decay.equilibrium(chain, gamma)
    w = np.full(L, u ** (1 / L))
    assert np.allclose(weight_decay.velocity(chain, w, gamma), 0, atol=1e-12 * (1 + s**2))
    assert u <= s


@pytest.mark.parametrize("L", range(1, 7))
def test_without_decay_there_is_no_bias(L: int) -> None:
    assert weight_decay.equilibrium(Chain(1.7, L), 0.0) == pytest.approx(1.7, rel=1e-14)


@pytest.mark.parametrize("L", range(2, 7))
def test_at_the_threshold_the_equilibrium_is_the_strongest_point(L: int) -> None:
    chain = Chain(1.7, L)
    threshold = weight_decay.collapse_threshold(chain)
    assert weight_decay.equilibrium(chain, threshold) == pytest.approx(1.7 * (L - 2) / (2 * L - 2), abs=1e-6)
    with pytest.raises(InvalidArgument, match="gamma = "):
        weight_decay.equilibrium(chain, 1.001 * threshold)


def test_one_layer_never_collapses() -> None:
    assert weight_decay.collapse_threshold(Chain(1.7, 1)) == np.inf
    assert weight_decay.equilibrium(Chain(1.7, 1, x=2.0), 4.0) == pytest.approx(0.85)


@pytest.mark.parametrize("L", range(1, 6))
def test_small_decay_moves_the_equilibrium_by_kappa(L: int) -> None:
    chain, gamma = Chain(1.7, L, x=1.2), 1e-6
    w = np.full(L, weight_decay.equilibrium(chain, gamma) ** (1 / L))
    assert distance(chain, w) / gamma == pytest.approx(weight_decay.distance_per_gamma(chain), rel=1e-4)


def test_times_grow_as_the_accuracy_shrinks() -> None:
    chain, w = Chain(1.7, 3), np.array([1.8, 1.0, 0.9])
    times = [weight_decay.best_fixed_time(chain, w, epsilon) for epsilon in (0.1, 0.01, 0.001)]
    assert times[0] * 10 < times[1] < times[2] / 10
    assert weight_decay.annealed_time(chain, 2.0, 0.1) == pytest.approx(20 * weight_decay.distance_per_gamma(chain))


def test_times_outside_their_domain_are_refused() -> None:
    chain = Chain(1.7, 3)
    with pytest.raises(InvalidArgument, match="a balanced start has nothing to forget"):
        weight_decay.best_fixed_time(chain, np.ones(3), 0.1)
    with pytest.raises(InvalidArgument, match="epsilon = 5"):
        weight_decay.best_fixed_time(chain, np.array([1.8, 1.0, 0.9]), 5.0)
    with pytest.raises(InvalidArgument, match="k = 0.5"):
        weight_decay.annealed_time(chain, 0.5, 0.1)
    with pytest.raises(InvalidArgument, match="epsilon = 0"):
        weight_decay.annealed_time(chain, 1.0, 0.0)
