"""What holds of every chain: covariance under units and permutations, conserved quantities, independent computation."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from theory.chain import collapse, gradient_flow, minnorm, times, weight_decay
from theory.chain.problem import Chain, distance, imbalance, imbalance_solution, others, product
from theory.core.flows import flow
from theory.core.validation import InvalidArgument
from theory.minnorm.tuning import Tuning

few = settings(max_examples=20, deadline=None)
sizes = st.sampled_from([1e-60, 1e-3, 0.7, 1.0, 1.6, 1e4, 1e60])
weights = st.lists(st.floats(-2, 2), min_size=1, max_size=6)
tunings = st.builds(Tuning, st.floats(0.2, 2), st.floats(0.1, 3), st.floats(0, 3))


@few
@given(st.lists(st.tuples(st.floats(-2, 2), st.integers(-150, 150)), min_size=1, max_size=6))
def test_products_of_numbers_huge_beside_tiny(parts: list[tuple[float, int]]) -> None:
    """Against exact products, which overflow only in the end."""
    w = np.array([mantissa * 10.0**exponent for mantissa, exponent in parts])
    with mpmath.workdps(60), np.errstate(over="ignore"):
        exact = [mpmath.fprod(map(mpmath.mpf, w))]
        exact += [mpmath.fprod(mpmath.mpf(x) for j, x in enumerate(w) if j != l) for l in range(len(w))]
        for found, wanted in zip([product(w), *others(w)], exact):
            assert found == pytest.approx(float(wanted), rel=1e-13, abs=1e-300)


@few
@given(
    st.floats(0.3, 3), st.integers(2, 6), tunings, st.lists(st.floats(-2, 2), min_size=6, max_size=6), st.floats(-2, 2)
)
def test_the_imbalance_moves_as_the_weights_do(
    s: float, L: int, tuning: Tuning, w: list[float], multiplier: float
) -> None:
    """D' = 2 w_i w_i' - 2 w_j w_j' of the velocity, in which the multiplier cancels."""
    for power in (1.0, 1.7, 2.0):
        chain, state = Chain(s, L, 1.2, power), np.array(w[:L])
        moved = state * minnorm.velocity(chain, tuning, state, multiplier)[0]
        found = minnorm.imbalance_velocity(chain, tuning, state)
        assert found == pytest.approx(2 * (moved[:-1] - moved[1:]), rel=1e-9, abs=1e-9 * (1 + np.abs(moved).max()))


@few
@given(st.floats(0.3, 3), st.floats(1e-15, 1e-3), st.sampled_from([1e-50, 1.3, 1e50]), st.floats(1, 3))
def test_imbalances_of_close_weights_keep_their_digits(a: float, apart: float, size: float, power: float) -> None:
    w = size * np.array([1.0, 1.0 + apart])
    with mpmath.workdps(60):
        exact = -2 * mpmath.mpf(a) * (mpmath.mpf(w[0]) ** mpmath.mpf(power) - mpmath.mpf(w[1]) ** mpmath.mpf(power))
    found = minnorm.imbalance_velocity(Chain(1.3, 2, power=power), Tuning(a), w)
    assert found[0] == pytest.approx(float(exact), rel=1e-12)


@few
@given(weights, st.floats(0.3, 3), st.floats(0.5, 2), st.floats(-3, 3), st.floats(0, 3))
def test_the_effective_multiplier_is_the_slope_of_the_lagrangian(
    w: list[float], s: float, x: float, multiplier: float, c: float
) -> None:
    """lambda h + c h^2 / 2 falls by it as the product grows."""
    chain, state = Chain(s, len(w), x), np.array(w)
    value = lambda p: multiplier * x * (s - p) + c * (x * (s - p)) ** 2 / 2  # noqa: E731
    p, step = float(np.prod(state)), 1e-5
    expected = (value(p - step) - value(p + step)) / (2 * step)
    found = minnorm.effective_multiplier(chain, Tuning(c=c), state, multiplier)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6 * (1 + abs(p)))


