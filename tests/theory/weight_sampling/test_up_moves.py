"""How often and how far losses rise: against simulation, symmetry, and coincident or independent pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.weight_sampling import directions, up_moves


@given(st.floats(0.1, 10), st.floats(0, 5), st.floats(-1, 1), st.integers(1, 8))
def test_rises_scale_and_vanish_where_nothing_moves(h: float, V: float, c: float, d: int) -> None:
    rise = up_moves.mean_rise(h, V, c, d)
    assert rise == pytest.approx(h * V * up_moves.mean_rise(1.0, 1.0, c, d))
    assert rise == pytest.approx(up_moves.mean_rise(h, V, -c, d))
    assert up_moves.mean_rise(h, V, 1.0, d) == 0 == up_moves.mean_rise(h, V, -1.0, d)
    assert up_moves.mean_rise(1.0, 1.0, 0.0, 1) == pytest.approx(1 / np.pi)
    assert up_moves.mean_rise(1.0, 1.0, 0.0, 2) == pytest.approx(0.5)  # |w|^2 / 2 is exponential


@pytest.mark.parametrize("d", [1, 3])
def test_rises_of_drawn_pairs(d: int) -> None:
    rng, c, V = np.random.default_rng(d), 0.6, 1.7
    w = V**0.5 * rng.standard_normal((400_000, d))
    after = c * w + (V * (1 - c**2)) ** 0.5 * rng.standard_normal(w.shape)
    rises = np.maximum((after**2).sum(1) - (w**2).sum(1), 0) * 1.3 / 2
    assert up_moves.mean_rise(1.3, V, c, d) == pytest.approx(rises.mean(), abs=6 * rises.std() / len(w) ** 0.5)


@given(st.integers(0, 10**6), st.integers(1, 3), st.floats(0, 0.99))
def test_one_half_where_the_pair_is_exchangeable(seed: int, d: int, c: float) -> None:
    rng = np.random.default_rng(seed)
    H, S = (root @ root.T for root in rng.standard_normal((2, d, d)))
    assert up_moves.chance_of_rise(H, S, c * S) == pytest.approx(0.5, abs=1e-6)
    # And in time that runs backwards it is the complement.
    M, noise = np.eye(d) - 0.5 * H / np.linalg.eigvalsh(H)[-1], S
    S = directions.stationary_covariance(M, noise)
    there, back = (up_moves.chance_of_rise(H, S, C) for C in (S @ M.T, M @ S))
    assert there + back == pytest.approx(1, abs=1e-6)


def test_noise_that_does_not_commute_with_the_curvature() -> None:
    H, noise = np.diag([1.0, 0.05]), np.array([[1.0, 0.999], [0.999, 1.0]]) / 2
    M, rng = np.eye(2) - H, np.random.default_rng(0)
    S = directions.stationary_covariance(M, noise)
    w = rng.standard_normal((400_000, 2)) @ np.linalg.cholesky(S).T
    after = w @ M.T + rng.standard_normal(w.shape) @ np.linalg.cholesky(noise).T
    often = (np.einsum("ni,ij,nj->n", after, H, after) > np.einsum("ni,ij,nj->n", w, H, w)).mean()
    assert up_moves.chance_of_rise(H, S, S @ M.T) == pytest.approx(often, abs=6 * 0.5 / len(w) ** 0.5)
    assert often < 0.48


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"correlation = 1.1: expected a number in \[-1, 1\]"):
        up_moves.mean_rise(1.0, 1.0, 1.1)
    with pytest.raises(InvalidArgument, match="d = 0"):
        up_moves.mean_rise(1.0, 1.0, 0.5, 0)
    with pytest.raises(InvalidArgument, match=r"covariance of \(w, w'\) = a matrix that is no covariance"):
        up_moves.chance_of_rise(np.eye(1), np.eye(1), 2 * np.eye(1))
    assert up_moves.chance_of_rise(np.eye(2), np.eye(2), np.eye(2)) == 0.5
