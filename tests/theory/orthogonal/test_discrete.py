"""Single steps: planes and contraction against matrices, the limit and the cycle beyond it, the speed of each map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from theory.core.validation import InvalidArgument
from theory.orthogonal import discrete, maps
from theory.orthogonal.procrustes import Component, LinearOPT, component, coordinates, matrix, random_problem
from theory.orthogonal.rotations import plane_rotation


@given(st.floats(1.01, 5))
def test_the_cycle_is_one(h: float) -> None:
    theta = discrete.cycle_angle(h)
    first, second, third = discrete.plane_angles(np.asarray(theta), h, 2)
    assert second == pytest.approx(-first)
    assert third == pytest.approx(first)
    away = discrete.plane_angles(np.asarray(theta + 1e-6), h, 1)[1] + theta
    assert away / 1e-6 == pytest.approx(discrete.cycle_contraction(h), abs=1e-4)


def test_there_is_no_cycle_below_the_limit() -> None:
    with pytest.raises(InvalidArgument, match="h = 1"):
        discrete.cycle_angle(1.0)


def test_the_limit_is_where_the_fastest_mode_alternates() -> None:
    chart = Component(np.eye(3), np.array([2.0, 1.0, 0.5]), np.eye(3))
    limit = discrete.largest_learning_rate(chart)
    assert limit == pytest.approx(4 / 3)
    assert discrete.contraction(chart, float(limit))[0, 1] == pytest.approx(-1)


def stepped(problem: LinearOPT, R: np.ndarray, eta: float) -> np.ndarray:
    """R <- R Cay(-eta skew(R^T grad L)), by the gradient of the loss written out."""
    gradient = problem.X @ problem.X.mT @ R @ problem.W0 @ problem.W0.mT - problem.X @ problem.Y.mT @ problem.W0.mT
    inner = R.mT @ gradient
    w = -eta * (inner - inner.mT) / 2
    one = np.eye(R.shape[-1])
    return R @ np.linalg.solve(one - w / 2, one + w / 2)


def one_problem(sign: float = 1.0) -> tuple[LinearOPT, Component]:
    problem = random_problem(np.random.default_rng(3), np.array([1.9, 1.2, 0.5]), N=4, n=5)
    return problem, component(problem, np.diag([1.0, 1.0, sign])[None])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_planes_turn_as_matrices_do(sign: float) -> None:
    eta, theta = 0.6, np.array([0.4, 2.0])
    problem, chart = one_problem(sign)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        h = eta * (chart.s[0, i] + chart.s[0, j]) / 4
        angles = discrete.plane_angles(theta, h, 3)
        assert angles.shape == (4, 2)
        R = chart.P @ plane_rotation(3, (i, j), theta) @ chart.Q.mT
        for after in angles[1:]:
            R = stepped(problem, R, eta)
            assert R == pytest.approx(chart.P @ plane_rotation(3, (i, j), after) @ chart.Q.mT, abs=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_coordinates_contract_near_the_optimum(sign: float) -> None:
    eta = 0.3
    problem, chart = one_problem(sign)
    A = 1e-5 * np.array([[[0.0, 1.0, -2.0], [-1.0, 0.0, 1.5], [2.0, -1.5, 0.0]]])
    after = coordinates(chart, stepped(problem, matrix(chart, A), eta))[0]
    i, j = np.triu_indices(3, 1)
    assert after[i, j] / A[0, i, j] == pytest.approx(discrete.contraction(chart, eta)[0, i, j], abs=1e-8)
    largest = 4 / (chart.s[0, 0] + chart.s[0, 1])
    assert discrete.largest_learning_rate(chart) == pytest.approx([largest])


def test_planes_of_many_runs_and_the_cycle_of_many() -> None:
    h = np.array([1.2, 3.0])
    assert discrete.plane_angles(np.array([0.5, 0.7]), h, 0).shape == (1, 2)
    assert np.cos(discrete.cycle_angle(h)) == pytest.approx(1 / h)
    assert discrete.cycle_contraction(h) == pytest.approx(1 - 2 / h**2)


MAPS = {  # P at which R = I, and the map
    "loewdin": (np.eye(3), maps.polar),
    "gram_schmidt": (np.eye(3), maps.gram_schmidt),
    "cayley": (np.zeros((3, 3)), lambda P: np.linalg.solve(np.eye(3) - lower(P) / 2, np.eye(3) + lower(P) / 2)),
    "matrix_exp": (np.zeros((3, 3)), lambda P: linalg.expm(lower(P))),
    "published cayley": (np.zeros((3, 3)), lambda P: np.linalg.solve(np.eye(3) + lower(P), np.eye(3) - lower(P))),
}


def lower(P: np.ndarray) -> np.ndarray:
    return np.tril(P) - np.tril(P).T


@pytest.mark.parametrize("name", discrete.SPEEDS)
def test_speeds_are_squares_of_differentials(name: str) -> None:
    """Descent on P by G moves R by J J^T G, and descent on O(d) by the skew part of G."""
    P, map = MAPS[name]
    steps = 1e-6 * np.eye(9).reshape(9, 3, 3)
    J = np.stack([(map(P + step) - map(P - step)).ravel() / 2e-6 for step in steps], axis=1)
    G = np.array([[0.3, 1.0, -2.0], [0.4, -0.1, 0.7], [0.2, -1.3, 0.5]])
    moved = (J @ J.T @ G.ravel()).reshape(3, 3)
    assert moved == pytest.approx(discrete.SPEEDS[name] * (G - G.T) / 2, abs=1e-6)