@few
@given(st.floats(0.3, 3), st.floats(0.5, 2), st.floats(0.2, 2), st.floats(0.1, 3), st.floats(0, 1))
def test_small_orbits_turn_at_their_frequency(s: float, x: float, a: float, b: float, c: float) -> None:
    """The energy is (frequency^2 q^2 + q'^2) / (4 a s^2), q = p - s, q' = 2 a s (x lambda - 1), about the minimum; and
    it is lost as `orbit_dissipation` says, by central differences along the velocity."""
    chain, tuning = Chain(s, 2, x), Tuning(a, b, c)
    frequency, q, speed = minnorm.orbit_frequency(chain, tuning), 1e-5 * s, 1e-5
    energy = minnorm.orbit_energy(chain, tuning, s + q, (1 + speed) / x)
    assert energy == pytest.approx(a * speed**2 + (frequency * q) ** 2 / (4 * a * s**2), rel=1e-4)
    w, multiplier, step = np.full(2, np.sqrt(1.3 * s)), 0.4 / x, 1e-6
    moved, integrated = minnorm.velocity(chain, tuning, w, multiplier)
    ahead, behind = (
        minnorm.orbit_energy(chain, tuning, product(w + k * step * moved), multiplier + k * step * integrated)
        for k in (1, -1)
    )
    lost = minnorm.orbit_dissipation(chain, tuning, 1.3 * s)
    assert (ahead - behind) / (2 * step) == pytest.approx(lost, rel=1e-4, abs=1e-6 * (1 + ahead))


def test_the_energy_of_products_far_below_the_target() -> None:
    """p - s - s log(p / s), p = 1e-150: once infinite, as p - s rounds to -s."""
    chain = Chain(1.0, 2)
    assert minnorm.orbit_energy(chain, Tuning(), 1e-150, 1.0) == pytest.approx(150 * np.log(10) - 1)


@few
@given(sizes, sizes, st.integers(1, 6), st.floats(-3, 3))
def test_spectra_do_not_know_units(unit: float, speed: float, L: int, shift: float) -> None:
    """Faster a and b: eigenvalues as much larger. Other inputs x, with b and c in proportion to 1 / x^2: the same."""
    chain, other = Chain(1.7, L), Chain(1.7, L, unit)
    tuning = Tuning(1.3, 0.7, minnorm.critical_augmentation(chain) + shift)
    scaled = Tuning(1.3 * speed, 0.7 * speed / unit / unit, tuning.c / unit / unit)
    found = minnorm.spectrum(other, scaled) / speed
    assert np.allclose(found, minnorm.spectrum(chain, tuning), rtol=1e-6)
    best = minnorm.best_tuning(other, speed)
    assert best.c * unit * unit == pytest.approx(minnorm.best_tuning(chain).c, rel=1e-12)
    assert best.b * unit * unit / speed == pytest.approx(minnorm.best_tuning(chain).b, rel=1e-12)


@few
@given(st.lists(st.tuples(st.floats(0.1, 2), st.integers(-60, 60)), min_size=1, max_size=5), st.floats(0.3, 3))
def test_limits_of_starts_of_any_size(parts: list[tuple[float, int]], s: float) -> None:
    """The product is s and the imbalance that of the start: in 60 digits, or more where sizes differ more."""
    chain, w = Chain(s, len(parts)), np.array([x * 10.0**e for x, e in parts])
    end = gradient_flow.limit(chain, w)
    assert (end > 0).all()
    with mpmath.workdps(400):
        logs = mpmath.fsum(mpmath.log(mpmath.mpf(x)) for x in end)
        assert float(logs - mpmath.log(s)) == pytest.approx(0, abs=1e-11)
    order = np.argsort(w)
    assert (np.diff(end[order]) >= -1e-12 * end[order][1:]).all()
    assert np.allclose(imbalance(end), imbalance(w), rtol=1e-9, atol=1e-9 * max((w**2).max(), (end**2).max()))


@few
@given(
    st.integers(3, 5),
    st.floats(0.3, 2),
    st.floats(0.05, 1.5),
    st.floats(0.05, 2),
    st.floats(0.1, 2),
    st.floats(0.6, 1.6),
)
def test_collapse_and_growth_are_told_before(L: int, s: float, b: float, c: float, a: float, level: float) -> None:
    """Of a balanced chain integrated from multiplier 0: below the bound, and shrinking where the criterion says so;
    growing at first iff c sigma (s - p) w^(L-2) > 1."""
    chain, tuning = Chain(s, L, 1.2), Tuning(a, b, c)
    unit = collapse.collapse_criterion(chain, tuning, 1.0, 0.0)
    w = (level / unit) ** (1 / (L - 2))
    assert collapse.collapse_criterion(chain, tuning, w, 0.0) == pytest.approx(level)

    def velocity(_: float, state: dict) -> dict:
        moved, integrated = minnorm.velocity(chain, tuning, state["w"], state["multiplier"])
        return {"w": moved, "multiplier": integrated}

    grows = minnorm.velocity(chain, tuning, np.full(L, w), 0.0)[0][0] > 0
    assert grows == (collapse.growth_criterion(chain, tuning, w) > 1)
    if level < 0.95 or w < 3:
        t = np.array([0.0, 0.1, 0.5, 2.0]) / a
        sizes = flow(velocity, {"w": np.full(L, w), "multiplier": np.zeros(())}, t, relative_tolerance=1e-8)["w"][:, 0]
        assert (sizes <= collapse.size_bound(chain, tuning, w, 0.0, t) * (1 + 1e-6)).all()


