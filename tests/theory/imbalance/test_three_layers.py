"""Deeper linear networks: what the claim does not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core import flows
from theory.core.linear_networks import end_to_end, gaussian_stack, imbalances, layer_gradients
from theory.core.validation import InvalidArgument
from theory.imbalance import three_layers, tighter_rate
from theory.imbalance.convergence import exponential_bound
from theory.imbalance.problem import Network, coordinates
from theory.imbalance.three_layers import FullRankRegression


def example(seed: int, widths=(3, 5, 4, 2), runs: int = 3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((widths[0] + 2, widths[0]))
    problem = FullRankRegression(X, rng.standard_normal((widths[0] + 2, widths[-1])))
    return problem, gaussian_stack(rng, widths, 0.6, runs=runs)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.tuples(*[st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)]))
def test_delta_star_bounds_the_smallest_curvature(seed, widths):
    _, layers = example(seed, widths, runs=20)
    bound = three_layers.three_layer_bound(*imbalances(layers), widths[0], widths[-1])
    size = sum((W**2).sum((-2, -1)) for W in layers) ** 2
    assert (bound >= -1e-12 * size).all()
    assert (three_layers.smallest_curvature(layers) >= bound - 1e-12 * size).all()


def test_delta_star_is_the_same_read_from_the_other_end():
    _, layers = example(0)
    D1, D2 = imbalances(layers)
    mirrored = imbalances([W.mT for W in reversed(layers)])
    here = three_layers.three_layer_bound(D1, D2, 3, 2)
    np.testing.assert_allclose(three_layers.three_layer_bound(*mirrored, 2, 3), here, atol=1e-12)


def test_flow_conserves_the_imbalances_and_decays_at_the_bound():
    problem, (W1, W2, W3) = example(1, widths=(1, 6, 5, 2), runs=1)
    layers = (2 * W1, 0.2 * W2, 3 * W3)

    def velocity(_, state):
        weights = [state[name] for name in ("W1", "W2", "W3")]
        gradients = layer_gradients(weights, problem.gradient(end_to_end(weights)))
        return {name: -G for name, G in zip(("W1", "W2", "W3"), gradients, strict=True)}

    t = np.linspace(0, 0.2, 11)
    run = flows.flow(velocity, dict(zip(("W1", "W2", "W3"), layers, strict=True)), t)
    path = [run[name] for name in ("W1", "W2", "W3")]
    before, after = imbalances(layers), imbalances([W[-1] for W in path])
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-7)
    rate = problem.pl_constant * three_layers.three_layer_bound(*before, 1, 2)
    assert rate > 1
    excess = problem.excess(end_to_end(path))
    assert (excess <= exponential_bound(excess[0], rate, t) * (1 + 1e-8)).all()


def test_layer_gradients_are_the_slopes_of_the_loss():
    problem, layers = example(2, runs=1)
    gradients = layer_gradients(layers, problem.gradient(end_to_end(layers)))
    for l, G in enumerate(gradients):
        direction = np.random.default_rng(l).standard_normal(G.shape)
        ahead, behind = (
            problem.excess(end_to_end([*layers[:l], layers[l] + s * direction, *layers[l + 1 :]]))
            for s in (1e-6, -1e-6)
        )
        np.testing.assert_allclose((ahead - behind) / 2e-6, (G * direction).sum((-2, -1)), rtol=1e-6, atol=1e-7)


def test_bound_at_time_zero_at_infinity_and_composed():
    start, rate = np.array([2.0, 3.0]), np.array([0.5, 0.0])
    bound = exponential_bound(start, rate, np.array([0.0, 1.0, 2.5, np.inf]))
    assert bound.shape == (4, 2)
    np.testing.assert_array_equal(bound[0], start)
    np.testing.assert_array_equal(bound[-1], [0.0, 3.0])
    np.testing.assert_allclose(exponential_bound(bound[1], rate, np.array(1.5)), bound[2])
    with pytest.raises(InvalidArgument, match="t = "):
        exponential_bound(start, rate, np.array([-1.0]))


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_unimodal_layers_have_the_signs_they_promise(turn):
    layers = three_layers.unimodal_layers(np.random.default_rng(turn), widths=(2, 4, 5, 3), turn=turn, gap=0.5, runs=4)
    assert [W.shape for W in layers] == [(4, 4, 2), (4, 5, 4), (4, 3, 5)]
    assert (three_layers.unimodal_bound(layers, turn) > 0).all()
    other = 3 if turn == 1 else 1
    with pytest.raises(InvalidArgument, match="wrong sign"):
        three_layers.unimodal_bound(layers, other)


@pytest.mark.parametrize(
    "change, message",
    [({"turn": 0}, "turn"), ({"turn": 4}, "turn"), ({"gap": 0.0}, "gap"), ({"widths": (2, 2, 5, 3)}, "widths")],
)
def test_unimodal_layers_name_what_is_wrong(change, message):
    arguments = {"widths": (2, 4, 5, 3), "turn": 2, "gap": 0.5, **change}
    with pytest.raises(InvalidArgument, match=message):
        three_layers.unimodal_layers(np.random.default_rng(0), **arguments)


def test_regression_names_what_is_wrong():
    with pytest.raises(InvalidArgument, match="rank X = 1"):
        FullRankRegression(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(InvalidArgument, match=r"Y\.shape"):
        FullRankRegression(np.eye(3), np.ones((2, 1)))


def test_regression_constants():
    problem, _ = example(3)
    W = problem.minimiser + np.random.default_rng(0).standard_normal((50, 2, 3))
    squared = (problem.gradient(W) ** 2).sum((-2, -1))
    assert (squared >= problem.pl_constant * problem.excess(W) * (1 - 1e-12)).all()
    assert (squared <= 2 * problem.smoothness * problem.excess(W) * (1 + 1e-12)).all()
    loss = 0.5 * ((problem.Y - problem.X @ W.mT) ** 2).sum((-2, -1))
    np.testing.assert_allclose(problem.excess(W) + problem.optimal_loss, loss)


def test_fan_out_scales():
    np.testing.assert_allclose(three_layers.fan_out_scales((5, 100, 4)), [0.1, 0.5])


def eigenvalue(matrix, k):
    """lambda_k, k = 1, 2, ..., decreasing; 0 beyond the size, infinite before its start."""
    values = np.linalg.eigvalsh(matrix)[::-1]
    return np.inf if k < 1 else values[k - 1] if k <= len(values) else 0.0


@pytest.mark.parametrize("widths", [(3, 5, 4, 2), (2, 3, 5, 3), (1, 4, 2, 3), (4, 3, 6, 1)])
def test_delta_star_is_its_definition(widths):
    (n, h1, h2, m), layers = widths, example(4, widths, runs=1)[1]
    D21, D23 = (D[0] * sign for D, sign in zip(imbalances([2 * layers[0], 0.4 * layers[1], 2.5 * layers[2]]), (1, -1)))

    def gains(own, size, other, k, power):
        Dbar = [max(eigenvalue(own, i), eigenvalue(other, i), 0) for i in range(1, size + 1)]
        kept = [min(Dbar[i - 1], eigenvalue(own, i + 1 - k)) for i in range(1, size + 1)]
        return sum(d**power - c**power for d, c in zip(Dbar, kept))

    left, left_2 = (gains(D21, h1, D23, n, power) for power in (1, 2))
    right, right_2 = (gains(D23, h2, D21, m, power) for power in (1, 2))
    expected = 0.5 * (left_2 + left * left) + left * right + 0.5 * (right_2 + right * right)
    bound = three_layers.three_layer_bound(D21[None], -D23[None], n, m)
    np.testing.assert_allclose(bound, expected, rtol=1e-12, atol=1e-12)


def test_delta_star_is_attained_without_a_middle_layer():
    """T = W3 W3^T kron W1^T W1 there."""
    _, (W1, W2, W3) = example(5, (3, 5, 4, 2))
    layers = (W1, 0 * W2, W3)
    weakest = np.linalg.eigvalsh(W1.mT @ W1)[:, 0] * np.linalg.eigvalsh(W3 @ W3.mT)[:, 0]
    np.testing.assert_allclose(three_layers.smallest_curvature(layers), weakest, rtol=1e-10)
    np.testing.assert_allclose(three_layers.three_layer_bound(*imbalances(layers), 3, 2), weakest, rtol=1e-10)


@pytest.mark.parametrize("widths", [(3, 2), (2, 4, 3), (3, 5, 4, 2), (2, 3, 2, 4, 3)])
def test_curvature_is_that_of_the_product_by_differences(widths):
    """T = J J^T, J the derivative of the end-to-end matrix."""
    layers = gaussian_stack(np.random.default_rng(6), widths, 0.8, runs=1)
    columns = []
    for l, W in enumerate(layers):
        for entry in np.ndindex(W.shape[1:]):
            step = np.zeros(W.shape)
            step[(0, *entry)] = 1.0  # the product is linear in each layer, so that any difference is exact
            moved = end_to_end([*layers[:l], W + step, *layers[l + 1 :]]) - end_to_end(layers)
            columns.append(moved.ravel())
    J = np.array(columns).T
    T = three_layers.curvature(layers)
    assert T.shape == (1, len(J), len(J))
    np.testing.assert_allclose(T[0], J @ J.T, atol=1e-12)


def test_drift_of_one_step_is_exact():
    problem, layers = example(7)
    gradient = problem.gradient(end_to_end(layers))
    moved = [W - 0.03 * G for W, G in zip(layers, layer_gradients(layers, gradient), strict=True)]
    drift = three_layers.imbalance_drift(layers, gradient, 0.03)
    for new, old, expected in zip(imbalances(moved), imbalances(layers), drift, strict=True):
        np.testing.assert_allclose(new - old, expected, atol=1e-12)
        assert np.abs(expected).max() > 1e-5


def test_two_layers_of_known_spectrum():
    """D_1 = diag(0.9, 0.4, -0.7, -1.5, -2): output 0.9, 0.4, hidden 2, 1.5, 0.7; n = 3, m = 2."""
    D = np.diag([0.9, -0.7, -2.0, 0.4, -1.5])[None]
    level = three_layers.two_layer_level(D, 3, 2, np.array([0.35]), np.array([0.6]))
    expected = -1.3 + np.sqrt(2.4**2 + 4 * 0.6**2) - 0.5 + np.sqrt(1.6**2 + 4 * 0.35**2)
    np.testing.assert_allclose(level, expected, rtol=1e-13)
    for n in (4, 6):  # of the other sign, or beyond the end: 0
        beyond = three_layers.two_layer_level(D, n, 2, np.array([0.35]), np.array([0.6]))
        expected = -2 + np.sqrt(2.4**2 + 4 * 0.6**2) - 0.5 + np.sqrt(0.9**2 + 4 * 0.35**2)
        np.testing.assert_allclose(beyond, expected, rtol=1e-13)
    beyond = three_layers.two_layer_level(D, 3, 3, np.array([0.35]), np.array([0.6]))
    expected = -1.3 + np.sqrt(2.0**2 + 4 * 0.6**2) - 0.9 + np.sqrt(1.6**2 + 4 * 0.35**2)
    np.testing.assert_allclose(beyond, expected, rtol=1e-13)


def test_least_singular_value_of_known_numbers():
    problem = FullRankRegression(np.diag([3.0, 1.5]), np.diag([3.0, 1.5]) @ np.diag([2.0, 5.0]))
    W = problem.minimiser + np.array([[[0.3, 0.0], [0.0, 0.4]], [[0.0, 1.5], [0.0, 0.0]]])
    np.testing.assert_allclose(three_layers.least_singular_value(problem, W, 1), [5 - 2 * 0.5, 5 - 2 * 1.5])
    np.testing.assert_allclose(three_layers.least_singular_value(problem, W, 2), [2 - 2 * 0.5, 0])


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 1), (1, 3)])
def test_with_white_data_theorem_1_is_theorem_3_of_2022(n, m):
    rng = np.random.default_rng(8)
    X = 1.3 * np.linalg.qr(rng.standard_normal((n + 2, n)))[0]
    problem = FullRankRegression(X, X @ rng.standard_normal((n, m)))
    first = rng.standard_normal((4, 5, n))
    second = (problem.minimiser + 0.1 * rng.standard_normal((4, m, n))) @ np.linalg.pinv(first)
    Z = coordinates(problem, Network(first.mT, second))
    rate = three_layers.two_layer_rate(problem, [first, second])
    np.testing.assert_allclose(rate, tighter_rate.margin_rate(problem, Z), rtol=1e-9)


def test_turning_factors_are_their_definition():
    D = [np.diag(values)[None] for values in ((-3.0, -1.0, -2.0), (-0.5, -0.7, -4.0), (1.5, 0.2, 0.4), (2.0, 3.0, 5.0))]
    n, m, turn = 2, 3, 3
    expected = [2.0 + 0.7, 0.7, 0.2, 0.2 + 2.0]  # lambda_2(-D_1) = 2, lambda_2(-D_2) = 0.7, lambda_3(D_3) = 0.2, ...
    np.testing.assert_allclose(three_layers.turning_factors(D, turn, n, m)[0], expected)
    np.testing.assert_allclose(three_layers.turning_factors(D[2:], 1, n, m)[0], [0.2, 2.2])
    np.testing.assert_allclose(three_layers.turning_factors(D[:2], 3, n, m)[0], [2.7, 0.7])
    assert (three_layers.turning_factors(D[:2], 3, 4, m) == 0).all()


@pytest.mark.parametrize(
    ("values", "turn"), [((2.0, 1.5, 0.0, 1.2, 1.7), 3), ((0.0, 0.7, 1.3), 1), ((1.3, 0.7, 0.0), 3)]
)
def test_scalars_that_turn_at_zero_attain_the_product(values, turn):
    W = [np.full((1, 1, 1), value) for value in values]
    others = np.prod([value**2 for value in values if value != 0])
    np.testing.assert_allclose(three_layers.unimodal_bound(W, turn), others)
    np.testing.assert_allclose(three_layers.homogeneous_bound(W, turn), others)


@pytest.mark.parametrize("turn", [0, 3])
def test_no_layer_turns_beyond_the_ends(turn):
    with pytest.raises(InvalidArgument, match="turn"):
        three_layers.unimodal_bound([np.ones((1, 1, 1)), np.ones((1, 1, 1))], turn)


def test_equal_layers_turn_anywhere():
    """Their imbalances are 0, of either sign."""
    for turn in (1, 2):
        assert three_layers.unimodal_bound([np.ones((1, 1, 1)), np.ones((1, 1, 1))], turn) == 0


def test_scalars_that_attain_the_homogeneous_bound():
    for values in ((1.6, 0.7), (0.4, 1.1), (1.3, 1.3, 1.3)):
        W = [np.full((1, 1, 1), value) for value in values]
        bound = three_layers.homogeneous_bound(W, int(np.argmin(values)) + 1)
        whole = sum((np.prod(values) / value) ** 2 for value in values)
        np.testing.assert_allclose(bound, whole)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_neighbours_differ_by_at_least_the_gap(turn):
    rng = np.random.default_rng(turn)
    layers = three_layers.unimodal_layers(rng, widths=(2, 4, 5, 3), turn=turn, gap=0.7, runs=6)
    weakest = []
    for l, D in enumerate(imbalances(layers), start=1):
        falls = l < turn
        signed = -D if falls else D
        weakest.append([eigenvalue(matrix, 2 if falls else 3) for matrix in signed])
    assert (np.array(weakest) >= 0.7 - 1e-12).all()
    assert np.min(weakest) < 2.0
    assert np.std([layer.std() for layer in layers[turn - 1]]) > 0


def test_constants_of_a_known_regression():
    problem = FullRankRegression(np.diag([3.0, 2.0]), np.diag([3.0, 2.0]) @ np.array([[1.0], [5.0]]))
    assert (problem.strong_convexity, problem.smoothness, problem.pl_constant) == pytest.approx((4, 9, 8))
    np.testing.assert_allclose(problem.minimiser, [[1.0, 5.0]])
    np.testing.assert_allclose(problem.excess(np.array([[2.0, 4.0]])), 0.5 * (9 + 4))
    np.testing.assert_allclose(problem.gradient(np.array([[2.0, 4.0]])), [[9.0, -4.0]])
    FullRankRegression(np.eye(2), np.ones((2, 1)))


def test_unimodal_layers_need_room_for_inputs_and_outputs():
    rng = np.random.default_rng(0)
    assert len(three_layers.unimodal_layers(rng, widths=(2, 3, 3), turn=2, gap=0.5)) == 2
    for turn in (1, 2):
        three_layers.unimodal_layers(rng, widths=(3, 3, 1), turn=turn, gap=0.5)
        with pytest.raises(InvalidArgument, match="widths"):
            three_layers.unimodal_layers(rng, widths=(3, 2, 1), turn=turn, gap=0.5)
