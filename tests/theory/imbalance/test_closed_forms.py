"""What the claims do not say of the solved dynamics: semigroup, limits, shapes, extreme arguments, wrong input."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from theory.core.arrays import Array
from theory.core.flows import flow
from theory.core.regression import Regression, random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import closed_forms, dynamics, one_mode
from theory.imbalance.problem import Network, coordinates, gaussian

numbers = st.floats(-3, 3)
levels = st.floats(0, 3)
durations = st.floats(0, 4)


def whitened(r: int, m: int, seed: int = 0) -> Regression:
    return random_regression(np.random.default_rng(seed), D=r + 2, n=r + 1, m=m, singular_values=np.ones(r))


@settings(deadline=None)
@given(numbers, levels, numbers, durations, durations)
@example(0.0, 0.0, 1.0, 1.0, 2.0)
@example(1.0, 1e-9, -1.0, 8.0, 8.0)
def test_one_mode_continues_from_where_it_is(y: float, c: float, p: float, first: float, second: float) -> None:
    stop = one_mode.scalar_solution(y, c, p, first)
    going_on = one_mode.scalar_solution(y, c, stop, second)
    # The stop is rounded by eps (c^2 + 4 p^2)^(1/2). The flow multiplies an error by the ratio of the velocities, and
    # |y - p| only falls: what arrives is at most that rounding at the end point, and e^(-s t) costs s t < 60 more.
    assert going_on == pytest.approx(one_mode.scalar_solution(y, c, p, first + second), abs=1e-12)


@settings(deadline=None)
@given(numbers, levels, numbers)
def test_one_mode_starts_at_its_start_and_moves_at_its_velocity(y: float, c: float, p: float) -> None:
    assert one_mode.scalar_solution(y, c, p, 0.0) == pytest.approx(p, abs=1e-14)
    step = 1e-6
    moved = one_mode.scalar_solution(y, c, p, step) - closed_forms.scalar_solution(y, c, p, 0.0)
    # Second derivative of p: below (2 |y - p| + (c^2 + 4 p^2)^(1/2)) |p'| < 22 x 41.
    assert moved / step == pytest.approx(np.hypot(c, 2 * p) * (y - p), abs=22 * 41 * step)


@settings(deadline=None)
@given(numbers, st.floats(1e-3, 3), numbers)
def test_one_mode_ends_at_its_target(y: float, c: float, p: float) -> None:
    assert one_mode.scalar_solution(y, c, p, np.inf) == pytest.approx(y, abs=1e-12)


@pytest.mark.parametrize(
    ("y", "p", "end"),
    [(1.0, 0.3, 1.0), (1.0, -0.5, 0.0), (-1.0, -0.5, -1.0), (1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_without_imbalance_a_mode_cannot_change_its_sign(y: float, p: float, end: float) -> None:
    assert one_mode.scalar_solution(y, 0.0, p, np.inf) == pytest.approx(end, abs=1e-15)


def test_without_imbalance_and_target_the_decay_is_algebraic() -> None:
    t = np.array([0.0, 1.0, 1e3, 1e9])
    assert one_mode.scalar_solution(0.0, 0.0, 0.7, t) == pytest.approx(0.7 / (1 + 1.4 * t), rel=1e-14)


@pytest.mark.parametrize("c", [1e-3, 1e-6, 1e-12, 1e-100])
def test_tiny_levels_leave_the_saddle_after_the_logarithm_of_one_over_c(c: float) -> None:
    # Up to the saddle p / (1 - p) = -exp(-2t) / 2, until |u - v|^2 = 4 |p| has come down to c.
    t = np.linspace(0, 2 * np.log(100 / c), 4001)
    p = one_mode.scalar_solution(1.0, c, -1.0, t)
    assert (np.diff(p) >= -1e-15).all()
    assert p[-1] == pytest.approx(1, abs=1e-3)
    assert t[np.argmax(p > 0)] == pytest.approx(0.5 * np.log(2 / c), abs=t[1] + 10 * c)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_the_level_is_that_of_its_definition(seed: int) -> None:
    u, v = np.random.default_rng(seed).standard_normal((2, 5, 3))
    total, p = (u**2 + v**2).sum(-1), (u * v).sum(-1)
    c = one_mode.scalar_level(u, v)
    assert c**2 == pytest.approx(total**2 - 4 * p**2, abs=1e-12 * (total**2).max())
    assert one_mode.squared_norm(c, p) == pytest.approx(total, rel=1e-12)
    assert one_mode.scalar_rate(c, p) == pytest.approx(2 * total, rel=1e-12)


def test_times_and_modes_of_any_shape() -> None:
    y, c, p, t = np.ones((2, 1)), np.full(3, 0.4), np.zeros((2, 3)), np.array([[0.0, 1.0], [2.0, np.inf]])
    solution = one_mode.scalar_solution(y, c, p, t)
    assert solution.shape == (2, 2, 2, 3)
    assert solution[0, 1, 1, 2] == one_mode.scalar_solution(1.0, 0.4, 0.0, 1.0)


@pytest.mark.parametrize("t", [-1.0, np.nan])
def test_times_before_zero_are_rejected(t: float) -> None:
    with pytest.raises(InvalidArgument, match="t = "):
        one_mode.scalar_solution(1.0, 1.0, 0.0, t)


def test_negative_levels_are_rejected() -> None:
    with pytest.raises(InvalidArgument, match=r"c = -0\.5"):
        one_mode.scalar_solution(1.0, np.array([0.5, -0.5]), 0.0, 1.0)


@pytest.mark.parametrize(("r", "m", "h"), [(1, 1, 2), (3, 2, 5), (2, 4, 9), (3, 3, 6)])
def test_decoupled_modes_follow_the_flow(r: int, m: int, h: int) -> None:
    problem = whitened(r, m)
    network = closed_forms.decoupled(problem, h, np.random.default_rng(1), runs=2)
    t = np.linspace(0, 2, 5)
    V, U1 = dynamics.split(problem, dynamics.gradient_flow(problem, network, t, relative_tolerance=1e-12)["Z"])
    predicted = closed_forms.decoupled_solution(problem, network, t)
    assert predicted == pytest.approx(U1 @ V.mT, abs=1e-8)
    end = closed_forms.decoupled_solution(problem, network, np.inf)
    assert end == pytest.approx(np.broadcast_to(problem.targets, (2, r, m)), abs=1e-12)


def test_decoupled_modes_take_times_of_any_shape() -> None:
    problem = whitened(3, 2)
    network = closed_forms.decoupled(problem, 6, np.random.default_rng(0), runs=4)
    t = np.array([[0.0, 1.0, np.inf], [0.5, 2.0, 3.0]])
    solution = closed_forms.decoupled_solution(problem, network, t)
    assert solution.shape == (2, 3, 4, 3, 2)
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    assert solution[0, 0] == pytest.approx(U1 @ V.mT, abs=1e-12)
    assert closed_forms.decoupled_solution(problem, network, 2.0) == pytest.approx(solution[1, 1], abs=1e-14)


def test_coupled_modes_are_rejected() -> None:
    problem = whitened(3, 2)
    with pytest.raises(InvalidArgument, match="coupling"):
        closed_forms.decoupled_solution(problem, gaussian(problem, 8, np.random.default_rng(0)), 1.0)


def test_data_that_are_not_whitened_are_rejected() -> None:
    problem = random_regression(np.random.default_rng(0), D=4, n=3, m=2, singular_values=np.array([1.0, 0.9]))
    network = closed_forms.homogeneous(problem, 0.3, 2, np.random.default_rng(0))
    for solution in (closed_forms.decoupled_solution, closed_forms.riccati_solution):
        with pytest.raises(InvalidArgument, match="whitened"):
            solution(problem, network, 1.0)


def test_decoupled_modes_need_room() -> None:
    with pytest.raises(InvalidArgument, match="m \\+ r = 5"):
        closed_forms.decoupled(whitened(3, 2), 4, np.random.default_rng(0))


CASES = [(5, 3, 3, 0.0), (5, 3, 4, 0.7), (3, 5, 4, -0.6), (4, 3, 9, 0.5), (4, 3, 1, 0.5), (2, 4, 5, 0.3)]
CASES += [(3, 3, 7, -1.2)]


@pytest.mark.parametrize(("r", "m", "h", "lam"), CASES)
def test_the_rows_of_homogeneous_starts_are_eigenvectors(r: int, m: int, h: int, lam: float) -> None:
    problem = whitened(r, m)
    Z = coordinates(problem, closed_forms.homogeneous(problem, lam, h, np.random.default_rng(1)))[0]
    imbalance = Z[m:].T @ Z[m:] - Z[:m].T @ Z[:m]
    assert Z @ imbalance == pytest.approx(lam * Z, abs=1e-12)
    assert closed_forms.mean_imbalance(problem, Z) == pytest.approx(lam, abs=1e-12)


@pytest.mark.parametrize(("r", "m", "h", "lam"), CASES)
def test_riccati_follows_the_flow_and_goes_on(r: int, m: int, h: int, lam: float) -> None:
    problem = whitened(r, m)
    network = closed_forms.homogeneous(problem, lam, h, np.random.default_rng(1))
    t = np.array([0.0, 0.7, 1.9])
    Z = dynamics.gradient_flow(problem, network, t, relative_tolerance=1e-12)["Z"][:, 0]
    predicted = closed_forms.riccati_solution(problem, network, t)
    assert predicted == pytest.approx(Z @ Z.mT, abs=1e-8)
    going_on = closed_forms.riccati_solution(problem, from_gram(problem, predicted[1]), 1.2)
    assert going_on == pytest.approx(predicted[2], abs=1e-10)


@pytest.mark.parametrize(("r", "m", "h", "lam"), [case for case in CASES if case[2] > 1])
def test_riccati_has_an_end(r: int, m: int, h: int, lam: float) -> None:
    problem = whitened(r, m, seed=2)
    network = closed_forms.homogeneous(problem, lam, h, np.random.default_rng(3))
    late, end = closed_forms.riccati_solution(problem, network, np.array([400.0, np.inf]))
    # A direction with no growth of its own (lam = 0, r > m) decays like 1/t.
    assert late == pytest.approx(end, abs=1e-12 if lam else 1 / 400)
    if h >= min(r, m):
        assert end[m:, :m] == pytest.approx(problem.targets, abs=1e-10)


def test_riccati_stays_at_a_saddle() -> None:
    problem = whitened(3, 2)
    assert not closed_forms.riccati_solution(problem, Network(np.zeros((5, 4)), np.zeros((2, 4))), np.inf).any()
    # A balanced start of one mode, the slower: the other never wakes up.
    a, y, bT = np.linalg.svd(problem.targets)
    frame = np.eye(1, 4)
    slow = Network(problem.Phi1 @ a[:, 1:2] @ frame, bT[1:2].T @ frame)
    end = closed_forms.riccati_solution(problem, slow, np.inf)
    assert end[2:, :2] == pytest.approx(y[1] * np.outer(a[:, 1], bT[1]), abs=1e-12)


def test_riccati_takes_times_of_any_shape() -> None:
    problem = whitened(3, 2)
    network = closed_forms.homogeneous(problem, 0.4, 3, np.random.default_rng(0))
    t = np.array([[0.0, 1.0, np.inf], [0.5, 2.0, 3.0]])
    solution = closed_forms.riccati_solution(problem, network, t)
    assert solution.shape == (2, 3, 5, 5)
    assert solution[1, 1] == pytest.approx(closed_forms.riccati_solution(problem, network, 2.0), abs=1e-14)
    Z = coordinates(problem, network)[0]
    assert solution[0, 0] == pytest.approx(Z @ Z.T, abs=1e-12)


def test_rows_in_several_eigenspaces_are_rejected() -> None:
    problem = whitened(3, 2)
    with pytest.raises(InvalidArgument, match="eigenspace"):
        closed_forms.riccati_solution(problem, gaussian(problem, 8, np.random.default_rng(0)), 1.0)


def test_riccati_takes_one_run() -> None:
    problem = whitened(3, 2)
    with pytest.raises(InvalidArgument, match="one run"):
        closed_forms.riccati_solution(problem, gaussian(problem, 8, np.random.default_rng(0), runs=2), 1.0)


def test_the_closed_form_of_one_mode_is_the_solution_of_its_equation() -> None:
    y, c, p, t = 0.8, np.array([0.0, 1e-4, 0.5, 2.0]), np.array([0.1, -0.6, -1.0, 0.9]), np.linspace(0, 6, 13)
    path = flow(lambda _, s: {"p": np.hypot(c, 2 * s["p"]) * (y - s["p"])}, {"p": p}, t, relative_tolerance=1e-12)
    assert one_mode.scalar_solution(y, c, p, t) == pytest.approx(path["p"], abs=1e-8)


def from_gram(problem: Regression, G: Array) -> Network:
    """A network of width m + r with Z Z^T = G."""
    values, vectors = np.linalg.eigh(G)
    Z = vectors * np.sqrt(np.where(values > 1e-12, values, 0))
    return Network((problem.Phi1 @ Z[problem.m :])[None], Z[None, : problem.m])
