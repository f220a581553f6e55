"""Both kernels against the recursion written out: batches, records, runs that are held, divergence, edges."""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.arrays import EPS, Array
from theory.core.regression import random_regression
from theory.core.validation import InvalidArgument
from theory.imbalance import compression
from theory.imbalance.compression import Compressed
from theory.imbalance.problem import gaussian
from theory.imbalance.recursion import FASTEST

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba, of the extra fast, is not installed")
WAYS = [pytest.param(compression.gradient_descent, marks=needs_numba), compression.gradient_descent_in_numpy]
BOTH = pytest.mark.parametrize("descent", WAYS, ids=["numba", "numpy"])


def setting(r: int, m: int, runs: int, seed: int = 0, h: int = 40) -> Compressed:
    rng = np.random.default_rng(seed)
    problem = random_regression(rng, D=r + 2, n=r + 1, m=m, singular_values=np.linspace(1.4, 0.6, r))
    return compression.compress(problem, gaussian(problem, h, rng, scales=(0.3, 0.3), runs=runs))


def written_out(small: Compressed, eta: float, record: Sequence[int], stop_below: float = 0.0) -> list[Array]:
    """U (T, runs, r, w), V (T, runs, m, w), the excess loss (T, runs) and the steps taken (runs,), as formulas say."""
    problem, U, V = small.problem, small.network.U, small.network.V
    S, taken, states = np.diag(problem.X)[:, None], np.zeros(len(U), int), []
    for step in range(max(record) + 1):
        E = problem.Y - S * (U @ V.mT)
        loss = 0.5 * (E**2).sum((1, 2))
        if step in record:
            states.append((U, V, loss))
        goes_on = (loss >= stop_below)[:, None, None]
        U, V = U + goes_on * eta * S * (E @ V), V + goes_on * eta * (S * E).mT @ U
        taken += goes_on[:, 0, 0] & (step < max(record))
    return [*(np.array(part) for part in zip(*states)), taken]


@BOTH
@pytest.mark.parametrize(("r", "m", "h"), [(1, 1, 1), (1, 1, 9), (5, 3, 40), (8, 1, 7), (23, 1, 40), (6, 9, 16)])
def test_a_batch_follows_the_recursion(descent, r: int, m: int, h: int) -> None:
    """Rows and widths that are no multiples of what compiled code takes at once, records close and far apart."""
    small = setting(r, m, 3, h=h)
    record = [0, 1, 2, 17, 40]
    run = descent(small, learning_rate=0.02, steps=41, record=record)
    U, V, loss, taken = written_out(small, 0.02, record)
    np.testing.assert_allclose(run["U"], U, atol=1e-13)
    np.testing.assert_allclose(run["V"], V, atol=1e-13)
    np.testing.assert_allclose(run["excess_loss"], loss, rtol=1e-12)
    np.testing.assert_array_equal(run.facts["steps"], taken)
    np.testing.assert_allclose(run.t, 0.02 * np.array(record))
    assert run.facts["kernel"] == (FASTEST.name if descent is compression.gradient_descent else "numpy")


@BOTH
def test_runs_are_held_one_by_one(descent) -> None:
    small = setting(6, 1, 4)
    record, enough = [0, 30, 250, 400], 0.03
    run = descent(small, learning_rate=0.003, steps=400, record=record, stop_below=enough)
    U, V, _, taken = written_out(small, 0.003, record, enough)
    assert len(set(taken)) > 2 and 30 < taken.min() < 250 < taken.max() < 400
    np.testing.assert_array_equal(run.facts["steps"], taken)
    np.testing.assert_allclose(run["U"], U, atol=1e-13)
    np.testing.assert_allclose(run["V"], V, atol=1e-13)
    held = taken < 250
    np.testing.assert_array_equal(run["U"][2, held], run["U"][3, held])
    np.testing.assert_array_equal(run["excess_loss"][2:] < enough, [held, taken < 400])


