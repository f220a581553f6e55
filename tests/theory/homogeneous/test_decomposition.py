import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core.linear_networks import gaussian_stack
from theory.core.validation import InvalidArgument
from theory.homogeneous import decomposition
from theory.homogeneous.decomposition import Examples, Polar, gradients, margins, polar, radial_and_tangential, weights

SLOPES = [getattr(decomposition, f"{name}_slope") for name in ("exponential", "logistic", "squared", "log")]
LOSSES = [
    lambda q: np.exp(-q).sum(-1),
    lambda q: np.log1p(np.exp(-q)).sum(-1),
    lambda q: 0.5 * ((1 - q) ** 2).sum(-1),
    lambda q: np.log(np.exp(-q).sum(-1)),
]
seeds, leaks = st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0])


def problem(seed: int, leak: float, runs: int = 3) -> tuple[Examples, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return Examples(rng.standard_normal((5, 4)), rng.choice([-1.0, 1.0], 5), leak), gaussian_stack(
        rng, (4, 3, 2, 1), 0.7, runs=runs
    )


@settings(deadline=None, max_examples=30)
@given(seeds, leaks)
def test_margins_are_homogeneous_in_every_layer(seed, leak):
    examples, W = problem(seed, leak)
    grown = [W[0], 3 * W[1], 0.5 * W[2]]
    assert margins(examples, grown) == pytest.approx(1.5 * margins(examples, W), rel=1e-12, abs=1e-12)
    back = weights(polar(W))
    assert all(np.allclose(layer, again, rtol=1e-14) for layer, again in zip(W, back))


@settings(deadline=None, max_examples=30)
@given(seeds, leaks)
def test_gradients_are_the_differences_of_the_margins(seed, leak):
    examples, W = problem(seed, leak)
    weight = np.random.default_rng(seed + 1).standard_normal((3, 5))
    for k, gradient in enumerate(gradients(examples, W, weight)):
        step = np.zeros_like(W[k])
        step[:, 0, 1] = 1e-6
        ends = [margins(examples, [w + s * step if j == k else w for j, w in enumerate(W)]) for s in (1, -1)]
        difference = (weight * (ends[0] - ends[1])).sum(-1) / 2e-6
        # A kink inside the step of 1e-6 would show as an error of the size of the weights; it is that rare.
        assert gradient[:, 0, 1] == pytest.approx(difference, abs=1e-7 * (1 + np.abs(weight).sum()))


@settings(deadline=None, max_examples=30)
@given(seeds, leaks)
def test_the_velocity_of_directions_is_tangent(seed, leak):
    examples, W = problem(seed, leak)
    state = polar(W)
    for slope in SLOPES:
        A, B = radial_and_tangential(examples, state, slope)
        for direction, force in zip(state.V, B):
            size = 1 + np.abs(A).max() + np.linalg.norm(force, axis=(-2, -1)).max()
            assert (direction * force).sum((-2, -1)) == pytest.approx(0, abs=1e-13 * size)


@pytest.mark.parametrize(
    ("slope", "loss"), list(zip(SLOPES, LOSSES)), ids=["exponential", "logistic", "squared", "log"]
)
def test_a_slope_is_minus_the_derivative_of_its_loss(slope, loss):
    q = np.random.default_rng(0).standard_normal((4, 5))
    step = 1e-6 * np.eye(5)
    difference = np.stack([(loss(q - e) - loss(q + e)) / 2e-6 for e in step], axis=-1)
    assert slope(q) == pytest.approx(difference, abs=1e-8)


@pytest.mark.parametrize(
    ("slope", "loss"), list(zip(SLOPES, LOSSES)), ids=["exponential", "logistic", "squared", "log"]
)
def test_forces_are_the_slopes_of_the_loss_in_sizes_and_directions(slope, loss):
    """At sizes that differ from layer to layer, by differences of the loss."""
    examples, W = problem(3, 0.3, runs=1)
    state = Polar(np.array([[0.7, 1.9, 1.2]]), polar(W).V)
    A, B = radial_and_tangential(examples, state, slope)
    rho = 0.7 * 1.9 * 1.2
    assert state.product == pytest.approx(rho)

    def at(sizes, V):
        return float(loss(margins(examples, weights(Polar(sizes, V))))[0])

    for k, step in enumerate(1e-5 * np.eye(3)):
        fall = at(state.rho - step, state.V) - at(state.rho + step, state.V)
        assert A[0] * rho / state.rho[0, k] == pytest.approx(fall / 2e-5, rel=1e-6)
        turn = np.random.default_rng(k).standard_normal(state.V[k].shape)
        turn -= (turn * state.V[k]).sum() * state.V[k]
        ends = [[V + s * turn if j == k else V for j, V in enumerate(state.V)] for s in (1e-5, -1e-5)]
        fall = at(state.rho, ends[1]) - at(state.rho, ends[0])
        assert rho * (B[k] * turn).sum() == pytest.approx(fall / 2e-5, rel=1e-5, abs=1e-7)


def test_examples_at_the_edges_are_taken():
    for leak in (0.0, 1.0):
        assert Examples(np.ones((2, 3)), np.array([1, -1]), leak).leak == leak
    assert Examples(np.ones((2, 3)), np.array([1, -1])).leak == 1


def test_layers_of_size_one_stay_what_they_are():
    V = [np.array([[[0.6, 0.8]]]), np.array([[[-2.0]]])]
    assert np.array_equal(polar(V).rho, [[1.0, 2.0]])
    assert np.array_equal(polar(V).V[1], [[[-1.0]]])


def test_runs_do_not_see_each_other():
    examples, W = problem(0, 0.0)
    state = polar(W)
    alone = Polar(state.rho[1:2], [direction[1:2] for direction in state.V])
    together, single = (radial_and_tangential(examples, each, SLOPES[0]) for each in (state, alone))
    assert np.allclose(together[0][1], single[0][0], rtol=1e-14)
    assert all(np.allclose(a[1], b[0], rtol=1e-12) for a, b in zip(together[1], single[1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Examples(np.ones((2, 2)), np.array([1.0, 0.5])), "y = "),
        (lambda: Examples(np.ones((2, 2)), np.ones(3)), "2 labels"),
        (lambda: Examples(np.ones((2, 2)), np.ones(2), leak=1.5), "leak = 1.5"),
        (lambda: Examples(np.full((2, 2), np.nan), np.ones(2)), "a finite number"),
        (lambda: Examples(np.ones((2, 2)), np.ones(2), leak=-0.1), "leak = -0.1"),
        (lambda: polar([np.zeros((1, 2, 2))]), "a layer of zeros"),
        (lambda: polar([np.ones((2, 1, 1)), np.array([[[1.0]], [[0.0]]])]), "a layer of zeros"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
