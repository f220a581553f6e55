"""The ODE layer against solutions known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import FlowStopped, flow
from theory.core.validation import InvalidArgument

T = np.linspace(0, 2, 9)


def decay(_: float, state: dict) -> dict:
    return {"x": -state["x"]}


def oscillator(_: float, state: dict) -> dict:
    return {"position": state["speed"], "speed": -state["position"]}


def blow_up(_: float, state: dict) -> dict:
    return {"y": state["y"] ** 2}


def test_exponential_of_any_shape() -> None:
    start = np.arange(1.0, 7.0).reshape(2, 3)
    run = flow(decay, {"x": start}, T)
    assert run["x"].shape == (9, 2, 3)
    assert np.abs(run["x"] - np.exp(-T)[:, None, None] * start).max() < 1e-8


@pytest.mark.parametrize("method", ["DOP853", "RK45", "LSODA"])
def test_harmonic_oscillator(method: str) -> None:
    run = flow(oscillator, {"position": np.array(1.0), "speed": np.array(0.0)}, T, method=method)
    assert np.abs(run["position"] - np.cos(T)).max() < 1e-8
    assert np.abs(run["speed"] + np.sin(T)).max() < 1e-8


def test_explicit_time_enters() -> None:
    run = flow(lambda t, _: {"x": np.array([2 * t])}, {"x": np.zeros(1)}, T)
    assert np.abs(run["x"][:, 0] - T**2).max() < 1e-9


def test_the_error_shrinks_with_the_tolerance() -> None:
    errors = []
    for tolerance in (1e-4, 1e-7, 1e-10):
        run = flow(
            oscillator,
            {"position": np.array(1.0), "speed": np.array(0.0)},
            np.array([20.0]),
            relative_tolerance=tolerance,
            absolute_tolerance=tolerance,
        )
        errors.append(abs(run["position"][0] - np.cos(20.0)))
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_the_stated_errors_bound_the_true_one() -> None:
    """On a contracting flow the errors of the steps add up at most."""
    run = flow(decay, {"x": np.array([1.0, 2.0])}, T, relative_tolerance=1e-7, absolute_tolerance=1e-9)
    error = np.linalg.norm(run["x"] - np.exp(-T)[:, None] * [1.0, 2.0], axis=1).max()
    assert 0 < error <= run.facts["steps"] * run.facts["local_error"]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 2.0), st.floats(0.1, 2.0), st.floats(0.01, 3.0))
def test_two_flows_in_a_row_are_one(first: float, second: float, start: float) -> None:
    logistic = lambda _, state: {"x": state["x"] * (1 - state["x"] / 4)}  # noqa: E731
    begin = {"x": np.array([start])}
    middle = flow(logistic, begin, [first])["x"][-1]
    end = flow(logistic, {"x": middle}, [second])["x"][-1]
    assert np.allclose(end, flow(logistic, begin, [first + second])["x"][-1], rtol=1e-8, atol=1e-10)


def test_time_zero_returns_the_start() -> None:
    start = np.array([3.0])
    run = flow(decay, {"x": start}, [0.0])
    assert np.array_equal(run["x"], [[3.0]])
    assert run.facts["steps"] == 0
    assert not np.shares_memory(run["x"], start)


def test_first_time_may_be_late() -> None:
    assert np.allclose(flow(decay, {"x": np.ones(1)}, [1.5, 2.0])["x"][:, 0], np.exp([-1.5, -2.0]), atol=1e-9)


def test_events_are_located() -> None:
    crossing = lambda _, state: float(state["position"])  # noqa: E731
    run = flow(oscillator, {"position": np.array(1.0), "speed": np.array(0.0)}, [0.0, 6.0], events=[crossing])
    assert np.allclose(run.facts["events"][0], [np.pi / 2, 3 * np.pi / 2], atol=1e-8)
    assert np.array_equal(run.t, [0.0, 6.0])


def test_a_terminal_event_ends_the_trajectory() -> None:
    def halved(_: float, state: dict) -> float:
        return float(state["x"].max()) - 0.5

    halved.terminal = True  # type: ignore[attr-defined]
    run = flow(decay, {"x": np.ones(1)}, T, events=[halved])
    assert run.t[-1] <= np.log(2) < T[len(run.t)]
    assert np.allclose(run.facts["events"][0], [np.log(2)], atol=1e-8)


def test_a_terminal_event_before_the_first_time_leaves_an_empty_trajectory() -> None:
    def halved(_: float, state: dict) -> float:
        return float(state["x"].max()) - 0.5

    halved.terminal = True  # type: ignore[attr-defined]
    run = flow(decay, {"x": np.ones((1, 3))}, [5.0], events=[halved])
    assert run.t.shape == (0,)
    assert run["x"].shape == (0, 1, 3)


def test_an_event_counts_in_its_direction_only() -> None:
    def rising(_: float, state: dict) -> float:
        return float(state["position"])

    rising.direction = 1.0  # type: ignore[attr-defined]
    run = flow(oscillator, {"position": np.array(1.0), "speed": np.array(0.0)}, [6.0], events=[rising])
    assert np.allclose(run.facts["events"][0], [3 * np.pi / 2], atol=1e-8)


@pytest.mark.parametrize("t", [[2.0], [0.0, 0.5, 2.0]])
def test_blow_up_is_reported_where_it_happens(t: list[float]) -> None:
    with pytest.raises(FlowStopped, match=r"DOP853 stopped near t = (1|0\.99\d+) of 2: .*relative_tolerance = 1e-10"):
        flow(blow_up, {"y": np.array([1.0])}, t)


@pytest.mark.parametrize("t", [[1.0, 0.5], [0.0, 0.0], [-1.0], [np.inf], [np.nan], [], [[0.0, 1.0]], 1.0])
def test_times_must_increase(t: object) -> None:
    with pytest.raises(InvalidArgument, match="^t = "):
        flow(decay, {"x": np.ones(1)}, np.asarray(t))


def test_start_must_be_finite() -> None:
    with pytest.raises(InvalidArgument, match="start = .*: expected finite numbers"):
        flow(decay, {"x": np.array([np.nan])}, T)


@pytest.mark.parametrize("name", ["relative_tolerance", "absolute_tolerance"])
def test_tolerances_must_be_positive(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} = 0.0: expected a finite number above 0"):
        flow(decay, {"x": np.ones(1)}, T, **{name: 0.0})


@pytest.mark.parametrize(
    "velocity",
    [
        lambda t, s: {"x": np.full((2, 3), np.nan)},
        lambda t, s: {"x": np.full((2, 3), np.inf if t > 0.5 else 1.0)},
    ],
)
def test_a_velocity_that_is_not_finite_ends_the_flow(velocity) -> None:
    with pytest.raises(FlowStopped, match="the velocity is not finite there"):
        flow(velocity, {"x": np.ones((2, 3))}, [1.0])


@pytest.mark.parametrize("moving", [{"x": np.ones((3, 2))}, {"x": 1.0}, {"y": np.ones((2, 3))}, {}])
def test_a_velocity_has_the_shapes_of_the_start(moving) -> None:
    with pytest.raises(InvalidArgument, match=r"velocity = .*: expected the names and shapes of the start"):
        flow(lambda t, s: moving, {"x": np.ones((2, 3))}, [1.0])


def test_a_flow_without_end_is_ended() -> None:
    with pytest.raises(FlowStopped, match="after 3000 evaluations of the velocity. Use method = 'LSODA'"):
        flow(lambda t, s: {"x": -1e8 * s["x"]}, {"x": np.ones(1)}, [1.0], evaluations=3000)
