"""Step sizes that cannot be stable, inputs that hardly reach, and numbers that are none."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.minnorm.problems import well_conditioned
from theory.minnorm.stability import (
    Mode,
    critical_augmentation,
    largest_learning_rate,
    linear_chain,
    linear_model,
    require_stable,
    step_matrix,
)
from theory.minnorm.tuning import Tuning

MODES = (Mode(1.0, 2.0), Mode(1.0, 0.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.1, 1.0), "lr = 0.0"),
        ((-0.1, 0.1, 1.0), "lr = -0.1"),
        ((np.nan, 0.1, 1.0), "lr = nan"),
        ((0.1, -0.1, 1.0), "dual_learning_rate = -0.1"),
        ((0.1, np.nan, 1.0), "dual_learning_rate = nan"),
        ((0.1, 0.1, np.nan), "augmentation = nan"),
        ((0.1, 0.1, -1.0), "augmentation = -1.0"),
        ((0.1, 0.1, np.inf), "augmentation = inf"),
    ],
)
def test_steps_that_are_none(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        require_stable(MODES, *arguments, added=0.0)


def test_below_the_critical_augmentation_no_learning_rate_is_small_enough() -> None:
    """max (B - m / g) = 0.7 - 0.5."""
    assert largest_learning_rate(MODES, 0.7, 0.3) == pytest.approx(min(4 / (2 * 1.6 - 1.4), 4 / 2))
    with pytest.raises(InvalidArgument, match="augmentation = 0.1: expected a number above 0.2"):
        largest_learning_rate(MODES, 0.7, 0.1)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_modes_are_those_of_the_rank(unit: float) -> None:
    """(1, 2) and (2, 4) are parallel: one mode, g = 25, whatever rounding leaves of the other."""
    unreached, reached = linear_model(unit * np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert unreached == Mode(1.0, 0.0)
    assert reached.gram == pytest.approx(25 * unit**2)
    assert linear_model(np.zeros((2, 2))) == (Mode(1.0, 0.0),)
    assert len(linear_model(np.diag([1e7, 1.0]))) == 2


def test_no_augmentation_holds_what_no_constraint_reaches() -> None:
    """(1 - A m) x: it grows where m < 0, and stays where m = 0."""
    for m in (-1.0, 0.0):
        modes = (Mode(1.0, 2.0), Mode(m, 0.0))
        assert critical_augmentation(modes, 0.1) == np.inf
        assert np.abs(np.linalg.eigvals(step_matrix(modes[1], 0.1, 0.1, 9.0))).max() >= 1
        with pytest.raises(InvalidArgument, match="augmentation = 9.0: expected a number above inf"):
            largest_learning_rate(modes, 0.1, 9.0)
    assert critical_augmentation((Mode(1.0, 0.0),), 0.1) == -np.inf
    assert critical_augmentation((Mode(-1.0, 1e-320),), 0.1) == np.inf


@pytest.mark.parametrize(
    ("modes", "B", "message"),
    [
        ((), 0.1, "modes = "),
        ((Mode(np.nan, 1.0),), 0.1, "m = nan"),
        ((Mode(1.0, -1.0),), 0.1, "g = -1.0"),
        ((Mode(1.0, np.inf),), 0.1, "g = inf"),
        (MODES, np.nan, "dual_learning_rate = nan"),
        (MODES, -0.1, "dual_learning_rate = -0.1"),
    ],
)
def test_modes_that_are_none(modes: tuple, B: float, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        critical_augmentation(modes, B)
    with pytest.raises(InvalidArgument, match=message):
        largest_learning_rate(modes, B, 9.0)


@pytest.mark.parametrize("unit", [1e-100, 1e100])
@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_stable_ranges_of_chains_do_not_know_units(depth: int, unit: float) -> None:
    """w -> c w, s -> c^L s: g -> c^(2 L - 2) g, the multipliers' numbers by its inverse, the learning rate not."""
    one, other = linear_chain(depth, 1.7), linear_chain(depth, 1.7 * unit)
    scale = unit ** (2 / depth - 2)
    c = critical_augmentation(one, 0.1)
    assert critical_augmentation(other, 0.1 * scale) == pytest.approx(c * scale, rel=1e-9)
    larger = abs(c) + 1
    found = largest_learning_rate(other, 0.1 * scale, larger * scale)
    assert found == pytest.approx(largest_learning_rate(one, 0.1, larger), rel=1e-9)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"a": "1"}, "a = '1'"),
        ({"b": None}, "b = None"),
        ({"c": 1j}, "c = "),
        ({"b": np.array([1.0, np.nan])}, r"b\[1\] = nan"),
        ({"a": np.ones(2), "c": np.ones(3)}, r"shapes of a, b, c = \[\(2,\), \(\), \(3,\)\]"),
    ],
)
def test_numbers_of_a_flow_that_are_none(numbers: dict, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        _tuning(numbers)


def _tuning(numbers: dict) -> Tuning:
    """Past the annotations, which the tests check: as a user calls it."""
    tuning = object.__new__(Tuning)
    for name, value in ({"a": 1.0, "b": 1.0, "c": 0.0} | numbers).items():
        object.__setattr__(tuning, name, value)
    tuning.__post_init__()
    return tuning


def test_lists_are_numbers_of_runs() -> None:
    assert _tuning({"a": [1, 2]}).a.tolist() == [1.0, 2.0]
    assert Tuning(2.0).a == 2.0


@pytest.mark.parametrize("target", [0.0, 1e-200, 1e200, np.nan])
def test_chains_whose_curvature_is_no_number(target: float) -> None:
    with pytest.raises(InvalidArgument, match="target = "):
        linear_chain(3, target)


def test_models_whose_curvature_is_no_number() -> None:
    with pytest.raises(InvalidArgument, match="largest singular value of inputs = 1e"):
        linear_model(np.diag([1e200, 1.0]))


@pytest.mark.parametrize(
    ("mode", "A", "B", "c", "message"),
    [
        (Mode(np.inf, 1.0), 0.0, 0.5, 9.0, "m = inf"),
        (Mode(1.0, 0.0), 0.5, 0.5, np.inf, "c = inf"),
        (Mode(1.0, 1.0), np.nan, 0.5, 1.0, "A = nan"),
        (Mode(1.0, 1.0), 0.5, np.inf, 1.0, "B = inf"),
        (Mode(1.0, -1.0), 0.5, 0.5, 1.0, "g = -1"),
    ],
)
def test_steps_of_no_numbers(mode: Mode, A: float, B: float, c: float, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        step_matrix(mode, A, B, c)


def test_problems_of_no_run() -> None:
    with pytest.raises(InvalidArgument, match="runs = 0"):
        well_conditioned(np.random.default_rng(0), 0)


def test_at_the_critical_augmentation_but_for_rounding_every_learning_rate_is_small_enough() -> None:
    assert largest_learning_rate([Mode(-1.0, 1e-300)], 1e-300, 1e300 * (1 + 1e-15)) > 1e15