def test_chains_of_weights_below_0_have_no_criterion() -> None:
    for call in (collapse.growth_criterion, lambda *given: collapse.collapse_criterion(*given, 0.0)):
        with pytest.raises(InvalidArgument, match=r"w = -0.5: expected weights of at least 0"):
            call(Chain(1.0, 3), Tuning(), -0.5)


@few
@given(st.integers(1, 6), st.floats(0.3, 3), st.floats(0.5, 2), st.sampled_from([1e-40, 1.0, 1e40]))
def test_small_biases_are_those_of_the_equilibrium(L: int, s: float, x: float, unit: float) -> None:
    """To first order in gamma; and |w - w*| = kappa gamma is dp = L omega^(L-1) dw of it, in any unit c: s c^L."""
    chain, scaled = Chain(s, L, x), Chain(s * unit, L, x)
    gamma = 1e-6 * min(weight_decay.collapse_threshold(chain), chain.sigma)
    bias = weight_decay.small_bias(chain, gamma)
    assert bias == pytest.approx(s - weight_decay.equilibrium(chain, gamma), rel=1e-4)
    kappa = weight_decay.distance_per_gamma(chain)
    assert kappa * gamma == pytest.approx(np.sqrt(L) * bias / (L * s ** ((L - 1) / L)), rel=1e-12)
    c = unit ** (1 / L)
    assert weight_decay.distance_per_gamma(scaled) == pytest.approx(kappa * c / c ** (2 * L - 2), rel=1e-9)
    assert weight_decay.annealed_time(chain, 0.9, 1e-3) == pytest.approx(900 * kappa)


@few
@given(st.integers(2, 5), st.floats(0.3, 3), st.floats(0.1, 2), st.floats(-3, -0.5), st.integers(0, 9999))
def test_the_best_decay_is_no_slower_than_any(L: int, s: float, spread: float, exponent: float, seed: int) -> None:
    """Against scipy's minimum over log theta, and in other units: w c, epsilon c, times c^(2 - 2 L) as long."""
    chain, w = Chain(s, L, 1.2), 1 + spread * np.random.default_rng(seed).random(L)
    A = np.linalg.norm(w**2 - np.mean(w**2)) / (2 * s ** (1 / L))
    epsilon = A * 10**exponent
    left = lambda u: np.log(A / epsilon / np.sqrt(1 - np.exp(2 * u))) / np.exp(u)  # noqa: E731
    best = minimize_scalar(left, bounds=(-5, -1e-9), method="bounded", options={"xatol": 1e-9}).fun
    kappa = np.sqrt(L) * s ** (1 / L) / (1.44 * L * s ** (2 - 2 / L))
    found = weight_decay.best_fixed_time(chain, w, epsilon)
    assert found == pytest.approx(kappa / (2 * epsilon) * best, rel=1e-6)
    scaled = weight_decay.best_fixed_time(Chain(s * 3.0**L, L, 1.2), 3 * w, 3 * epsilon)
    assert scaled == pytest.approx(found * 9.0 ** (1 - L), rel=1e-6)


@few
@given(st.floats(0.2, 3), st.floats(1e-6, 0.5), st.sampled_from([1e-30, 1.0, 1e30]), st.floats(-0.2, 0.2))
def test_a_hitting_time_is_that_of_the_function(rate: float, epsilon: float, unit: float, bend: float) -> None:
    """Of exp(-rate t - bend sin t), whatever the unit of distances; later for smaller accuracies."""
    t = np.linspace(0, 12 / rate, 241)
    distances = unit * np.exp(-rate * t - bend * rate * np.sin(t))
    found = times.hitting_time(t, distances, unit * epsilon)
    if np.isinf(found):
        assert distances[-1] > unit * epsilon
        return
    assert np.exp(-rate * found - bend * rate * np.sin(found)) == pytest.approx(epsilon, rel=1e-4)
    several = times.hitting_times(t, distances, [unit * epsilon, unit * epsilon * 1.1])
    assert several[0] == found > several[1]


