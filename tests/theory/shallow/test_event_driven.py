"""The Minnorm flow through every change of the active set: against integration, from its starts to its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.flows import FlowStopped
from theory.core.separable import Separable, labelled_by_a_teacher
from theory.core.validation import InvalidArgument
from theory.shallow import event_driven, minnorm_flow

seeds = st.integers(0, 10_000)


def setup(seed: int) -> tuple[Separable, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    problem = Separable(labelled_by_a_teacher(rng, n=8, d=3, runs=1, least=0.4)[0])
    return problem, rng.standard_normal(3), rng.exponential(size=8) * (rng.random(8) < 0.5)


def test_events_at_times_of_any_shape() -> None:
    problem, *start = setup(2)
    found = event_driven.solution(problem.Z, *start, np.array([[0.0, 3.0], [7.0, 0.5]]), a=1.3, b=0.7)
    for path, state, begin in zip(found, event_driven.solution(problem.Z, *start, 7.0, a=1.3, b=0.7), start):
        assert np.allclose(path[0, 0], begin)
        assert np.allclose(path[1, 0], state, atol=1e-12)
    for begin, state in zip(start, event_driven.solution(problem.Z, *start, 0.0, a=1.3, b=0.7)):
        assert np.allclose(state, begin)
    with pytest.raises(InvalidArgument, match="t = inf: expected finite times"):
        event_driven.solution(problem.Z, *start, np.array([1.0, np.inf]), a=1.3, b=0.7)


@settings(max_examples=10, deadline=None)
@given(seeds, st.floats(0.1, 2))
def test_events_lead_to_the_max_margin_classifier(seed: int, b: float) -> None:
    problem, w, multipliers = setup(seed)
    solution = event_driven.solve_to_convergence(problem, w, multipliers, a=1.3, b=b, until=2000.0)
    end = solution.end if np.isfinite(solution.end) else 2000.0
    found_w, found = solution(np.array(end))
    V = minnorm_flow.lyapunov(problem, found_w, found, 1.3, b)
    assert V < 1e-3 * minnorm_flow.lyapunov(problem, w, multipliers, 1.3, b) or V < 1e-20
    _, path = solution(np.linspace(0, 30, 500))
    assert path.min() >= -1e-10
    states = solution(np.linspace(0, 30, 500))
    falling = minnorm_flow.lyapunov(problem, *states, 1.3, b)
    assert (np.diff(falling) <= 1e-9 * falling[0]).all()


@settings(max_examples=8, deadline=None)
@given(seeds, st.floats(0.1, 5), st.floats(0.1, 5))
def test_events_are_a_semigroup(seed: int, first: float, second: float) -> None:
    problem, w, multipliers = setup(seed)
    solution = event_driven.solve(problem.Z, w, multipliers, a=1.3, b=0.7, until=11.0)
    middle_w, middle = solution(np.array(first))
    later = event_driven.solve(problem.Z, middle_w, middle.clip(0), a=1.3, b=0.7, until=6.0)(np.array(second))
    for x, y in zip(later, solution(np.array(first + second))):
        assert np.allclose(x, y, atol=1e-8)


def test_events_against_an_ode_solver() -> None:
    problem, w, multipliers = setup(7)

    t = np.linspace(0, 15, 31)
    reference = minnorm_flow.integrated(problem.Z, w, multipliers, t, a=1.3, b=0.7)
    found = event_driven.solution(problem.Z, w, multipliers, t, a=1.3, b=0.7)
    assert np.allclose(found[0], reference["w"], atol=1e-8)
    assert np.allclose(found[1], reference["multipliers"], atol=1e-8)


def test_duplicates_change_sides_together() -> None:
    problem, w, multipliers = setup(3)
    Z = np.vstack([problem.Z, problem.Z])
    once = event_driven.solve(problem.Z, w, 2 * multipliers, a=1.3, b=1.4, until=20.0)
    twice = event_driven.solve(Z, w, np.tile(multipliers, 2), a=1.3, b=0.7, until=20.0)
    t = np.linspace(0, 20, 41)
    (w_once, m_once), (w_twice, m_twice) = once(t), twice(t)
    assert np.allclose(w_once, w_twice, atol=1e-8)
    assert np.allclose(m_once, m_twice[:, :8] + m_twice[:, 8:], atol=1e-8)


def test_the_solution_changes_sides_where_it_should() -> None:
    """On every piece the active set is that of the multipliers above 0 and of the violated examples, at its middle."""
    for seed in range(4):
        problem, *start = setup(seed)
        solution = event_driven.solve(problem.Z, *start, a=1.3, b=0.7, until=30.0)
        assert len(solution.starts) == len(solution.pieces) > 1
        ends = np.append(solution.starts[1:], 30.0)
        for piece, middle in zip(solution.pieces, (solution.starts + ends) / 2):
            w, multipliers = solution(middle)
            assert (multipliers[piece.active] > 0).all()
            assert (problem.Z @ w)[~piece.active].min(initial=2) > 1
        for before, event in zip(solution.pieces, solution.starts[1:]):
            w, multipliers = solution(event)
            room = np.where(before.active, multipliers, problem.Z @ w - 1)
            assert np.abs(room).min() < 1e-9


def test_the_end_is_known_once_it_is_proved() -> None:
    problem, *start = setup(5)
    long = event_driven.solve_to_convergence(problem, *start, a=1.3, b=0.7, until=4000.0)
    assert long.end == np.inf
    w, multipliers = long(np.inf)
    assert np.allclose(w, problem.w, atol=1e-10) and np.allclose(multipliers, problem.duals, atol=1e-9)
    assert event_driven.solve_to_convergence(problem, *start, a=1.3, b=0.7, until=1e-3).end == 1e-3
    short = event_driven.solve(problem.Z, *start, a=1.3, b=0.7, until=3.0)
    assert short.end == 3.0
    assert np.allclose(short(3.0)[0], long(3.0)[0], atol=1e-12)


def test_too_many_changes_stop_it(monkeypatch) -> None:
    problem, *start = setup(3)
    changes = len(event_driven.solve(problem.Z, *start, a=1.3, b=1.4, until=20.0).starts) - 1
    assert changes > 1
    monkeypatch.setattr(event_driven, "MOST_EVENTS", changes - 1)
    with pytest.raises(FlowStopped, match=f"more than {changes - 1} changes of the active set before t = "):
        event_driven.solve(problem.Z, *start, a=1.3, b=1.4, until=20.0)


def test_what_is_refused() -> None:
    problem, w, multipliers = setup(0)
    with pytest.raises(InvalidArgument, match="expected none below 0, and 0 off the active set"):
        event_driven.solve(problem.Z, w, multipliers - 1, a=1.0, b=1.0, until=1.0)
    with pytest.raises(InvalidArgument, match="b = 0.0: expected a finite number above 0"):
        event_driven.solve(problem.Z, w, multipliers, a=1.0, b=0.0, until=1.0)
    with pytest.raises(InvalidArgument, match="until = -1.0"):
        event_driven.solve(problem.Z, w, multipliers, a=1.0, b=1.0, until=-1.0)
    solution = event_driven.solve(problem.Z, w, multipliers, a=1.0, b=1.0, until=1.0)
    with pytest.raises(InvalidArgument, match="t = 2.0: expected times of at most 1"):
        solution(np.array([0.5, 2.0]))
    with pytest.raises(InvalidArgument, match="t = -1.0"):
        solution(np.array(-1.0))


def test_a_root_at_an_end_is_that_end() -> None:
    assert event_driven._root(lambda t: 1 - t, 0.0, 1.0, 1e-12) == 1.0
    assert event_driven._root(lambda t: t, 0.0, 1.0, 1e-12) == 0.0
    assert event_driven._root(lambda t: 2 + t, 0.0, 1.0, 1e-12) == 0.0
    assert event_driven._root(lambda t: t**2 - 0.3, 0.0, 1.0, 1e-15) == pytest.approx(0.3**0.5, rel=1e-14)
