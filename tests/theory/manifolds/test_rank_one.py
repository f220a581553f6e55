"""The rank-one network on two spheres: semigroup, both ends and shapes of t of its flow, its modes."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from theory.core.arrays import Array
from theory.core.validation import InvalidArgument
from theory.manifolds import rank_one
from theory.manifolds.rank_one import RankOne

RNG = np.random.default_rng(0)
PROBLEM = RankOne(RNG.standard_normal((4, 3)))
U, V = (z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (RNG.standard_normal((5, d)) for d in (4, 3)))


def solution(u: Array, v: Array, t: Any) -> Array:
    return np.concatenate(rank_one.solution(PROBLEM, u, v, t), axis=-1)


def test_the_flow_composes_and_has_both_ends() -> None:
    at = solution(U, V, np.array([0.0, 0.7, 1.9, 200.0, np.inf]))
    assert at[0] == pytest.approx(np.concatenate([U, V], axis=-1))
    assert solution(at[1, :, :4], at[1, :, 4:], 1.2) == pytest.approx(at[2])
    assert at[3] == pytest.approx(at[4], abs=1e-9)
    assert abs(at[4] @ rank_one.optimum(PROBLEM)) == pytest.approx(2)


@pytest.mark.parametrize("t", [0.0, 1.5, np.inf, np.array([[0.0, 1.5, np.inf]] * 2)], ids=str)
def test_times_of_any_shape_come_first(t: Any) -> None:
    at = solution(U, V, t)
    assert at.shape == (*np.shape(t), 5, 7)
    if np.ndim(t):
        assert at[1, 1] == pytest.approx(solution(U, V, 1.5))
        assert solution(U[2], V[2], t) == pytest.approx(at[:, :, 2])


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
def test_modes_are_orthonormal_and_tangent(shape: tuple[int, int]) -> None:
    problem = RankOne(RNG.standard_normal(shape))
    modes = rank_one.modes(problem)
    assert modes.shape == (sum(shape) - 2, sum(shape))
    assert len(rank_one.rates(problem)) == len(modes)
    assert modes @ modes.T == pytest.approx(np.eye(len(modes)))
    assert modes[:, : shape[0]] @ rank_one.optimum(problem)[: shape[0]] == pytest.approx(0, abs=1e-12)


def test_equal_singular_values_are_named() -> None:
    with pytest.raises(InvalidArgument, match="gap"):
        RankOne(np.eye(2))


@pytest.mark.parametrize("shape", [(4, 3), (3, 5), (3, 3)])
def test_rates_are_second_derivatives_along_the_geodesics_of_modes(shape: tuple[int, int]) -> None:
    problem, h = RankOne(0.7 * np.random.default_rng(sum(shape)).standard_normal(shape)), 1e-3
    at, modes = rank_one.optimum(problem), rank_one.modes(problem)

    def loss(v: np.ndarray) -> float:
        parts = [(at[: shape[0]], v[: shape[0]]), (at[shape[0] :], v[shape[0] :])]
        moved = [np.cos(np.linalg.norm(x)) * w + np.sinc(np.linalg.norm(x) / np.pi) * x for w, x in parts]
        return -float(moved[0] @ problem.M @ moved[1])

    assert -loss(0 * at) == pytest.approx(np.linalg.norm(problem.M, ord=2))
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    around = np.array([[[loss(h * (s * v + r * u)) for s, r in signs] for u in modes] for v in modes])
    hessian = around @ np.array([1, -1, -1, 1]) / (4 * h * h)
    assert hessian == pytest.approx(np.diag(rank_one.rates(problem)), abs=1e-5)


def test_the_flow_is_the_gradient_flow_on_the_spheres() -> None:
    def velocity(_: float, z: np.ndarray) -> np.ndarray:
        u, v = z[:4], z[4:]
        value = u @ PROBLEM.M @ v
        return np.concatenate([PROBLEM.M @ v - value * u, PROBLEM.M.T @ u - value * v])

    start = np.concatenate([U[1], V[1]])
    found = solve_ivp(velocity, (0, 1.3), start, t_eval=[0.5, 1.3], rtol=1e-10, atol=1e-12).y.T
    assert solution(U[1], V[1], np.array([0.5, 1.3])) == pytest.approx(found, abs=1e-8)
