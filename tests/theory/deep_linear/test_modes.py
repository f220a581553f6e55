"""Learning curves of modes, alone and coupled: semigroup, limits, shapes; frames; errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.chain import gradient_flow
from theory.chain.problem import Chain
from theory.core import flows
from theory.core.linear_networks import end_to_end, imbalances
from theory.core.validation import InvalidArgument
from theory.deep_linear import minnorm
from theory.deep_linear.modes import (
    Modes,
    aligned,
    amplitudes,
    balanced_solution,
    critical_multiplier,
    decoupled_starts,
    planted,
    transverse_jacobian,
    whitened,
)
from theory.minnorm.tuning import Tuning

seeds = st.integers(0, 10_000)
STRENGTHS = (3.0, 1.5, 0.75)


def modes_of(seed: int, draws: int = 2) -> Modes:
    return Modes(whitened(STRENGTHS, x=1.2, d=6, n=4, K=3, rng=np.random.default_rng(seed), draws=draws))


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 6), st.floats(0.01, 5), st.floats(0, 2), st.floats(0, 2))
def test_a_curve_goes_on_from_where_it_is(L: int, start: float, first: float, second: float) -> None:
    chain = Chain(1.7, L, 1.2)
    middle = balanced_solution(chain, start, first)
    assert balanced_solution(chain, middle, second) == pytest.approx(
        balanced_solution(chain, start, first + second), abs=1e-9
    )
    assert balanced_solution(chain, start, 0.0) == pytest.approx(start)
    assert balanced_solution(chain, start, np.inf) == pytest.approx(chain.s)


@settings(deadline=None, max_examples=12)
@given(st.floats(0.01, 5), st.floats(0, 4))
def test_at_depth_two_it_is_logistic(start: float, t: float) -> None:
    chain = Chain(1.7, 2, 1.2)
    growth = np.exp(2 * chain.sigma * chain.s * t)
    logistic = chain.s * growth / (growth - 1 + chain.s / start)
    assert balanced_solution(chain, start, t) == pytest.approx(logistic, rel=1e-9)
    pair = np.full(2, np.sqrt(start))
    assert gradient_flow.two_layer_solution(chain, pair, t) == pytest.approx(logistic, rel=1e-9)


def test_times_come_before_starts_in_the_shape() -> None:
    chain = Chain(1.7, 3)
    curve = balanced_solution(chain, np.array([0.1, 1.7, 4.0]), np.array([[0.0, 1.0]]))
    assert curve.shape == (1, 2, 3)
    assert curve[0, 0] == pytest.approx([0.1, 1.7, 4.0])
    assert curve[0, 1, 1] == pytest.approx(1.7)


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0, 2), st.floats(0, 2))
def test_coupled_modes_go_on_from_where_they_are(seed: int, first: float, second: float) -> None:
    modes, rng = modes_of(seed), np.random.default_rng(seed)
    G = 0.3 * rng.standard_normal((2, 5, 3))
    middle = modes.coupled_solution(G, first)
    root = np.linalg.cholesky(middle).mT
    assert np.allclose(
        modes.coupled_solution(root, second), modes.coupled_solution(G, first + second), rtol=1e-6, atol=1e-8
    )
    assert np.allclose(modes.coupled_solution(G, 0.0), G.mT @ G, rtol=1e-8)
    assert np.allclose(modes.coupled_solution(G, np.inf), np.diag(STRENGTHS))
    assert modes.coupled_solution(G, np.zeros((4, 1))).shape == (4, 1, 2, 3, 3)


def test_orthogonal_directions_do_not_couple() -> None:
    modes, t = modes_of(0), np.linspace(0, 3, 5)
    G = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 5, 3)))[0] * [0.1, 0.2, 0.3]
    each = [balanced_solution(chain, start, t) for chain, start in zip(modes.chains(2), (0.01, 0.04, 0.09))]
    assert np.allclose(modes.coupled_solution(G, t), np.stack(each, -1)[:, None, :, None] * np.eye(3), atol=1e-9)
    assert np.allclose(decoupled_starts(G), [0.01, 0.04, 0.09])


@settings(deadline=None, max_examples=12)
@given(seeds, st.integers(1, 4))
def test_amplitudes_are_read_off_an_aligned_stack(seed: int, L: int) -> None:
    modes, rng = modes_of(seed), np.random.default_rng(seed)
    w = rng.uniform(0.2, 2, (2, 3, L))
    frames = modes.frames([6, *[5] * (L - 1), 3], rng)
    W = aligned(frames, w)
    assert np.allclose(amplitudes(frames, W), w)
    assert np.allclose(modes.strengths(end_to_end(W)), w.prod(-1))
    balanced = aligned(frames, np.ones((2, 3, L)) * w[..., :1])
    assert all(np.allclose(D, 0) for D in imbalances(balanced))


def test_multipliers_are_read_off_in_units_of_the_chain() -> None:
    modes = modes_of(3)
    multiplier = (modes.U * [1.0, 2.0, 3.0]) @ modes.V.mT @ modes.problem.X / modes.x
    assert np.allclose(modes.multipliers(multiplier), [1.0, 2.0, 3.0])


def test_the_weakest_mode_is_the_critical_one() -> None:
    modes = modes_of(1)
    assert modes.critical_augmentation(3, Tuning(b=0.0), 0.0) == pytest.approx(1 / (3 * 1.44 * 0.75 ** (4 / 3)))


def test_a_collapsed_mode_returns_where_the_transverse_direction_is_neutral() -> None:
    weak, other, tuning = Chain(0.3, 3, 1.2), Chain(1.5, 3, 1.2), Tuning(0.8, 0.6, 3.0)
    critical = critical_multiplier(weak, other, tuning)
    growth = lambda multiplier: np.linalg.eigvals(transverse_jacobian(weak, other, tuning, multiplier)).real.max()  # noqa: E731
    assert growth(0.99 * critical) < 0 < growth(1.01 * critical)
    assert growth(critical) == pytest.approx(0, abs=1e-9)
    with pytest.raises(InvalidArgument, match=r"weak\.L = 2: expected depth 3"):
        transverse_jacobian(Chain(0.3, 2), Chain(1.5, 2), tuning, 1.0)


def test_problems_are_planted_as_asked() -> None:
    problem = planted([2.0, 1.0], [1.5, 0.9, 0.4], d=5, K=3, rng=np.random.default_rng(0), draws=4)
    assert np.allclose(problem.rates, [1.5, 0.9, 0.4])
    singular_values = np.linalg.svd(problem.minimum_norm_solution, compute_uv=False)
    assert np.allclose(singular_values, [2.0, 1.0, 0.0])


def test_what_cannot_be_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidArgument, match="rates = 3 of them: expected at most d = 2"):
        planted([1.0], [1.0] * 3, d=2, K=1, rng=rng)
    with pytest.raises(InvalidArgument, match=r"strengths = 2 of them: expected at most min\(n, K\) = 1"):
        planted([1.0, 1.0], [1.0], d=2, K=2, rng=rng)
    with pytest.raises(InvalidArgument, match="expected all alike"):
        Modes(planted([1.0], [1.0, 2.0], d=2, K=1, rng=rng))
    with pytest.raises(InvalidArgument, match="expected singular values above 0"):
        Modes(whitened([1.0], x=1.0, d=4, n=2, K=2, rng=rng))
    modes = modes_of(0)
    with pytest.raises(InvalidArgument, match="at least 3, one neuron a mode"):
        modes.frames([6, 2, 3], rng)
    with pytest.raises(InvalidArgument, match=r"len\(W\) = 1: expected 2 layers"):
        modes.effective_start([np.ones((2, 3, 6))])
    with pytest.raises(InvalidArgument, match=r"G\^T G = a singular matrix"):
        modes.coupled_solution(np.ones((2, 5, 3)), 1.0)
    with pytest.raises(InvalidArgument, match=r"start = 0\.0: expected strengths above 0"):
        balanced_solution(Chain(1.0, 2), 0.0, 1.0)
    with pytest.raises(InvalidArgument, match="expected times of at least 0"):
        balanced_solution(Chain(1.0, 2), 0.5, -1.0)


@pytest.mark.parametrize(("L", "start"), [(1, 0.3), (2, 0.2), (3, 0.3), (4, 0.5), (3, 2.9)])
def test_a_curve_solves_its_equation(L: int, start: float) -> None:
    chain, t = Chain(1.7, L, 1.2), np.array([0.2, 0.5, 1.1])
    velocity = lambda _, z: {"u": L * 1.44 * z["u"] ** (2 - 2 / L) * (1.7 - z["u"])}  # noqa: E731
    flow = flows.flow(velocity, {"u": np.array([start])}, t)["u"][:, 0]
    assert balanced_solution(chain, start, t) == pytest.approx(flow, rel=1e-8)


def test_coupled_modes_solve_riccatis_equation() -> None:
    modes, t, S = modes_of(0), np.array([0.1, 0.4, 0.9]), np.diag(STRENGTHS)
    G = 0.4 * np.random.default_rng(1).standard_normal((2, 5, 3))
    velocity = lambda _, z: {"P": 1.44 * (S @ z["P"] + z["P"] @ S - 2 * z["P"] @ z["P"])}  # noqa: E731
    flow = flows.flow(velocity, {"P": G.mT @ G}, t)["P"]
    assert np.allclose(modes.coupled_solution(G, t), flow, atol=1e-8)


def test_the_part_of_a_small_start_that_grows() -> None:
    modes, rng = modes_of(0), np.random.default_rng(1)
    G, dies = rng.standard_normal((2, 2, 5, 3))
    W = [(G + dies) @ modes.V.mT, modes.U @ (G - dies).mT]
    assert np.allclose(modes.effective_start(W), G)


def test_starts_of_modes_one_after_the_other() -> None:
    G = np.random.default_rng(0).standard_normal((4, 5, 3))
    assert np.allclose(decoupled_starts(G), np.diagonal(np.linalg.cholesky(G.mT @ G), axis1=1, axis2=2) ** 2)


def test_the_transverse_jacobian_is_that_of_the_velocity() -> None:
    tuning, multiplier, step = Tuning(0.8, 0.6, 0.9), 1.3, 1e-5
    modes = Modes(whitened([1.5, 0.4], x=1.2, d=4, n=3, K=2, rng=np.random.default_rng(0)))
    other, weak = modes.chains(3)
    frames = modes.frames([4, 3, 3, 2], np.random.default_rng(1))
    rest = minnorm.solution_multiplier(modes.problem, 3)
    at_rest = modes.multipliers(rest)[0, 0]

    def velocity(q: float, nu: float) -> np.ndarray:
        W = aligned(frames, np.array([[[other.omega] * 3, [0.0] * 3]]))
        W[0] = W[0] + q * frames[1][..., :1] @ modes.V[..., 1:].mT
        W[2] = W[2] + q * modes.U[..., 1:] @ frames[2][..., :1].mT
        inside = np.array([[at_rest, nu], [nu, multiplier]])
        layers, integral = minnorm.velocity(
            modes.problem, tuning, W, modes.U @ inside @ modes.V.mT @ modes.problem.X / modes.x
        )
        moved = (frames[1][..., :1].mT @ layers[0] @ modes.V[..., 1:])[0, 0, 0]
        grown = (modes.U.mT @ integral @ modes.problem.X.mT @ modes.V / modes.x)[0, 0, 1]
        return np.array([moved, grown])

    columns = [(velocity(*(step * e)) - velocity(*(-step * e))) / (2 * step) for e in np.eye(2)]
    assert np.allclose(transverse_jacobian(weak, other, tuning, multiplier), np.stack(columns, -1), atol=1e-7)


def test_whitened_examples_are() -> None:
    problem = whitened([2.0, 1.0], x=1.3, d=5, n=3, K=2, rng=np.random.default_rng(0), draws=2)
    assert np.allclose(problem.X @ problem.X.mT, 1.69 * problem.seen) and not problem.noise.any()
    assert Modes(problem).x == pytest.approx(1.3)


def test_modes_of_draws_have_to_agree_for_chains() -> None:
    a, b = (whitened([2.0, s], x=1.0, d=5, n=3, K=2, rng=np.random.default_rng(0)) for s in (1.0, 1.1))
    both = type(a)(*(np.concatenate(pair) for pair in ((a.X, b.X), (a.teacher, b.teacher), (a.noise, b.noise))))
    with pytest.raises(InvalidArgument, match="the same strengths in every draw"):
        Modes(both).chains(2)
    assert [chain.s for chain in Modes(a).chains(4)] == pytest.approx([2.0, 1.0])
