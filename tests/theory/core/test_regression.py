"""The decomposition of the data, and what they do not see: applied without a basis of it."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.regression import Regression, random_regression
from theory.imbalance import compression, invariant_set
from theory.imbalance.problem import Network


@given(D=st.integers(1, 8), n=st.integers(1, 8), m=st.integers(1, 3), runs=st.sampled_from([(), (1,), (2, 3)]))
@settings(max_examples=40, deadline=None)
def test_the_unseen_part_is_that_of_a_basis(D: int, n: int, m: int, runs: tuple[int, ...]) -> None:
    rng = np.random.default_rng((D, n, m))
    r = int(rng.integers(1, min(n, D) + 1))
    problem = random_regression(rng, D=D, n=n, m=m, singular_values=np.linspace(2, 1, r))
    basis = np.hstack([problem.Phi1, problem.Phi2])
    np.testing.assert_allclose(basis.T @ basis, np.eye(D), atol=1e-13)
    U = rng.standard_normal((*runs, D, 5))
    np.testing.assert_allclose(problem.unseen(U), problem.Phi2.T @ U, atol=1e-13)
    np.testing.assert_allclose(
        problem.from_unseen(problem.unseen(U)), U - problem.Phi1 @ (problem.Phi1.T @ U), atol=1e-13
    )


def test_many_inputs_take_memory_for_the_data_and_no_more() -> None:
    """D = 12000: a basis of what 50 examples do not see has 1.15 GB."""
    rng = np.random.default_rng(0)
    D = 12_000
    tracemalloc.start()
    problem = Regression(rng.standard_normal((50, D)), rng.standard_normal((50, 2)))
    network = Network(rng.standard_normal((1, D, 60)), rng.standard_normal((1, 2, 60)))
    small = compression.compress(problem, network)
    on_the_set = invariant_set.onto_invariant_set(problem, network)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6
    np.testing.assert_allclose(small.end_to_end(small.network.U, small.network.V), network.end_to_end, atol=1e-10)
    assert max(map(np.max, invariant_set.leakage(problem, on_the_set))) == pytest.approx(0, abs=1e-9)
