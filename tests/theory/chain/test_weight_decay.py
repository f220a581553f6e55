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
def test_the_threshold_is_the_largest_force(L: int) -> None:
    """By looking everywhere: sigma (s - u) u^(1 - 2/L), that of the others on a weight over the weight itself."""
    chain, u = Chain(1.7, L, x=1.2), np.linspace(0, 1.7, 400_001)
    force = 1.44 * (1.7 - u) * u ** (1 - 2 / L)
    assert weight_decay.collapse_threshold(chain) == pytest.approx(force.max(), rel=1e-9)
    gamma = 0.6 * force.max()
    assert weight_decay.equilibrium(chain, gamma) == pytest.approx(u[force >= gamma].max(), abs=1e-5)


@pytest.mark.parametrize("L", range(1, 7))
def test_the_bias_is_proportional_to_small_decay(L: int) -> None:
    chain, gamma = Chain(1.7, L, x=1.2), 1e-5
    bias = 1.7 - weight_decay.equilibrium(chain, gamma)
    assert weight_decay.small_bias(chain, gamma) == pytest.approx(bias, rel=1e-3)


@pytest.mark.parametrize("gamma", [0.4, np.array([0.4, 0.9])])
def test_weight_decay_descends_the_loss_with_half_the_squared_norm(gamma) -> None:
    chain, w, step = Chain(1.7, 3, x=1.2), np.array([[-0.8, -1.3, 0.6], [1.1, 0.7, 0.9]]), 1e-6

    def loss(w: np.ndarray) -> np.ndarray:
        return (1.2 * 1.7 - 1.2 * w.prod(-1)) ** 2 / 2 + gamma * (w**2).sum(-1) / 2

    gradient = np.stack([(loss(w + step * e) - loss(w - step * e)) / (2 * step) for e in np.eye(3)], axis=-1)
    assert np.allclose(weight_decay.velocity(chain, w, gamma), -gradient, atol=1e-8)


def test_the_best_constant_decay_is_the_best_of_many() -> None:
    """Time at which bias and what is left of the imbalance, added in squares, are epsilon."""
    chain, w, epsilon = Chain(1.7, 3, x=1.2), np.array([1.8, 1.0, 0.9]), 0.02
    kappa = np.sqrt(3) * 1.7 ** (1 / 3) / (1.44 * 3 * 1.7 ** (4 / 3))
    spread = w**2 - (w**2).mean()
    A = np.sqrt((spread**2).sum()) / (2 * 1.7 ** (1 / 3))
    gamma = np.linspace(0.2, 0.9999, 200_001) * epsilon / kappa
    times = np.log(A / np.sqrt(epsilon**2 - (kappa * gamma) ** 2)) / (2 * gamma)
    assert weight_decay.best_fixed_time(chain, w, epsilon) == pytest.approx(times.min(), rel=1e-7)
    assert weight_decay.distance_per_gamma(chain) == pytest.approx(kappa, rel=1e-13)


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
