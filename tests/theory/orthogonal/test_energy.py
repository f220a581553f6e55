"""Hyperspherical energy: its definition, moments by quadrature, minima by their points; errors."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from theory.core.validation import InvalidArgument
from theory.orthogonal import energy

POWERS = (0, 0.5, 1, 2, 3)
networks = st.tuples(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 9), st.sampled_from(POWERS))


@given(networks)
def test_no_network_is_below_the_simplex_bound(case: tuple[int, int, int, float]) -> None:
    seed, d, N, s = case
    W = np.random.default_rng(seed).standard_normal((4, d, N))
    assert (energy.energy(W, s) >= energy.simplex_energy(N, s) - 1e-10 * N**2).all()


@given(networks)
def test_lengths_and_order_of_the_neurons_do_not_matter(case: tuple[int, int, int, float]) -> None:
    seed, d, N, s = case
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((d, N))
    other = (W * rng.uniform(0.5, 2, N))[:, rng.permutation(N)]
    assert energy.energy(other, s) == pytest.approx(energy.energy(W, s), rel=1e-9, abs=1e-9)


def test_a_batch_is_its_members() -> None:
    W = np.random.default_rng(0).standard_normal((3, 2, 4, 5))
    assert energy.energy(W, 1).shape == (3, 2)
    assert energy.energy(W, 1)[2, 1] == pytest.approx(energy.energy(W[2, 1], 1))
    assert energy.half_space_energy(W, 1).shape == (3, 2)


def test_special_values_of_the_pair() -> None:
    assert energy.mean_of_pair(3, 1) == pytest.approx(1)
    assert energy.mean_of_pair(2, 0) == pytest.approx(0, abs=1e-14)
    assert energy.mean_of_pair(3, 0) == pytest.approx(0.5 - np.log(2))
    for d in (4, 5, 9, 100):
        assert energy.mean_of_pair(d, 2) == pytest.approx((d - 2) / (2 * (d - 3)))


@pytest.mark.parametrize("s", [2, 2.5, 4])
def test_the_mean_is_infinite_from_d_minus_1_on(s: float) -> None:
    assert energy.mean_of_pair(3, s) == np.inf
    assert energy.mean_energy(5, 3, s) == np.inf


def test_the_variance_is_infinite_from_half_of_it_on() -> None:
    assert energy.variance_energy(5, 3, 1) == np.inf
    assert 0 < energy.variance_energy(5, 4, 1) < np.inf
    # f_s ~ 1 + s f_0 for small s
    assert energy.variance_of_pair(6, 1e-4) / 1e-8 == pytest.approx(energy.variance_of_pair(6, 0), rel=1e-3)


def test_neurons_that_agree_have_infinite_energy() -> None:
    W = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    assert energy.energy(W, 0) == np.inf and energy.energy(W, 1) == np.inf


def test_many_inputs_make_all_angles_right() -> None:
    assert energy.mean_of_pair(10**6, 1) == pytest.approx(2**-0.5, rel=1e-5)


def test_the_known_minima_agree_where_two_apply() -> None:
    for s in POWERS:
        assert energy.polygon_energy(3, s) == pytest.approx(energy.simplex_energy(3, s))
        assert energy.polygon_energy(4, s) == pytest.approx(energy.cross_polytope_energy(2, s))
        assert energy.half_space_minimum(4, 4, s) == pytest.approx(energy.cross_polytope_energy(4, s))
    assert energy.polygon_energy(7, 0) == pytest.approx(-7 * np.log(7))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: energy.energy(np.eye(3), -1), r"s = -1: expected a number in \[0, inf\)"),
        (lambda: energy.mean_of_pair(1, 1), r"d = 1: expected a number in \[2, inf\)"),
        (lambda: energy.mean_of_pair(3, float("nan")), "s = nan"),
        (lambda: energy.mean_energy(0, 3, 1), "N = 0: expected a whole number of at least 1"),
        (lambda: energy.simplex_energy(1, 1), "N = 1: expected at least 2 neurons"),
        (lambda: energy.minimum(5, 1, 1), r"d = 1"),
        (lambda: energy.minimum(4, 3, -1), r"s = -1"),
        (lambda: energy.half_space_minimum(3, 3, -1), r"s = -1"),
        (lambda: energy.polygon_energy(0, 1), "N = 0"),
        (lambda: energy.cross_polytope_energy(0, 1), "d = 0"),
        (lambda: energy.minimum(7, 3, 1), "N = 7: expected at most 4, or 6, for a minimum that is known at d = 3"),
        (lambda: energy.half_space_minimum(5, 4, 1), r"N = 5: expected a number in \[1, 4\]"),
    ],
)
def test_errors_name_the_argument(call, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        call()


def pair_mean(d: int, power: float, s: float) -> float:
    """E f_s^power of two random directions, by the density of the angle between them."""
    f = lambda angle: float(energy.kernel(2 - 2 * np.cos(angle), s)) ** power * np.sin(angle) ** (d - 2)  # noqa: E731
    whole = integrate.quad(lambda angle: np.sin(angle) ** (d - 2), 0, np.pi)[0]
    return integrate.quad(f, 0, np.pi)[0] / whole


def by_hand(W: np.ndarray, s: float) -> float:
    """The sum over ordered pairs, from its definition."""
    directions = (W / np.linalg.norm(W, axis=0)).T
    distances = [np.linalg.norm(x - y) for x, y in permutations(directions, 2)]
    return float(sum(-np.log(z) if s == 0 else z**-s for z in distances))


@pytest.mark.parametrize("s", [0, 0.5, 1, 3])
def test_the_energy_is_its_definition(s: float) -> None:
    W = np.random.default_rng(1).standard_normal((3, 5))
    assert energy.energy(W, s) == pytest.approx(by_hand(W, s))
    assert energy.half_space_energy(W, s) == pytest.approx(by_hand(np.hstack([W, -W]), s))
    assert float(energy.kernel(0.49, s)) == pytest.approx(-np.log(0.7) if s == 0 else 0.7**-s)


def test_cosines_are_those_of_the_columns() -> None:
    W = np.array([[3.0, 0.0, 1.0], [4.0, 2.0, 0.0]])
    assert energy.cosines(W) == pytest.approx(np.array([[1, 0.8, 0.6], [0.8, 1, 0], [0.6, 0, 1]]))


@pytest.mark.parametrize(("d", "s"), [(2, 0.3), (3, 0), (4, 0), (4, 1), (7, 2), (9, 1.5)])
def test_mean_and_variance_of_a_pair_by_quadrature(d: int, s: float) -> None:
    mean = pair_mean(d, 1, s)
    assert energy.mean_of_pair(d, s) == pytest.approx(mean, rel=1e-7)
    assert energy.variance_of_pair(d, s) == pytest.approx(pair_mean(d, 2, s) - mean**2, rel=1e-6)
    assert energy.mean_energy(5, d, s) == pytest.approx(20 * energy.mean_of_pair(d, s))
    assert energy.variance_energy(5, d, s) == pytest.approx(40 * energy.variance_of_pair(d, s))


def test_where_the_moments_begin_to_be_infinite() -> None:
    assert energy.mean_of_pair(4, 2.999) < np.inf and energy.mean_of_pair(4, 3) == np.inf
    assert energy.variance_of_pair(4, 1.499) < np.inf and energy.variance_of_pair(4, 1.5) == np.inf
    assert energy.mean_energy(1, 4, 1) == 0
    assert energy.mean_of_pair(2, 0) == pytest.approx(0, abs=1e-14)
    with pytest.raises(InvalidArgument, match="d = 1"):
        energy.variance_of_pair(1, 0)


@pytest.mark.parametrize("s", [0, 1, 2.5])
def test_known_minima_are_the_energies_of_their_points(s: float) -> None:
    angles = 2 * np.pi * np.arange(5) / 5
    pentagon = np.stack([np.cos(angles), np.sin(angles)])
    tetrahedron = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    octahedron = np.hstack([np.eye(3), -np.eye(3)])
    assert energy.polygon_energy(5, s) == pytest.approx(by_hand(pentagon, s))
    assert energy.simplex_energy(4, s) == pytest.approx(by_hand(tetrahedron, s))
    assert energy.cross_polytope_energy(3, s) == pytest.approx(by_hand(octahedron, s))
    assert energy.simplex_energy(2, s) == pytest.approx(by_hand(np.array([[1.0, -1.0]]), s))
    assert energy.half_space_minimum(3, 4, s) == pytest.approx(by_hand(np.eye(4)[:, [0, 1, 2]] @ both(3), s))
    for N, d, points in ((5, 2, pentagon), (4, 3, tetrahedron), (6, 3, octahedron)):
        assert energy.minimum(N, d, s) == pytest.approx(by_hand(points, s))
    assert energy.minimum(3, 3, s) == pytest.approx(energy.simplex_energy(3, s))
    assert energy.half_space_minimum(1, 1, s) == pytest.approx(2 * float(energy.kernel(4, s)))


def both(N: int) -> np.ndarray:
    return np.hstack([np.eye(N), -np.eye(N)])