def test_what_is_no_number_has_not_arrived() -> None:
    t = np.arange(4.0)
    assert times.hitting_time(t, np.array([1.0, 0.1, 0.01, np.nan]), 0.5) == np.inf
    assert times.hitting_time(t, np.array([1.0, np.nan, 0.1, 0.01]), 0.5) > 1
    with pytest.raises(InvalidArgument, match="expected finite times in strictly increasing order"):
        times.hitting_time(t[::-1], np.ones(4), 0.5)


@settings(max_examples=1, deadline=None)
@given(st.permutations([1.8, 1.0, 0.9]), st.sampled_from([0.8, 1.3]))
def test_times_of_flows_do_not_know_units_or_the_order_of_weights(w: list[float], c: float) -> None:
    """w -> c w, s -> c^L s, epsilon -> c epsilon, at input x -> x c^(1-L): gamma, lambda and times stay."""
    one, other = Chain(1.7, 3), Chain(1.7 * c**3, 3, x=c**-2)
    start, epsilons = np.array(w), np.array([0.1, 0.03])
    ordered = np.array([1.8, 1.0, 0.9])
    kappa = weight_decay.distance_per_gamma(one)
    pairs = [
        [times.decayed_times(chain, v, np.array([0.8, 1.4]) * 0.05 / kappa, 0.05 * k) for chain, v, k in each]
        for each in [((one, ordered, 1), (other, c * start, c))]
    ]
    pairs += [
        [times.annealed_times(chain, v, k * epsilons) for chain, v, k in ((one, ordered, 1), (other, c * start, c))]
    ]
    pairs += [
        [
            times.two_phase_times(chain, v, 0.5, k * epsilons)
            for chain, v, k in ((one, ordered, 1), (other, c * start, c))
        ]
    ]
    pairs += [[times.fixed_time(chain, v, 0.05 * k) for chain, v, k in ((one, ordered, 1), (other, c * start, c))]]
    t = np.array([0.0, 0.7, 3.0])
    pairs += [
        [times.minnorm_distances(chain, minnorm.best_tuning(chain, 0.8), v, t) / k for chain, v, k in each]
        for each in [((one, ordered, 1), (other, c * start, c))]
    ]
    for first, second in pairs:
        assert second == pytest.approx(first, rel=1e-5)


def test_times_from_far_away_are_times() -> None:
    """A start of 40 forgets for log(40^2 / epsilon) / 2: not infinite, as after a fixed share of it."""
    chain, w = Chain(1.7, 2), np.array([40.0, 0.5])
    found = times.decayed_times(chain, w, np.array([0.3]), 1.0)[0]
    assert np.isfinite(found)
    at = flow(lambda _, state: {"w": weight_decay.velocity(chain, state["w"], 0.3)}, {"w": w}, [found], method="LSODA")[
        "w"
    ][-1]
    assert distance(chain, at) == pytest.approx(1.0, rel=1e-6)


def test_requests_that_no_flow_meets_are_refused() -> None:
    chain, w = Chain(1.7, 3), np.array([1.8, 1.0, 0.9])
    with pytest.raises(InvalidArgument, match="epsilon = 3.0: expected an accuracy small against omega"):
        times.fixed_time(chain, w, 3.0)
    with pytest.raises(InvalidArgument, match="gamma = -1.0"):
        times.decayed_times(chain, w, np.array([0.1, -1.0]), 0.1)
    for call in (times.annealed_times, lambda *given: times.two_phase_times(*given[:2], 0.5, given[2])):
        with pytest.raises(InvalidArgument, match="epsilon = 1e-15"):
            call(chain, w, np.array([0.1, 1e-15]))
    with pytest.raises(InvalidArgument, match=r"\(sigma, g, omega\^k\) = .*: expected numbers from 1e-200 to 1e\+200"):
        Chain(1e300, 3)


def test_a_rate_for_all_runs_at_several_times() -> None:
    w = np.array([[3.0, 1.0], [2.0, 1.0]])
    found = imbalance_solution(w, 0.5, np.array([0.0, np.log(2), np.inf]))
    assert np.allclose(found[..., 0], [[8, 3], [4, 1.5], [0, 0]])
