"""The Minnorm flow: rest, spectrum, orbits and collapse as functions of any input; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import collapse, minnorm
from theory.chain.problem import Chain, imbalance, product
from theory.core.validation import InvalidArgument
from theory.minnorm.tuning import Tuning

chains = st.builds(Chain, st.floats(0.3, 3), st.integers(1, 6), st.floats(0.5, 2), st.floats(1, 3))
tunings = st.builds(Tuning, st.floats(0.2, 2), st.floats(0.1, 3), st.floats(0, 3))


@settings(deadline=None)
@given(chains, tunings)
def test_the_minimum_rests(chain: Chain, tuning: Tuning) -> None:
    w = np.full(chain.L, chain.omega)
    dw, dmultiplier = minnorm.velocity(chain, tuning, w, minnorm.solution_multiplier(chain))
    assert np.allclose(dw, 0, atol=1e-11 * (1 + chain.s) ** 3)
    assert dmultiplier == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(chains, tunings)
def test_the_spectrum_is_that_of_the_velocity(chain: Chain, tuning: Tuning) -> None:
    """Trace and determinant against central differences, which stay accurate where eigenvalues meet."""
    n, step = chain.L + 1, 1e-5
    z = np.append(np.full(chain.L, chain.omega), minnorm.solution_multiplier(chain))
    move = lambda state: np.append(*minnorm.velocity(chain, tuning, state[:-1], state[-1]))  # noqa: E731
    J = np.stack([(move(z + step * e) - move(z - step * e)) / (2 * step) for e in np.eye(n)], axis=-1)
    spectrum = minnorm.spectrum(chain, tuning)
    assert spectrum.shape == (n,)
    scale = np.linalg.norm(J, ord=2)
    assert np.trace(J) == pytest.approx(spectrum.sum().real, abs=1e-6 * n * scale)
    assert np.linalg.det(J) == pytest.approx(spectrum.prod().real, abs=1e-5 * n * max(scale, 1) ** n)


@settings(deadline=None)
@given(chains, st.floats(0.2, 2))
def test_the_best_tuning_gathers_the_spectrum(chain: Chain, a: float) -> None:
    spectrum = minnorm.spectrum(chain, minnorm.best_tuning(chain, a))
    target = -a * chain.power * chain.omega ** (chain.power - 2)
    assert np.allclose(spectrum, target, rtol=1e-5)


@settings(deadline=None)
@given(chains)
def test_the_critical_augmentation_is_neutral(chain: Chain) -> None:
    critical = minnorm.critical_augmentation(chain)
    pair = minnorm.spectrum(chain, Tuning(1.0, 1.0, critical))[-2:]
    assert np.allclose(pair.real, 0, atol=1e-7)
    assert minnorm.critical_augmentation(chain, Tuning(b=2.0), 0.1) == pytest.approx(critical + 0.2)


def test_tunings_may_differ_between_runs() -> None:
    chain = Chain(1.7, 3)
    tuning = Tuning(np.array([1.0, 0.5]), 1.0, np.array([0.0, 1.0]))
    both = minnorm.spectrum(chain, tuning)
    assert both.shape == (2, 4)
    assert np.allclose(both[1], minnorm.spectrum(chain, Tuning(0.5, 1.0, 1.0)))


@settings(deadline=None)
@given(st.floats(0.05, 5), st.floats(-2, 3))
def test_the_energy_of_an_orbit_is_least_at_the_minimum(p: float, multiplier: float) -> None:
    chain, tuning = Chain(1.7, 2, x=1.2), Tuning(1.0, 0.7, 0.3)
    assert minnorm.orbit_energy(chain, tuning, chain.s, 1 / chain.x) == pytest.approx(0, abs=1e-15)
    assert minnorm.orbit_energy(chain, tuning, p, multiplier) >= -1e-15
    assert minnorm.orbit_dissipation(chain, tuning, p) <= 0


@settings(deadline=None)
@given(st.integers(3, 5), st.floats(0.05, 0.5), st.floats(0.1, 2))
def test_the_bound_on_a_collapse_starts_at_the_start_and_ends_at_nothing(L: int, w: float, b: float) -> None:
    chain, tuning = Chain(1.7, L), Tuning(1.0, b, 0.1)
    multiplier = (0.9 - collapse.collapse_criterion(chain, tuning, w, 0.0)) * w ** (2 - L)
    assert collapse.collapse_criterion(chain, tuning, w, multiplier) == pytest.approx(0.9)
    sizes = collapse.size_bound(chain, tuning, w, multiplier, np.array([0.0, 200.0]))
    assert sizes[0] == pytest.approx(w)
    assert sizes[1] < 1e-3 * w


GENERIC, W = Tuning(1.3, 0.7, 0.4), np.array([-0.8, -1.3, 0.6])


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_the_weights_descend_the_lagrangian_and_the_multiplier_integrates_the_error(power: float) -> None:
    """By central differences of N + lambda h + c h^2 / 2, h = x (s - p), at weights of either sign."""
    chain, multiplier, step = Chain(1.7, 3, x=1.2, power=power), 0.9, 1e-6

    def lagrangian(w: np.ndarray) -> float:
        h = 1.2 * (1.7 - w.prod())
        return (np.abs(w) ** power).sum() / power + multiplier * h + 0.4 * h**2 / 2

    gradient = [(lagrangian(W + step * e) - lagrangian(W - step * e)) / (2 * step) for e in np.eye(3)]
    moved, integrated = minnorm.velocity(chain, GENERIC, W, multiplier)
    assert moved == pytest.approx(-1.3 * np.array(gradient), abs=1e-8)
    assert integrated == pytest.approx(0.7 * 1.2 * (1.7 - 0.624), rel=1e-14)
    effective = minnorm.effective_multiplier(chain, GENERIC, W, multiplier)
    assert effective == pytest.approx(1.2 * (0.9 + 0.4 * 1.2 * (1.7 - 0.624)), rel=1e-14)
    along = 2 * W * moved
    assert minnorm.imbalance_velocity(chain, GENERIC, W) == pytest.approx(along[:-1] - along[1:], rel=1e-12)


def test_imbalances_of_runs_that_are_not_equally_fast() -> None:
    chain, w = Chain(1.7, 2, power=1.0), np.array([[2.0, 0.5], [-1.0, 3.0]])
    tuning = Tuning(np.array([0.5, 2.0]))
    assert minnorm.imbalance_velocity(chain, tuning, w) == pytest.approx(np.array([[-1.5], [8.0]]))


def test_the_multiplier_at_the_minimum() -> None:
    assert minnorm.solution_multiplier(Chain(8.0, 3, x=2.5)) == pytest.approx(0.2)
    assert minnorm.solution_multiplier(Chain(8.0, 3, x=2.5, power=1.0)) == pytest.approx(0.1)


def test_orbits_lose_the_energy_that_is_dissipated() -> None:
    """The energy by the chain rule along the velocity; with c = 0 it stays."""
    chain, w, multiplier, step = Chain(1.7, 2, x=1.2), np.full(2, 0.9), 0.35, 1e-6
    for tuning in (GENERIC, Tuning(1.3, 0.7, 0.0)):
        moved, integrated = minnorm.velocity(chain, tuning, w, multiplier)
        ahead, behind = (
            minnorm.orbit_energy(chain, tuning, product(w + t * moved), multiplier + t * integrated)
            for t in (step, -step)
        )
        lost = minnorm.orbit_dissipation(chain, tuning, product(w))
        assert (ahead - behind) / (2 * step) == pytest.approx(lost, abs=1e-8)
    expected = 1.3 * (1.2 * 0.35 - 1) ** 2 + 0.7 * 1.44 * (0.81 - 1.7 - 1.7 * np.log(0.81 / 1.7))
    assert minnorm.orbit_energy(chain, GENERIC, 0.81, 0.35) == pytest.approx(expected, rel=1e-13)
    assert minnorm.orbit_dissipation(chain, GENERIC, 0.81) == pytest.approx(-2 * 1.3 * 0.7 * 0.4 * 1.44**2 * 0.89**2)


def test_small_orbits_turn_as_their_eigenvalues_say() -> None:
    chain, naive = Chain(1.7, 2, x=1.2), Tuning(1.3, 0.7, 0.0)
    assert minnorm.spectrum(chain, naive)[-1] == pytest.approx(1j * minnorm.orbit_frequency(chain, naive))


@pytest.mark.parametrize("L", [3, 4, 5])
def test_the_bound_on_a_collapse_solves_its_equation(L: int) -> None:
    """v = w^(2-L) of the bound has v' = a (L-2) (v - m), m = x lambda + c sigma s + b sigma s t, and w(0) is the start.
    At the criterion 1 it starts where m will be after 1 / (a (L-2)), and stays as far ahead."""
    chain, w, multiplier, t, step = Chain(1.7, L, x=1.2), 0.3, 0.25, np.array([0.3, 0.8]), 1e-5
    v = lambda t: collapse.size_bound(chain, GENERIC, w, multiplier, t) ** (2.0 - L)  # noqa: E731
    m = lambda t: 1.2 * multiplier + 0.4 * 1.44 * 1.7 + 0.7 * 1.44 * 1.7 * t  # noqa: E731
    assert (v(t + step) - v(t - step)) / (2 * step) == pytest.approx(1.3 * (L - 2) * (v(t) - m(t)), rel=1e-7)
    assert collapse.size_bound(chain, GENERIC, w, multiplier, np.zeros(1)) == pytest.approx([w])
    ahead = m(1 / (1.3 * (L - 2)))
    assert collapse.collapse_criterion(chain, GENERIC, w, multiplier) == pytest.approx(w ** (L - 2) * ahead, rel=1e-13)


@pytest.mark.parametrize("L", [3, 4])
def test_the_growth_criterion_is_that_of_the_velocity(L: int) -> None:
    chain, w = Chain(1.7, L, x=1.2), np.full(L, 0.7)
    growth = minnorm.velocity(chain, GENERIC, w, 0.0)[0] / w
    assert growth == pytest.approx(1.3 * (collapse.growth_criterion(chain, GENERIC, 0.7) - 1), rel=1e-12)


def test_imbalances_are_differences_of_squares() -> None:
    assert imbalance(np.array([3.0, -1.0, 2.0])).tolist() == [8.0, -3.0]


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="depth 2, squared norm"):
        minnorm.orbit_energy(Chain(1.0, 3), Tuning(), 1.0, 1.0)
    with pytest.raises(InvalidArgument, match="depth 3 or more"):
        collapse.collapse_criterion(Chain(1.0, 2), Tuning(), 0.5, 0.0)
    with pytest.raises(InvalidArgument, match="depth 2, squared norm"):
        minnorm.orbit_energy(Chain(1.0, 2, power=1.0), Tuning(), 1.0, 1.0)
    with pytest.raises(InvalidArgument, match="depth 3 or more"):
        collapse.growth_criterion(Chain(1.0, 2), Tuning(), 0.5)
    with pytest.raises(InvalidArgument, match="depth 3 or more"):
        collapse.size_bound(Chain(1.0, 2), Tuning(), 0.5, 0.0, np.zeros(1))
    with pytest.raises(InvalidArgument, match="depth 3 or more"):
        collapse.growth_criterion(Chain(1.0, 3, power=1.0), Tuning(), 0.5)
