"""Weight decay at any depth: against ridge regression in full, brute force over strengths, and stability."""

import numpy as np
import pytest

from theory.core.validation import InvalidArgument
from theory.deep_linear import weight_decay
from theory.deep_linear.generalisation import best_ridge_strength
from theory.deep_linear.problem import Ensemble, draw, generalisation_error

RNG = np.random.default_rng
ENSEMBLE = Ensemble(7, 4, teacher=0.8, noise=0.5)


def ridge(problem, mu: float) -> np.ndarray:
    return problem.Y @ problem.X.mT @ np.linalg.inv(problem.X @ problem.X.mT + mu * np.eye(problem.d))


@pytest.mark.parametrize("mu", [0.03, 0.6, 5.0])
def test_ridge_in_the_basis_of_the_examples(mu: float) -> None:
    problem = draw(Ensemble(7, 4, K=2, noise=0.5), RNG(0), 3)
    assert np.allclose(weight_decay.ridge_modes(problem, mu) @ problem.basis.mT, ridge(problem, mu))
    each = np.array([mu, 2 * mu, 3 * mu])
    assert np.allclose(weight_decay.ridge_modes(problem, each)[1], weight_decay.ridge_modes(problem, 2 * mu)[1])


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_decay_that_holds_a_ridge(depth: int) -> None:
    problem = draw(ENSEMBLE, RNG(0), 3)
    size = np.linalg.norm(ridge(problem, 0.7), axis=(-2, -1))
    assert weight_decay.decay_that_holds(problem, 0.7, depth) == pytest.approx(0.7 * size ** (2 - 2 / depth))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_decayed_solution_minimises(depth: int) -> None:
    """1/2 |Y - W X|^2 + gamma L / 2 |W|^(2/L) grows in every direction."""
    problem, gamma = draw(ENSEMBLE, RNG(1), 4), 0.02
    W = weight_decay.decayed_solution(problem, gamma, depth)
    assert (np.linalg.norm(W, axis=(-2, -1)) > 0.2).all()

    def cost(W: np.ndarray) -> np.ndarray:
        fit = 0.5 * ((problem.Y - W @ problem.X) ** 2).sum((-2, -1))
        return fit + gamma * depth / 2 * np.linalg.norm(W, axis=(-2, -1)) ** (2 / depth)

    for direction in RNG(2).standard_normal((10, *W.shape)):
        for step in (1e-2, -1e-2):
            assert (cost(W + step * direction) > cost(W)).all()


def test_one_layer_is_ridge_of_that_strength() -> None:
    problem = draw(ENSEMBLE, RNG(0), 3)
    assert np.allclose(weight_decay.decayed_solution(problem, 0.37, 1), ridge(problem, 0.37))


def test_the_solution_vanishes_where_no_ridge_needs_so_much() -> None:
    problem = draw(ENSEMBLE, RNG(0), 1)
    strengths = np.geomspace(1e-2, 1e2, 500)
    holds = [float(weight_decay.decay_that_holds(problem, mu, 3)[0]) for mu in strengths]
    largest, at = max(holds), strengths[np.argmax(holds)]
    assert not weight_decay.decayed_solution(problem, 1.01 * largest, 3).any()
    W = weight_decay.decayed_solution(problem, 0.97 * largest, 3)
    # Of the two strengths the smaller one: a longer W than where the two meet.
    assert np.linalg.norm(W) > np.linalg.norm(ridge(problem, at))


@pytest.mark.parametrize("depth", [1, 2])
def test_the_best_decay_is_the_best_of_many(depth: int) -> None:
    problem = draw(ENSEMBLE, RNG(0), 100)
    best = weight_decay.best_decay(ENSEMBLE, problem, depth)
    error = lambda gamma: generalisation_error(  # noqa: E731
        ENSEMBLE, problem, weight_decay.decayed_solution(problem, gamma, depth)
    ).mean()
    assert error(best) < min(error(0.9 * best), error(1.1 * best))
    if depth == 1:
        assert best == pytest.approx(best_ridge_strength(ENSEMBLE), rel=0.3)


def test_what_has_no_answer_is_refused() -> None:
    problem = draw(ENSEMBLE, RNG(0), 1)
    with pytest.raises(InvalidArgument, match="depth"):
        weight_decay.decayed_solution(problem, 0.1, 0)
