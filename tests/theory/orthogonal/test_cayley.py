"""The half turn by Cayley's map as a function of any input: times, semigroup, limits; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.validation import InvalidArgument
from theory.orthogonal import cayley
from theory.orthogonal.cayley import Plane

planes = st.builds(Plane, st.floats(0.1, 5), st.sampled_from([0.5, 1.0]))
starts = st.floats(0.01, 20)
times = st.floats(0, 1e4)


@settings(deadline=None)
@given(planes, starts, times, times)
def test_two_times_are_one(plane: Plane, start: float, first: float, second: float) -> None:
    between = float(cayley.half_turn_solution(plane, start, first))
    together = float(cayley.half_turn_solution(plane, start, first + second))
    assert float(cayley.half_turn_solution(plane, between, second)) == pytest.approx(together, rel=1e-9)


@settings(deadline=None)
@given(planes, starts, times)
def test_the_time_of_the_parameter(plane: Plane, start: float, t: float) -> None:
    a = float(cayley.half_turn_solution(plane, start, t))
    assert float(cayley.half_turn_time(plane, start, a)) == pytest.approx(t, rel=1e-6, abs=1e-9 * (1 + start) ** 4)


@settings(deadline=None)
@given(planes, starts)
def test_time_zero_and_infinity(plane: Plane, start: float) -> None:
    assert np.allclose(cayley.half_turn_solution(plane, start, np.array([0.0, np.inf])), [start, np.inf])


@settings(deadline=None)
@given(planes, starts)
def test_the_loss_becomes_its_power_law(plane: Plane, start: float) -> None:
    t = 1e12
    loss = cayley.half_turn_loss(plane, cayley.half_turn_solution(plane, start, t))
    assert float(loss) == pytest.approx(float(cayley.half_turn_asymptote(plane, t)), rel=1e-2)


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_shapes_of_times_and_starts(shape: tuple[int, ...]) -> None:
    plane, starts = Plane(1.0), np.array([0.5, 1.0])
    assert np.shape(cayley.half_turn_solution(plane, 0.5, np.ones(shape))) == shape
    assert cayley.half_turn_solution(plane, starts, np.ones(shape)).shape == (*shape, 2)
    assert cayley.exponential_solution(plane, 2.0, starts, np.ones(shape)).shape == (*shape, 2)


def test_the_parameter_grows() -> None:
    a = cayley.half_turn_solution(Plane(1.0), np.array([0.5, 1.0]), np.array([0.0, 1.0, 2.0]))
    assert (np.diff(a, axis=0) > 0).all()


@given(planes, st.floats(-3, 3), st.floats(-3, 3))
def test_the_exponential_map_begins_and_ends_where_it_should(plane: Plane, phi: float, theta: float) -> None:
    ends = cayley.exponential_solution(plane, phi, theta, np.array([0.0, np.inf]))
    assert np.exp(1j * ends) == pytest.approx(np.exp([1j * theta, 1j * phi]), abs=1e-12)


@settings(deadline=None)
@given(planes, st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 5), st.floats(0, 5))
def test_the_exponential_map_has_a_semigroup_too(
    plane: Plane, phi: float, theta: float, first: float, second: float
) -> None:
    between = float(cayley.exponential_solution(plane, phi, theta, first))
    together = float(cayley.exponential_solution(plane, phi, theta, first + second))
    assert float(cayley.exponential_solution(plane, phi, between, second)) == pytest.approx(together, abs=1e-9)


def test_a_half_turn_has_rate_zero() -> None:
    plane = Plane(1.3, 0.5)
    assert float(cayley.rate(plane, np.pi)) == pytest.approx(0, abs=1e-12)
    assert float(cayley.rate(plane, 0.0)) == pytest.approx(1.3)


@pytest.mark.parametrize("arguments", [(0.0,), (1.0, -1.0), (np.nan,)])
def test_planes_are_positive(arguments: tuple[float, ...]) -> None:
    with pytest.raises(InvalidArgument):
        Plane(*arguments)


def test_a_start_at_rest_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="start"):
        cayley.half_turn_solution(Plane(1.0), 0.0, 1.0)
    with pytest.raises(InvalidArgument, match="t = "):
        cayley.half_turn_solution(Plane(1.0), 1.0, -1.0)


def descending(loss, a: float, h: float = 1e-5) -> float:
    """-dL/da by differences."""
    return -float(loss(a + h) - loss(a - h)) / (2 * h)


@pytest.mark.parametrize("plane", [Plane(1.3, 0.5), Plane(0.7, 0.8)])
def test_the_half_turn_descends_its_loss(plane: Plane) -> None:
    def loss(a: float) -> float:
        return plane.m * (1 - np.cos(2 * np.arctan(plane.kappa * a) - np.pi))

    for t in (0.0, 0.4, 3.0):
        before, a, after = (float(cayley.half_turn_solution(plane, 0.6, t + step)) for step in (0.0, 1e-5, 2e-5))
        assert (after - before) / 2e-5 == pytest.approx(descending(loss, a), rel=1e-5)
        assert float(cayley.half_turn_loss(plane, a)) == pytest.approx(loss(a))


@pytest.mark.parametrize("plane", [Plane(1.3, 0.5), Plane(0.7, 0.8)])
def test_the_rate_is_the_curvature_at_the_target(plane: Plane) -> None:
    phi, h = 1.1, 1e-4
    target = np.tan(phi / 2) / plane.kappa

    def loss(a: float) -> float:
        return plane.m * (1 - np.cos(2 * np.arctan(plane.kappa * a) - phi))

    curvature = -(descending(loss, target + h) - descending(loss, target - h)) / (2 * h)
    assert float(cayley.rate(plane, phi)) == pytest.approx(curvature, rel=1e-4)


def test_the_exponential_map_descends_its_loss() -> None:
    plane, phi = Plane(1.3), 2.0
    for t in (0.0, 0.5):
        before, theta, after = (
            float(cayley.exponential_solution(plane, phi, 0.4, t + step)) for step in (0.0, 1e-5, 2e-5)
        )
        assert (after - before) / 2e-5 == pytest.approx(-1.3 * np.sin(theta - phi), rel=1e-5)


def test_the_asymptote_is_what_is_left_of_the_loss() -> None:
    for plane in (Plane(1.3, 0.5), Plane(0.7, 0.8)):
        t = 1e12
        a = (4 * 4 * plane.m * plane.kappa**2 * t) ** 0.25 / plane.kappa  # the clock is a^4 kappa^4 / 4 then
        asymptote = float(cayley.half_turn_asymptote(plane, t))
        assert asymptote == pytest.approx(2 * plane.m / (plane.kappa * a) ** 2)


def test_starts_of_the_clock() -> None:
    with pytest.raises(InvalidArgument, match="start"):
        cayley.half_turn_time(Plane(1.0), 0.0, 1.0)
    assert float(cayley.half_turn_time(Plane(1.0), 0.5, 0.5)) == 0