@BOTH
def test_one_run_has_no_dimension_and_several_have_theirs(descent) -> None:
    one, several = setting(3, 2, 1), setting(3, 2, 6)
    run = descent(one, learning_rate=0.1, steps=2, record=[0, 2])
    assert run["U"].shape == (2, 3, 5) and run["excess_loss"].shape == (2,) and run.facts["steps"].shape == ()
    network = type(several.network)(several.network.U.reshape(2, 3, 3, 5), several.network.V.reshape(2, 3, 2, 5))
    square = Compressed(several.original, several.problem, network, several.frozen.reshape(2, 3, -1, 5))
    flat, grid = (descent(each, learning_rate=0.1, steps=2, record=[2]) for each in (several, square))
    np.testing.assert_array_equal(grid["V"][0].reshape(6, 2, 5), flat["V"][0])
    assert grid.facts["steps"].shape == (2, 3)


@BOTH
def test_the_start_is_left_alone(descent) -> None:
    small = setting(1, 1, 1, h=1)
    U, V = small.network.U.copy(), small.network.V.copy()
    run = descent(small, learning_rate=0.5, steps=3, record=[0, 3])
    np.testing.assert_array_equal(small.network.U, U)
    np.testing.assert_array_equal(small.network.V, V)
    assert (run["U"][1] != run["U"][0]).all() and (run["V"][1] != run["V"][0]).all()


@BOTH
def test_a_tiny_step_changes_nothing(descent) -> None:
    small = setting(5, 1, 1)
    run = descent(small, learning_rate=1e-300, steps=5, record=[0, 5])
    np.testing.assert_allclose(run["V"][1], small.network.V[0], rtol=0, atol=1e-290)
    np.testing.assert_allclose(run["U"][1], small.network.U[0], rtol=2 * EPS, atol=1e-290)


@BOTH
def test_divergence_names_the_run_and_a_stable_learning_rate(descent) -> None:
    small = setting(4, 1, 3)
    small.network.U[1] *= 20
    with pytest.raises(InvalidArgument, match=r"learning_rate = 0.02: .* not diverge: run 1 does after \d+") as refusal:
        descent(small, learning_rate=0.02, steps=1000, record=[1000])
    stable = float(str(refusal.value).split()[-4])
    losses = descent(small, learning_rate=stable, steps=50, record=range(51))["excess_loss"][:, 1]
    assert (np.diff(losses) < 0).all() and 1e-4 < stable < 0.02


@BOTH
def test_a_loss_to_stop_at_is_above_0(descent) -> None:
    with pytest.raises(InvalidArgument, match="stop_below = 0.0"):
        descent(setting(2, 1, 1), learning_rate=0.1, steps=1, record=[1], stop_below=0.0)


@needs_numba
def test_kernels_agree_over_a_long_training() -> None:
    small, record = setting(12, 1, 1), range(0, 15_001, 500)
    fast, plain = (
        way(small, learning_rate=5e-4, steps=15_000, record=record, stop_below=1e-12)["excess_loss"]
        for way in (compression.gradient_descent, compression.gradient_descent_in_numpy)
    )
    early = plain > 1e-8
    assert early.sum() > 10 and plain[-1] < 1e-12
    np.testing.assert_allclose(fast[early], plain[early], rtol=1e-10)
    # A step rounds E by eps |y~|, and descent forgets it within 1 / (eta lambda) = 1100 steps, as E decays like
    # exp(-lambda t), lambda near 1.9: so much at the worst, of |E|; and of its square twice as much.
    size = np.linalg.norm(small.problem.Y)
    np.testing.assert_allclose(fast, plain, rtol=2 * 1100 * EPS * size / np.sqrt(2 * plain[-1]))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 3), st.integers(1, 12), st.integers(1, 4))
def test_descent_is_the_recursion_at_any_size(seed: int, r: int, m: int, h: int, runs: int) -> None:
    small, record = setting(r, m, runs, seed, h), [0, 3, 11]
    U, V, loss, _ = written_out(small, 0.05, record)
    for descent in (compression.gradient_descent, compression.gradient_descent_in_numpy):
        run = descent(small, learning_rate=0.05, steps=11, record=record)
        np.testing.assert_allclose(run["U"].reshape(U.shape), U, atol=1e-12)
        np.testing.assert_allclose(run["V"].reshape(V.shape), V, atol=1e-12)
        np.testing.assert_allclose(run["excess_loss"].reshape(loss.shape), loss, rtol=1e-11, atol=1e-25)
