"""Jumps from small starts against Riccati's equation in many digits; descent's clock; laws and their moments."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.deep_linear import saddle_to_saddle as theory
from theory.deep_linear.modes import decoupled_starts

RNG = np.random.default_rng
S, X = np.array([3.0, 2.1, 1.2]), 1.2
seeds, shares = st.integers(0, 10_000), st.floats(0.02, 0.98)


def half_times(G: Array) -> list[float]:
    """When the modes of the balanced flow from G are half learned, by the inverse of G^T G in fifty digits."""
    with mpmath.workdps(50):
        columns = mpmath.matrix(G.tolist())
        inverse = (columns.T * columns) ** -1

        def logit(t: mpmath.mpf, k: int) -> mpmath.mpf:
            M = mpmath.matrix(len(S))
            for i, j in np.ndindex(len(S), len(S)):
                M[i, j] = mpmath.exp(-(X**2) * (S[i] + S[j]) * t) * inverse[i, j]
            for i, s in enumerate(S):
                M[i, i] += -mpmath.expm1(-2 * X**2 * s * t) / s
            u = (M**-1)[k, k]
            return mpmath.log(u / (S[k] - u))

        law = theory.jump_times(S, X, G)
        return [float(mpmath.findroot(lambda t, k=k: logit(t, k), mpmath.mpf(law[k]))) for k in range(len(S))]


@pytest.mark.parametrize("seed", [0, 1])
def test_jump_times_tend_to_riccatis_with_the_neighbours_correction(seed: int) -> None:
    unit = RNG(seed).standard_normal((4, 3))
    off, corrected = (np.zeros((2, 3)) for _ in range(2))
    for i, size in enumerate((1e-4, 1e-6)):
        exact = np.array(half_times(size * unit))
        off[i] = exact - theory.jump_times(S, X, size * unit)
        corrected[i] = off[i] - theory.correction(S, X, size * unit)
    powers = np.log(off[0] / off[1]) / np.log(100)
    assert powers == pytest.approx(theory.error_exponents(S), abs=0.02)
    assert (np.abs(corrected) < 0.05 * np.abs(off)).all()


def test_exponents_are_those_of_the_nearer_neighbour() -> None:
    found = theory.error_exponents(np.array([4.0, 3.0, 1.0, 1.0, 0.1]))
    assert found == pytest.approx([0.5, 2 / 3, 0, 0, 2])
    assert theory.error_exponents(np.array([2.0])) == pytest.approx([2])


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 5), st.sampled_from([1e-60, 1e-20, 1e-3]), st.floats(0.5, 2))
def test_jumps_depend_on_lengths_that_rotations_keep(seed: int, h: int, size: float, unit: float) -> None:
    rng = RNG(seed)
    G = size * rng.standard_normal((2, h, 3))
    jumps = theory.jump_times(S, X, G)
    turned = np.linalg.qr(rng.standard_normal((h, h)))[0] @ G
    assert theory.jump_times(S, X, turned) == pytest.approx(jumps, rel=1e-9)
    assert theory.correction(S, X, turned) == pytest.approx(theory.correction(S, X, G), rel=1e-6, abs=1e-300)
    assert np.isinf(jumps[:, h:]).all()
    assert np.isfinite(jumps[:, :h]).all()
    # Strengths and the square of G in one unit of strength, times in its inverse.
    other = theory.jump_times(unit * S, X, np.sqrt(unit) * G)
    assert other[:, :h] == pytest.approx(jumps[:, :h] / unit)
    assert theory.correction(S, X, G)[:, h:] == pytest.approx(0)
    assert theory.error_exponents(unit * S) == pytest.approx(theory.error_exponents(S))
    u = theory.strengths(S, X, jumps, np.array([0.0, 1e6, np.inf]))
    assert u[1, :, :h] == pytest.approx(np.broadcast_to(S, (2, 3))[:, :h])
    assert u[:, :, h:] == pytest.approx(0)
    assert u[2] == pytest.approx(u[1])


@settings(max_examples=30, deadline=None)
@given(seeds, shares)
def test_sigmoids_pass_a_share_a_logit_after_half(seed: int, share: float) -> None:
    jumps = RNG(seed).uniform(5, 20, 3)
    late = np.log(share / (1 - share)) / (2 * X**2 * S)
    for k in range(3):
        t = float(jumps[k] + late[k])
        assert theory.strengths(S, X, jumps, t)[k] == pytest.approx(share * S[k])


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 0.1), shares, st.floats(0.5, 3))
def test_descent_of_one_mode_keeps_its_clock(a: float, share: float, s: float) -> None:
    """One mode, both layers alike: w <- w + eta x^2 w (s - w^2), and its share between two steps by its own clock."""
    eta, w = a / (X**2 * s), np.sqrt(s) * 1e-9
    start, steps = w**2, 0
    while (after := w + eta * X**2 * w * (s - w**2)) ** 2 < share * s:
        w, steps = after, steps + 1
    shares_around = np.array([w**2, after**2]) / s
    row = np.array([s])
    flow = [
        theory.flow_time(row, X, eta, np.array([eta * (steps + i)]), float(around))[0]
        for i, around in enumerate(shares_around)
    ]
    exact = np.log(shares_around / (1 - shares_around) * (s / start - 1)) / (2 * X**2 * s)
    assert flow == pytest.approx(exact, abs=3 * a**3 / (X**2 * s))


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 6), st.floats(0, 1e-3), st.floats(1e-6, 1e-3))
def test_laws_have_the_moments_that_their_densities_have(h: int, first: float, second: float) -> None:
    laws = theory.jump_time_laws(S, X, h, (first, second))
    assert [law.degrees for law in laws] == list(range(h, max(h - 3, 0), -1))
    for law in laws:
        low, high = law.ppf(1e-13), law.ppf(1 - 1e-13)
        moments = [
            integrate.quad(lambda t, p=p, law=law: t**p * law.pdf(t), low, high, points=[law.mean()])[0]
            for p in range(3)
        ]
        assert moments == pytest.approx([1, law.mean(), law.var() + law.mean() ** 2], rel=1e-7)
        assert law.cdf(law.ppf(0.3)) == pytest.approx(0.3)
        assert law.start(law.ppf(0.3)) * law.scale == pytest.approx(law.s * np.exp(-2 * law.rate * law.ppf(0.3)))


def test_starts_of_gaussian_layers_are_chi_squared() -> None:
    """The mean of 2e5 starts of k degrees of freedom is off by (2 / (2e5 k))^(1/2) of itself, below a fifth of 2 %."""
    rng, (first, second) = RNG(0), (0.3, 0.9)
    W1, W2 = first * rng.standard_normal((200_000, 4, 3)), second * rng.standard_normal((200_000, 3, 4))
    starts = decoupled_starts((W2.mT + W1) / 2)
    laws = theory.jump_time_laws(S, X, 4, (first, second))
    assert starts.mean(0) == pytest.approx([law.scale * law.degrees for law in laws], rel=0.02)
    t = theory.jump_times(S, X, (W2.mT + W1) / 2)
    assert t.mean(0) == pytest.approx([law.mean() for law in laws], abs=0.01)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: theory.jump_times(S[::-1], X, np.ones((2, 3))), "s = .*: expected a row of strengths that decrease"),
        (lambda: theory.correction(S, 0.0, np.ones((2, 3))), "x = 0.0: expected a number in"),
        (lambda: theory.flow_time(S, X, 0.5, np.ones(3)), "learning_rate x.2 s = 2.16: expected a number in"),
        (lambda: theory.flow_time(S, X, 0.1, np.ones(3), 1.0), "share = 1.0: expected a number in"),
        (lambda: theory.strengths(S, X, np.array([1.0, 2.0, -np.inf]), 1.0), "jumps.2. = -inf: expected"),
        (lambda: theory.jump_time_laws(S, X, 3, (0.0, 0.0)), "e_1.2 . e_2.2 = 0.0: expected a number in"),
        (lambda: theory.jump_time_laws(S, X, 0, (1.0, 1.0)), "h = 0: expected a whole number of at least 1"),
        (lambda: theory.error_exponents(np.array([1.0, 0.0])), r"s\[1\] = 0.0: expected a number in"),
    ],
)
def test_refusals(call: object, line: str) -> None:
    with pytest.raises(InvalidArgument, match=line):
        call()


@pytest.mark.parametrize("modes", [1, 2, 3, 4])
def test_each_mode_is_corrected_for_the_neighbours_it_has(modes: int) -> None:
    """Sum by sum, of one mode to four."""
    s, x = np.array([3.0, 2.2, 1.7, 1.0])[:modes], 0.7
    G = 1e-4 * np.random.default_rng(modes).standard_normal((5, 6, modes))
    R, t = np.linalg.qr(G, mode="r"), theory.jump_times(s, x, G)
    for k, found in enumerate(theory.correction(s, x, G).T):
        expected = np.zeros(5)
        if k + 1 < modes:
            expected += R[:, k, k + 1] ** 2 * np.exp(2 * x**2 * s[k + 1] * t[:, k]) / s[k + 1]
        if k > 0:
            taken = (R[:, k - 1, k] / R[:, k, k]) ** 2
            expected -= taken * np.exp(-2 * x**2 * s[k - 1] * (t[:, k] - t[:, k - 1]))
        assert found == pytest.approx(expected / (2 * x**2 * s[k]), rel=1e-9)
