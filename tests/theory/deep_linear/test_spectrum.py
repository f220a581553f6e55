"""The law of the rates against quadrature of the density, and against exact moments, on either side of n = d."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad

from theory.core.validation import InvalidArgument
from theory.deep_linear import spectrum
from theory.deep_linear.problem import Ensemble, draw

FUNCTIONS = {"decay": lambda x: np.exp(-1.3 * x), "noise": lambda x: (1 - np.exp(-x)) ** 2 / x, "cube": lambda x: x**3}


def by_quadrature(d: int, n: int, f: Callable[[float], float]) -> tuple[float, float]:
    """The leading sum over the rates, and its correction, n < d, straight from the module's formulas."""
    a = n / d
    low, high = (1 - a**0.5) ** 2, (1 + a**0.5) ** 2
    width = lambda x: np.sqrt((high - x) * (x - low))  # noqa: E731
    bulk = n * quad(lambda x: f(x) * width(x) / (2 * np.pi * a * x), low, high)[0]
    arc = quad(lambda u: f((low + high) / 2 + (high - low) / 2 * np.cos(u)), 0, np.pi)[0]
    return bulk, (f(low) + f(high)) / 4 - arc / (2 * np.pi)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(("d", "n"), [(10, 4), (21, 16)])
def test_sums_over_the_density(d: int, n: int, f: Callable) -> None:
    bulk, edge = by_quadrature(d, n, f)
    assert spectrum.bulk_sum(Ensemble(d, n), f) == pytest.approx(bulk, rel=1e-8)
    assert spectrum.edge_sum(Ensemble(d, n), f) == pytest.approx(edge, rel=1e-6)
    assert spectrum.expected_sum(Ensemble(d, n), f) == pytest.approx(bulk + edge, rel=1e-8)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_more_examples_than_inputs_are_the_transpose(f: Callable) -> None:
    # X (d, n) has the eigenvalues of its transpose, whose entries have the variance 1/d = (n/d) / n.
    bulk, edge = by_quadrature(25, 10, lambda x: f(2.5 * x))
    assert spectrum.bulk_sum(Ensemble(10, 25), f) == pytest.approx(bulk, rel=1e-8)
    assert spectrum.edge_sum(Ensemble(10, 25), f) == pytest.approx(edge, rel=1e-6)


@pytest.mark.parametrize(("d", "n"), [(10, 4), (7, 12)])
def test_low_moments_are_exact(d: int, n: int) -> None:
    assert spectrum.expected_sum(Ensemble(d, n), lambda x: x) == pytest.approx(n)
    assert spectrum.expected_sum(Ensemble(d, n), lambda x: x**2) == pytest.approx(n * (n + d + 1) / d)


def test_functions_of_many_values_keep_their_shape() -> None:
    powers = np.array([[1.0], [2.0]])
    sums = spectrum.expected_sum(Ensemble(10, 4), lambda x: x**powers)
    assert sums == pytest.approx([4, 6])


@pytest.mark.parametrize(("d", "n"), [(12, 4), (4, 12)])
def test_the_inverse_sum_is_that_of_draws(d: int, n: int) -> None:
    sampled = (1 / draw(Ensemble(d, n), np.random.default_rng(0), 20_000).rates).sum(-1)
    expected = spectrum.expected_inverse_sum(Ensemble(d, n))
    assert expected == pytest.approx(sampled.mean(), rel=0.02)
    assert expected == pytest.approx(d * 4 / 7)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_no_mean_next_to_as_many_examples_as_inputs(n: int) -> None:
    with pytest.raises(InvalidArgument, match=f"n = {n}"):
        spectrum.expected_inverse_sum(Ensemble(5, n))
    assert spectrum.expected_inverse_sum(Ensemble(5, 7)) == 25
    assert spectrum.expected_inverse_sum(Ensemble(5, 3)) == 15


def test_as_many_examples_as_inputs_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="n = 5: expected another number than d = 5"):
        spectrum.bulk_sum(Ensemble(5, 5), np.exp)
