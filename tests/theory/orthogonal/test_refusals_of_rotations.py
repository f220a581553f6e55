"""What functions of rotations refuse, in one line that names it."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.orthogonal import cayley, decay, discrete, double_bracket, maps, preserving, procrustes, rotations
from theory.orthogonal.procrustes import Component, LinearOPT, random_problem

ONE = Component(np.eye(2), np.array([2.0, 1.0]), np.eye(2))
LEFT = np.array([[1.0, 2.0], [0.0, 1.0]])  # is not symmetric, skew or orthogonal
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decay.decay(np.array([1.0, -0.1]), 1.0), r"rates\[1\] = -0.1: expected a number in \[0, inf\)"),
        (lambda: decay.decay(np.array([np.inf]), 0.0), r"rates\[0\] = inf"),
        (lambda: decay.turned_back(np.array([np.inf]), np.array([1.0])), r"angle\[0\] = inf: expected a finite number"),
        (lambda: decay.turned_back(np.array(1.0), np.array(-1.0)), "left = -1.0"),
        (lambda: cayley.rate(cayley.Plane(1.0), np.inf), "phi = inf"),
        (lambda: cayley.exponential_solution(cayley.Plane(1.0), np.inf, 1.0, 1.0), "phi = inf"),
        (lambda: cayley.exponential_solution(cayley.Plane(1.0), 1.0, np.array([np.nan]), 1.0), r"theta\[0\] = nan"),
        (lambda: discrete.plane_angles(np.array([np.inf]), 1.0, 1), r"theta\[0\] = inf"),
        (lambda: discrete.plane_angles(np.array([1.0]), np.nan, 1), "h = nan"),
        (lambda: discrete.plane_angles(np.array([1.0]), 1.0, -1), "steps = -1"),
        (lambda: discrete.contraction(ONE, np.inf), "learning_rate = inf"),
        (lambda: double_bracket.optimum(LEFT, np.eye(2)), "Sigma = a matrix that differs from its transpose"),
        (lambda: double_bracket.optimal_loss(np.eye(2), LEFT), "Omega = a matrix that differs"),
        (lambda: double_bracket.rates(np.eye(2) * np.nan, np.eye(2)), r"Sigma\[0, 0\] = nan"),
        (lambda: double_bracket.frame_solution(LEFT, np.eye(2)[:, :1], 1.0, 1.0), "Sigma = a matrix that differs"),
        (lambda: double_bracket.frame_solution(np.eye(2), np.eye(2)[:, :1] * np.inf, 1.0, 1.0), r"W\[0, 0\] = inf"),
        (lambda: maps.distance_to_orthogonal(LEFT * np.inf), r"P\[0, 0\] = inf"),
        (lambda: maps.polar(LEFT / 0), r"P\[0, 0\] = inf"),
        (lambda: maps.polar_differential(LEFT, LEFT * np.nan), r"dP\[0, 0\] = nan"),
        (lambda: maps.polar_differential(1e-200 * np.eye(2), 1e200 * TURN), r"dP / P\[0, 1\] = -inf"),
        (lambda: maps.nearest_to_reflection(TURN * np.nan), r"A\[0, 0\] = nan"),
        (lambda: maps.lengthened(-np.ones(1), np.ones(1), 1.0), r"squared_norm\[0\] = -1.0"),
        (lambda: maps.lengthened(np.ones(1), np.full(1, np.inf), 1.0), r"squared_gradient\[0\] = inf"),
        (lambda: preserving.direction(np.eye(2), TURN, 0.0), "cap = 0.0"),
        (lambda: preserving.direction(1e300 * np.eye(2), TURN, 1.0), r"R\[0, 0\] = 1e\+300"),
        (lambda: preserving.direction(np.eye(2), TURN * np.inf, 1.0), r"M\[0, 0\] = nan"),
        (lambda: procrustes.matrix(ONE, np.eye(2)), "A = a matrix whose transpose is not -A: expected a skew one"),
        (lambda: procrustes.matrix(ONE, 1e15 * TURN), r"A\[0, 1\] = -1000000000000000"),
        (lambda: procrustes.coordinates_solution(ONE, LEFT, 1.0), "A = a matrix whose"),
        (lambda: procrustes.excess_loss(ONE, LEFT), "A = a matrix whose"),
        (lambda: procrustes.distance(np.eye(2)), "A = a matrix whose"),
        (lambda: procrustes.riccati_solution(ONE.s, LEFT, 1.0), "aligned = a matrix whose"),
        (lambda: procrustes.riccati_solution(ONE.s, -np.eye(2), 30.0), r"tanh\(S t / 2\) R~ \+ I = 0"),
        (lambda: procrustes.expressivity_gap(LEFT, LEFT * np.inf), r"T\[0, 0\] = inf"),
        (lambda: procrustes.expressivity_gap(LEFT * 1e71, LEFT), r"W0\[0, 0\] = 1e\+71"),
        (lambda: rotations.plane_rotation(3, (1, 1), 0.5), r"pair = \(1, 1\): expected two different numbers"),
        (lambda: rotations.plane_rotation(3, (-1, 1), 0.5), r"pair = \(-1, 1\)"),
        (lambda: rotations.plane_rotation(3, (0, 3), 0.5), r"pair = \(0, 3\).* from 0 to d - 1 = 2"),
        (lambda: rotations.plane_rotation(3, (0, 1), np.inf), "angles = inf"),
        (lambda: rotations.random_rotation(np.random.default_rng(0), 0), "d = 0"),
        (lambda: rotations.random_rotation(np.random.default_rng(0), 2, 0), "runs = 0"),
        (lambda: random_problem(np.random.default_rng(0), np.array([np.nan]), N=1, n=1), r"s\[0\] = nan"),
        (lambda: procrustes.start_near(ONE, np.random.default_rng(0), 0.0), "size = 0.0"),
        (lambda: LinearOPT(1e71 * np.eye(2), np.eye(2), np.eye(2)), r"X\[0, 0\] = 1e\+71"),
        (lambda: Component(LEFT, np.array([2.0, 1.0]), np.eye(2)), "P = a matrix whose"),
        (lambda: Component(np.eye(2), np.array([2.0, 1.0]), LEFT), "Q = a matrix whose"),
        (lambda: Component(np.eye(2), np.array([1.0, -1.1]), np.eye(2)), r"s_i - \|s_\(i\+1\)\|\[0\] = -0.1"),
        (lambda: Component(np.eye(1), np.array([np.nan]), np.eye(1)), r"s\[0\] = nan"),
    ],
)
def test_arguments_outside_of_the_domain_are_named(call, message: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(InvalidArgument, match=message):
        call()


def test_symmetry_is_judged_run_by_run() -> None:
    with pytest.raises(InvalidArgument, match="differs from its transpose"):
        double_bracket.optimum(np.stack([1e9 * np.eye(2), LEFT]), np.stack([np.eye(2)] * 2))
    with pytest.raises(InvalidArgument, match="transpose is not -A"):
        procrustes.distance(np.stack([1e9 * TURN, LEFT]))
