"""What each assertion lets pass: data that are 0, 1, 2, 5 and 10 % off what is asserted, at the default resolution."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from theory import testing
from theory.testing import Undecided

OFF = (0.0, 0.01, 0.02, 0.05, 0.10)
PASSES, UNDECIDED, REFUSED = "passes", "undecided", "refused"
Assertion = Callable[[float], None]


def outcome(assertion: Assertion, off: float) -> str:
    try:
        assertion(1 + off)
    except Undecided:
        return UNDECIDED
    except AssertionError:
        return REFUSED
    return PASSES


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


T = np.linspace(0, 5, 40)
RUNS = 1 + 0.002 * rng().standard_normal(5)  # rates of five runs, 0.2 % apart
SKEWED = 1 + 0.01 * (rng().exponential(size=10) - 1)  # and of ten, 1 % apart, from an exponential law
WIDTH = np.geomspace(100, 1e5, 13)
H = 0.1 / 2.0 ** np.arange(4)
TRANSIENT = 1 + 0.5 * np.exp(-5 * T)


def decay(k: float) -> np.ndarray:
    return 3 * np.exp(-2 * k * T) * TRANSIENT


def decays(k: float, rates: np.ndarray) -> np.ndarray:
    return 3 * np.exp(-2 * k * np.multiply.outer(T, rates)) * TRANSIENT[:, None]


def on_its_way(k: float) -> np.ndarray:
    return np.exp(-2 * k * T) * (1 + 0.5 * np.exp(-T))


def noisy(k: float) -> np.ndarray:
    return np.exp(-2 * k * T + 0.0005 * rng().standard_normal(40))


def powers(k: float) -> np.ndarray:
    return WIDTH ** (-0.5 * k) * (1 + 1 / WIDTH)


def power_runs(k: float) -> np.ndarray:
    return WIDTH[:, None] ** (-0.5 * k) * (1 + 0.005 * rng().standard_normal((13, 20)))


def errors(k: float) -> np.ndarray:
    return 0.7 * H ** (2 * k) * (1 + 0.3 * H)


def euler(k: float) -> dict[float, float]:
    return {h: k * (1 - h) ** round(1 / h) for h in (0.1, 0.05, 0.025)}


def euler_runs(k: float) -> dict[float, np.ndarray]:
    start = 1 + 0.003 * rng().standard_normal(10)
    return {h: k * start * (1 - h) ** round(1 / h) for h in (0.1, 0.05, 0.025)}


def normal(n: int, k: float) -> np.ndarray:
    return k * rng().standard_normal(n)


def exponential(n: int, k: float) -> np.ndarray:
    return k * rng().exponential(size=n)


OTHERS = np.random.default_rng(4).exponential(size=20_000)

TABLE: dict[str, tuple[Assertion, tuple[str, ...]]] = {
    "rate of one run": (lambda k: testing.assert_rate(T, decay(k), 2), (PASSES, *4 * (REFUSED,))),
    "rate of one run that is still on its way": (
        lambda k: testing.assert_rate(T, on_its_way(k), 2),
        (PASSES, PASSES, PASSES, REFUSED, REFUSED),
    ),
    "rate of one noisy run": (
        lambda k: testing.assert_rate(T, noisy(k), 2),
        (PASSES, PASSES, REFUSED, REFUSED, REFUSED),
    ),
    "rate of five runs": (
        lambda k: testing.assert_rate(T, decays(k, RUNS), 2),
        (PASSES, PASSES, UNDECIDED, REFUSED, REFUSED),
    ),
    "rate of ten skewed runs": (
        lambda k: testing.assert_rate(T, decays(k, SKEWED), 2),
        (PASSES, PASSES, PASSES, REFUSED, REFUSED),
    ),
    "least rate of one run": (
        lambda k: testing.assert_rate_at_least(T, decay(1 / k), 2),
        (PASSES, *4 * (REFUSED,)),
    ),
    "least rate of five runs": (
        lambda k: testing.assert_rate_at_least(T, decays(1 / k, RUNS), 2),
        (PASSES, PASSES, UNDECIDED, REFUSED, REFUSED),
    ),
    "slope of one run": (lambda k: testing.assert_slope(WIDTH, powers(k), -0.5), (PASSES, *4 * (REFUSED,))),
    "slope of twenty runs": (
        lambda k: testing.assert_slope(WIDTH, power_runs(k), -0.5),
        (PASSES, PASSES, REFUSED, REFUSED, REFUSED),
    ),
    "order": (lambda k: testing.assert_order(H, errors(k), 2), (PASSES, REFUSED, REFUSED, REFUSED, REFUSED)),
    "limit of one": (lambda k: testing.assert_tends_to(euler(k), np.exp(-1)), (PASSES, *4 * (REFUSED,))),
    "limit of ten runs": (
        lambda k: testing.assert_tends_to(euler_runs(k), np.exp(-1)),
        (PASSES, PASSES, REFUSED, REFUSED, REFUSED),
    ),
    "bound": (lambda k: testing.assert_below(k * decay(1), decay(1)), (PASSES, *4 * (REFUSED,))),
    "bound that is sharp": (
        lambda k: testing.assert_below(decay(1) / k, decay(1), resolves=0.05),
        (PASSES, PASSES, PASSES, UNDECIDED, UNDECIDED),
    ),
    "conserved": (lambda k: testing.assert_conserved(np.linspace(1, k, 50)), (PASSES, *4 * (REFUSED,))),
    "conserved to 2 %": (
        lambda k: testing.assert_conserved(np.linspace(1, k, 50), off_by=0.0201),
        (PASSES, PASSES, PASSES, REFUSED, REFUSED),
    ),
    "law of 20000 draws": (
        lambda k: testing.assert_distributed(normal(20_000, k), stats.norm()),
        (PASSES, PASSES, PASSES, REFUSED, REFUSED),
    ),
    "law of 2000 draws": (
        lambda k: testing.assert_distributed(normal(2_000, k), stats.norm()),
        (UNDECIDED, UNDECIDED, UNDECIDED, UNDECIDED, REFUSED),
    ),
    "same law of 20000 draws": (
        lambda k: testing.assert_same_law(exponential(20_000, k), OTHERS),
        (PASSES, PASSES, PASSES, REFUSED, REFUSED),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_passes(name: str) -> None:
    assertion, expected = TABLE[name]
    assert tuple(outcome(assertion, off) for off in OFF) == expected


@pytest.mark.parametrize("name", TABLE)
def test_nothing_passes_that_is_twice_as_far_off_as_it_resolves(name: str) -> None:
    """The other way round, too: a tenth less than what is asserted."""
    assertion, expected = TABLE[name]
    one_sided = name == "bound" or name.startswith("least rate")
    assert outcome(assertion, 1 / 1.1 - 1) == (PASSES if one_sided else REFUSED)
    assert expected[-1] != PASSES
