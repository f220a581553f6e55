"""Random and extreme arguments: an assertion passes, fails or is undecided, or says in one line what is wrong."""

import re
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from theory import testing
from theory.core.validation import InvalidArgument

ROUNDS = 40
EDGES = (0.0, 1.0, -1.0, 1e-300, 1e300, 1e-12, 1e12, np.nan, np.inf, -np.inf)
Shape = tuple[int, ...]


class Draw:
    """Arguments at random: half of them plain, the others at an edge."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def number(self) -> float:
        return float(self.rng.choice(EDGES)) if self.rng.random() < 0.3 else 1.0

    def shape(self) -> Shape:
        points = int(self.rng.choice([1, 2, 3, 4, 5, 9, 10, 11, 40]))
        return (points,) if self.rng.random() < 0.5 else (points, int(self.rng.choice([1, 2, 3, 5])))

    def grid(self, points: int) -> np.ndarray:
        kinds = np.linspace(0, 10, points), np.geomspace(1e-3, 10, points), 10 ** np.linspace(-250, 250, points)
        return kinds[self.rng.integers(3)] if self.rng.random() < 0.9 else self.array((points,))

    def array(self, shape: Shape) -> np.ndarray:
        rng = self.rng
        decay = np.exp(-np.linspace(0, 50 * rng.exponential(), shape[0])).reshape(-1, *(1 for _ in shape[1:]))
        with_an_edge = rng.exponential(size=shape)
        with_an_edge.flat[rng.integers(with_an_edge.size)] = rng.choice(EDGES)
        kinds = [
            np.full(shape, self.number()),
            10.0 ** rng.uniform(-200, 200) * rng.normal(size=shape),
            10.0 ** rng.uniform(-300, 300, shape),
            rng.integers(0, 5, shape),
            rng.exponential(size=shape).astype(rng.choice([np.float16, np.float32])),
            with_an_edge,
            decay * np.exp(rng.choice([0, 1e-9, 0.01, 1]) * rng.normal(size=shape)),
        ]
        return kinds[rng.integers(len(kinds))]


def rates(draw: Draw) -> None:
    shape = draw.shape()
    testing.assert_rate(draw.grid(shape[0]), draw.array(shape), draw.number())


def least_rates(draw: Draw) -> None:
    shape = draw.shape()
    testing.assert_rate_at_least(draw.grid(shape[0]), draw.array(shape), draw.number())


def slopes(draw: Draw) -> None:
    shape = draw.shape()
    testing.assert_slope(draw.grid(shape[0]), draw.array(shape), draw.number())


def orders(draw: Draw) -> None:
    shape = draw.shape()
    off_by = abs(draw.number()) if draw.rng.random() < 0.2 else 0.0
    testing.assert_order(0.5 ** np.arange(shape[0]), draw.array(shape), draw.number(), off_by=off_by)


def limits(draw: Draw) -> None:
    shape = draw.shape()
    values = draw.array(shape)
    testing.assert_tends_to({2.0**-i: value for i, value in enumerate(values)}, draw.number())


def bounds(draw: Draw) -> None:
    shape = draw.shape()
    testing.assert_below(draw.array(shape), draw.array(shape), resolves=float(draw.rng.choice([0.05, np.inf])))


def conserved(draw: Draw) -> None:
    shape = draw.shape()
    testing.assert_conserved(draw.array(shape), off_by=draw.number(), scale=draw.number())
    testing.assert_conserved(draw.array(shape))


def distributed(draw: Draw) -> None:
    laws = stats.norm(), stats.expon(), stats.cauchy(), stats.uniform()
    testing.assert_distributed(draw.array(draw.shape()), laws[draw.rng.integers(4)])


def same(draw: Draw) -> None:
    testing.assert_same_law(draw.array(draw.shape()), draw.array(draw.shape()))


@pytest.mark.parametrize(
    "assertion", [rates, least_rates, slopes, orders, limits, bounds, conserved, distributed, same]
)
def test_an_answer_or_one_line(assertion: Callable[[Draw], None]) -> None:
    answered = 0
    for seed in range(ROUNDS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assertion(Draw(seed))
            answered += 1
        except AssertionError:
            answered += 1
        except InvalidArgument as error:
            assert re.search(r" = .*: expected ", str(error)) and "\n" not in str(error)
    assert answered
