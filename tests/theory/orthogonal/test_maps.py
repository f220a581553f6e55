"""Maps onto the orthogonal matrices, penalties and blocks: what the claims do not ask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import asymptotics, maps, preserving, relaxed, stochastic


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_every_map_is_the_identity_on_orthogonal_matrices(seed: int, d: int) -> None:
    R = np.linalg.qr(np.random.default_rng(seed).standard_normal((2, d, d)))[0]
    assert maps.gram_schmidt(R) == pytest.approx(R, abs=1e-12)
    assert maps.polar(R) == pytest.approx(R, abs=1e-12)
    assert maps.distance_to_orthogonal(R) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_maps_are_orthogonal(seed: int, d: int) -> None:
    P = np.random.default_rng(seed).standard_normal((3, d, d))
    for map in (maps.gram_schmidt, maps.householder, maps.polar):
        assert map(P).shape == P.shape
        assert maps.defect(map(P)).max() < 1e-12


def test_the_polar_differential_is_self_adjoint() -> None:
    P, A, B = np.random.default_rng(0).standard_normal((3, 5, 5))
    left, right = (maps.polar_differential(P, A) * B).sum(), (maps.polar_differential(P, B) * A).sum()
    assert left == pytest.approx(right, rel=1e-9)


def test_the_turn_is_skew_and_capped() -> None:
    rng = np.random.default_rng(0)
    R = np.linalg.qr(rng.standard_normal((4, 5, 5)))[0]
    w = preserving.direction(R, 100 * rng.standard_normal((4, 5, 5)), 0.1)
    assert np.linalg.norm(w, axis=(-2, -1)) == pytest.approx(1)
    assert w + w.mT == pytest.approx(0, abs=1e-12)


def test_no_turn_no_defect() -> None:
    assert preserving.defect_of_step(np.zeros((2, 3, 3))) == pytest.approx(0)
    before = np.diag([0.1, 0.2, 0.0])
    assert preserving.defect_after_step(np.zeros((3, 3)), before) == pytest.approx(before)


def test_without_weight_to_speak_of_the_target_is_reached_and_with_all_of_it_the_orthogonal_matrix() -> None:
    s = np.array([2.0, 0.5])
    for minimiser in (relaxed.squared_penalty_minimiser, relaxed.unsquared_penalty_minimiser):
        assert minimiser(s, 1e-9) == pytest.approx(s, rel=1e-7)
        assert minimiser(s, 1e9) == pytest.approx(1, rel=1e-8)


def test_the_unsquared_minimiser_is_continuous_at_the_threshold() -> None:
    s = np.array([1.8, 1.1, 0.6])
    below = relaxed.unsquared_penalty_minimiser(s, relaxed.threshold(s) * (1 - 1e-6))
    assert below == pytest.approx(1, abs=1e-4)
    assert not np.array_equal(below, np.ones(3))
    assert np.array_equal(relaxed.unsquared_penalty_minimiser(s, relaxed.threshold(s)), np.ones(3))


def test_shares_and_rounds_of_the_extreme_blocks() -> None:
    assert stochastic.captured_share(6, 6) == 1
    assert stochastic.captured_share(6, 1) == 0
    assert stochastic.most_rounds_to_see_all_pairs(6, 6) == 1
    assert stochastic.most_rounds_to_see_all_pairs(6, 1) == np.inf
    assert stochastic.rounds_to_see_all_pairs(2) == 1


def test_asymptotic_minimality_is_asked_of_d_and_s() -> None:
    assert asymptotics.asymptotically_minimal(4, 2.9)
    assert not asymptotics.asymptotically_minimal(4, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relaxed.squared_penalty_minimiser(np.ones(2), 0), "weight = 0: expected a finite number above 0"),
        (lambda: relaxed.unsquared_penalty_minimiser(np.ones(2), -1), "weight = -1"),
        (lambda: stochastic.captured_share(4, 5), r"p = 5: expected a number in \[1, 4\]"),
        (lambda: stochastic.captured_share(1, 1), r"d = 1: expected a number in \[2, inf\)"),
        (lambda: asymptotics.spectral_edges(1.0), r"ratio = 1.0: expected a number in \(0, 1\)"),
        (lambda: asymptotics.smeared_potential(3.0), r"r = 3.0: expected a number in \[0, 2\]"),
        (lambda: asymptotics.least_energy_bound(3, 0.0), "r = 0.0: expected a finite number above 0"),
        (lambda: maps.lengthened(np.ones(2), np.ones(2), 0.0), "learning_rate = 0.0"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()
