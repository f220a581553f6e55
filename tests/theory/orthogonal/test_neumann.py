"""Cayley's map with its inverse cut off: against the series, its planes, where training rests, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.orthogonal import neumann
from theory.orthogonal.rotations import plane_rotation

few = settings(deadline=None, max_examples=30)
seeds, terms, sizes = st.integers(0, 10_000), st.integers(3, 9), st.integers(1, 6)


def skew(seed: int, d: int, norm: float) -> Array:
    half = np.random.default_rng(seed).standard_normal((d, d))
    Q = half - half.T
    return norm * Q / max(np.linalg.norm(Q, 2), 1e-300)


def series(Q: Array, j: int) -> Array:
    inner = sum((2 * np.linalg.matrix_power(Q, k) for k in range(1, j)), np.zeros_like(Q))
    return np.eye(len(Q)) + inner + np.linalg.matrix_power(Q, j)


@few
@given(seeds, sizes, st.floats(0, 2), terms)
def test_the_map_is_its_series_and_leaves_what_its_planes_leave(seed: int, d: int, norm: float, terms: int) -> None:
    Q, j = skew(seed, d, norm), neumann.powers(terms)
    R = neumann.neumann(Q, terms)
    assert R == pytest.approx(series(Q, j), abs=1e-9)
    theta = np.abs(np.linalg.eigvals(Q))
    left = np.linalg.eigvalsh(R @ R.T)
    assert np.sort(np.square(neumann.scale(theta, terms))) == pytest.approx(left, abs=1e-9)
    assert neumann.defect(theta, terms).max() == pytest.approx(np.abs(left - 1).max(), abs=1e-9)
    C = neumann.cayley(Q)
    assert C @ C.T == pytest.approx(np.eye(d), abs=1e-12)
    assert neumann.cayley(-Q) == pytest.approx(C.T, abs=1e-12)
    assert np.linalg.norm(R - C, 2) == pytest.approx(np.linalg.norm(Q, 2) ** j, abs=1e-9)


@given(st.floats(0, 5), terms)
def test_small_planes_are_known_to_all_their_digits(theta: float, terms: int) -> None:
    j = neumann.powers(terms)
    assert neumann.defect(theta, terms) == pytest.approx(abs(neumann.scale(theta, terms) ** 2 - 1), rel=1e-9, abs=1e-12)
    small = 1e-3 * theta
    leading = small ** (2 * j) if j % 2 else 2 * small**j
    assert neumann.defect(small, terms) == pytest.approx(leading, rel=1e-6, abs=1e-300)


@given(st.floats(1e-3, 3).filter(lambda theta: min(abs(theta - 1), abs(theta - 2**0.5)) > 1e-6))
def test_four_terms_leave_less_than_five_up_to_one_and_beyond_root_two(theta: float) -> None:
    assert neumann.powers(3) == neumann.powers(4) == 3 and neumann.powers(5) == 4
    assert (neumann.defect(theta, 4) < neumann.defect(theta, 5)) == (theta < 1 or theta > 2**0.5)


@few
@given(st.floats(0, np.pi / 2), terms)
def test_descent_rests_at_the_first_minimum(phi: float, terms: int) -> None:
    theta = neumann.trained_turn(phi, terms)
    loss = lambda x: float(neumann.turn_loss(x, phi, terms))  # noqa: E731
    found = minimize_scalar(loss, bounds=(0, 1.2), method="bounded", options={"xatol": 1e-12})
    assert loss(theta) <= found.fun + 1e-12
    on_the_way = np.array([loss(x) for x in np.linspace(0, theta, 30)])
    assert (np.diff(on_the_way) <= 1e-12).all()
    assert theta <= 1.2 and abs(theta - np.tan(phi / 2)) < 0.4


@few
@given(st.floats(-2, 2), st.floats(-3, 3), terms)
def test_the_loss_is_that_of_the_matrices(theta: float, phi: float, terms: int) -> None:
    Q = theta * np.array([[0.0, -1.0], [1.0, 0.0]])
    apart = neumann.neumann(Q, terms) - plane_rotation(2, (0, 1), phi)
    assert neumann.turn_loss(theta, phi, terms) == pytest.approx(np.square(apart).sum() / 2, rel=1e-9, abs=1e-12)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))
def test_a_butterfly_doubles_what_a_row_mixes(half: int, factors: int, more: int) -> None:
    row = 2 * half * 2 ** (factors - 1)
    assert neumann.butterfly_entries(more * row, 2 * half, factors) == more * row * row


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: neumann.powers(2), r"terms = 2: expected a number in \[3, 30\]"),
        (lambda: neumann.neumann(np.eye(2), 5), "Q = a matrix whose transpose is not -Q: expected a skew one"),
        (lambda: neumann.cayley(np.full((2, 2), np.nan)), "Q"),
        (lambda: neumann.scale(-1.0, 5), "theta = -1.0"),
        (lambda: neumann.defect(np.inf, 5), "theta = inf"),
        (lambda: neumann.turn_loss(0.1, np.nan, 5), "phi = nan"),
        (lambda: neumann.trained_turn(2.0, 5), "phi = 2.0"),
        (lambda: neumann.butterfly_entries(8, 3, 1), "block = 3: expected an even number"),
        (lambda: neumann.butterfly_entries(6, 2, 3), "d = 6: expected a multiple of block"),
    ],
)
def test_what_has_no_answer_is_refused_in_a_line(call, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        call()
