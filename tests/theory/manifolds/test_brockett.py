"""Brockett's function: its optimum, its modes, errors."""

import numpy as np
import pytest
from scipy.linalg import expm

from theory.core.validation import InvalidArgument
from theory.manifolds import brockett
from theory.manifolds.brockett import Brockett


def test_it_is_at_rest_at_its_optimum() -> None:
    problem = Brockett(np.array([3.0, 2.0, 1.0]), np.array([2.0, 1.0]))
    assert brockett.velocity(problem, np.stack([problem.optimum] * 2)) == pytest.approx(0)
    modes = brockett.modes(problem).reshape(len(brockett.rates(problem)), -1)
    assert modes @ modes.T == pytest.approx(np.eye(len(modes)))


def test_what_is_outside_the_domain_is_named() -> None:
    with pytest.raises(InvalidArgument, match="l = "):
        Brockett(np.array([1.0, 2.0]), np.array([1.0]))
    with pytest.raises(InvalidArgument, match="m = "):
        Brockett(np.array([2.0, 1.0]), np.array([1.0, -1.0]))


PROBLEM = Brockett(np.array([2.1, 1.3, 0.4, -0.2, -1.1]), np.array([1.7, 0.9, 0.25]))


def loss(Q: np.ndarray) -> float:
    return -float(np.trace(Q.T @ np.diag(PROBLEM.l) @ Q @ np.diag(PROBLEM.m))) / 2


def test_rates_are_second_derivatives_along_the_geodesics_of_modes() -> None:
    h, n, p = 1e-3, 5, 3
    modes, Q = brockett.modes(PROBLEM), PROBLEM.optimum
    assert loss(Q) == pytest.approx(PROBLEM.least)
    hessian = np.zeros((len(modes), len(modes)))
    for i, v in enumerate(modes):
        for j, u in enumerate(modes):
            around = [loss(_geodesic(Q, h * (s * v + r * u))) for s, r in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            hessian[i, j] = (around[0] - around[1] - around[2] + around[3]) / (4 * h * h)
    assert len(modes) == p * (p - 1) // 2 + (n - p) * p
    assert hessian == pytest.approx(np.diag(brockett.rates(PROBLEM)), abs=1e-5)


def _geodesic(Q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Edelman, Arias & Smith 1998: Q = [I; 0], v = [S; K]."""
    n, p = Q.shape
    S, K = v[:p], v[p:]
    turn = np.block([[2 * S, -K.T], [K, np.zeros((n - p, n - p))]])
    return (expm(turn) @ Q) @ expm(-S)


def test_the_velocity_is_the_projected_gradient() -> None:
    rng, h = np.random.default_rng(0), 1e-6
    Q = np.linalg.qr(rng.standard_normal((5, 3)))[0]
    entries = [np.reshape(np.eye(15)[i], (5, 3)) for i in range(15)]
    gradient = sum(E * (loss(Q + h * E) - loss(Q - h * E)) / (2 * h) for E in entries)
    velocity = brockett.velocity(PROBLEM, Q)
    assert Q.T @ velocity + velocity.T @ Q == pytest.approx(0, abs=1e-12)
    normal = -gradient - velocity
    assert normal == pytest.approx(Q @ (Q.T @ normal + normal.T @ Q) / 2, abs=1e-8)


def test_what_brockett_asks_for_is_named() -> None:
    l, m = PROBLEM.l, PROBLEM.m
    for wrong_l, wrong_m, name in (
        (np.array([2.0, 2.0]), m[:1], "l"),
        (np.array([np.inf, 1.0]), m[:1], "l"),
        (l[None], m, "l"),
        (l, np.array([1.0, 1.0]), "m"),
        (l, np.array([1.0, 0.0]), "m"),
        (l[:2], m, "m"),
    ):
        with pytest.raises(InvalidArgument, match=rf"^{name}( |\.shape|\[0\]) ?= "):
            Brockett(wrong_l, wrong_m)
    assert Brockett(l[:3], m).optimum.shape == (3, 3)
