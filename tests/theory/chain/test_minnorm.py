"""The Minnorm flow: rest, spectrum, orbits and collapse as functions of any input; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import collapse, minnorm
from theory.chain.problem import Chain
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


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="depth 2, squared norm"):
        minnorm.orbit_energy(Chain(1.0, 3), Tuning(), 1.0, 1.0)
    with pytest.raises(InvalidArgument, match="depth 3 or more"):
        collapse.collapse_criterion(Chain(1.0, 2), Tuning(), 0.5, 0.0)
    with pytest.raises(InvalidArgument, match="depth 3 or more"):
        collapse.growth_criterion(Chain(1.0, 3, power=1.0), Tuning(), 0.5)
