"""The five dynamics against products layer by layer, the flow of the weights, and curves taken point by point."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.core import flows
from theory.core.linear_networks import gaussian_stack
from theory.homogeneous import decomposition, dynamics
from theory.homogeneous.decomposition import Examples, Polar, polar

seeds = st.integers(0, 2**32 - 1)
units = st.sampled_from([1e-140, 1e-9, 0.3, 1.0, 1e5, 1e140])
few = settings(max_examples=20, deadline=None)
fewer = settings(max_examples=4, deadline=None)
RULES = {
    "gradient flow": lambda rho, c, k: (others(rho, k), others(rho, k) / rho[k]),
    "Lagrange multiplier": lambda rho, c, k: (0, others(rho, k) * rho[k]),
    "tangent gradient": lambda rho, c, k: (0, others(rho, k) / rho[k]),
    "weight normalisation": lambda rho, c, k: (others(rho, k), others(rho, k) * rho[k] / c**2),
    "exponential": lambda rho, c, k: (others(rho, k) * rho[k] ** 2, others(rho, k) * rho[k] / c**2),
}


def others(rho: np.ndarray, k: int) -> float:
    return float(np.delete(rho, k).prod())


def rotation(rng: np.random.Generator, d: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@few
@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=5), st.floats(0.1, 10), seeds)
def test_speeds_of_sizes_and_directions(sizes: list[float], c: float, seed: int) -> None:
    """Layer by layer; and the rules without |v_k| know c = 1."""
    rho = np.array(sizes)
    laws = {
        "gradient flow": dynamics.gradient_flow,
        "Lagrange multiplier": dynamics.lagrange_multiplier,
        "tangent gradient": dynamics.tangent_gradient,
        "weight normalisation": partial(dynamics.weight_normalisation, c=c),
        "exponential": partial(dynamics.exponential_weight_normalisation, c=c),
    }
    order = np.random.default_rng(seed).permutation(len(rho))
    for name, law in laws.items():
        found = np.stack(law(np.stack([rho, rho[order]])))
        expected = np.array([RULES[name](rho, c, k) for k in range(len(rho))]).T
        assert found[:, 0] == pytest.approx(expected, rel=1e-12)
        assert found[:, 1] == pytest.approx(expected[:, order], rel=1e-12)


@fewer
@given(seeds, st.sampled_from([(3, 1), (3, 2, 1), (2, 2, 2, 1)]), st.sampled_from([0.0, 0.4, 1.0]))
def test_the_flow_of_sizes_and_directions_is_that_of_the_weights(seed: int, widths: tuple, leak: float) -> None:
    """W_k' = sum_n -l' dq_n/dW_k; the orbit passes the same points, and examples may be turned."""
    rng = np.random.default_rng(seed)
    examples = Examples(np.abs(rng.standard_normal((4, widths[0]))) + 0.1, np.ones(4), leak)
    W = [np.abs(layer) + 0.1 for layer in gaussian_stack(rng, widths, 0.6)]
    slope, t = decomposition.logistic_slope, np.array([0.2, 0.5])

    def velocity(_: float, state: dict) -> dict:
        layers = [state[f"W{k}"] for k in range(len(W))]
        pull = decomposition.gradients(examples, layers, slope(decomposition.margins(examples, layers)))
        return {f"W{k}": each for k, each in enumerate(pull)}

    free = flows.flow(velocity, {f"W{k}": layer for k, layer in enumerate(W)}, t, relative_tolerance=1e-11)
    ends = [polar([free[f"W{k}"][i] for k in range(len(W))]) for i in range(2)]
    start = polar(W)
    path = dynamics.flow(dynamics.gradient_flow, examples, start, t, slope, relative_tolerance=1e-9)
    growth = np.log([float(end.product[0] / start.product[0]) for end in ends])
    along = dynamics.orbit(dynamics.gradient_flow, examples, start, growth, slope, relative_tolerance=1e-9)
    for i, end in enumerate(ends):
        for found in (path, along):
            assert found["rho"][i] == pytest.approx(end.rho, abs=1e-8)
            for V, direction in zip(dynamics.directions(dict(found.arrays)), end.V):
                assert V[i] == pytest.approx(direction, abs=1e-8)
    Q = rotation(rng, widths[0])
    turned = Examples(examples.X @ Q.T, examples.y, leak)
    begin = start._replace(V=[start.V[0] @ Q.T, *start.V[1:]])
    again = dynamics.flow(dynamics.gradient_flow, turned, begin, t, slope, relative_tolerance=1e-9)
    assert again["work"] == pytest.approx(path["work"], abs=1e-8)
    assert again["V1"] == pytest.approx(path["V1"] @ Q.T, abs=1e-8)


@fewer
@given(seeds, st.integers(1, 3), st.floats(0.2, 3))
def test_sizes_double_at_half_the_time_until_which_they_are_finite(seed: int, depth: int, unit: float) -> None:
    """One example in the layers' direction: rho' = L rho^2 |x|."""
    rng = np.random.default_rng(seed)
    x = unit * rng.standard_normal(2)
    V = [x[None] / np.linalg.norm(x), *[np.ones((1, 1))] * (depth - 1)]
    examples, start = Examples(x[None], np.ones(1)), Polar(rng.uniform(0.5, 2, depth), V)
    half = dynamics.finite_until(examples, start) / 2
    law = dynamics.exponential_weight_normalisation
    path = dynamics.flow(law, examples, start, np.array([half]), decomposition.log_slope)
    assert path["rho"][0].prod() == pytest.approx(2 * start.product, rel=1e-8)
    beside = Examples(np.stack([x, 3 * x, 0 * x, -2 * x]), np.ones(4))
    assert dynamics.finite_until(beside, start) == pytest.approx(2 * half / 1.5)


@few
@given(seeds, st.integers(1, 4), units)
def test_distances_to_polylines(seed: int, vertices: int, unit: float) -> None:
    """Against points taken close together; vertices may be repeated, or lie on the way."""
    rng = np.random.default_rng(seed)
    points, curve = rng.standard_normal((5, 3)), rng.standard_normal((vertices, 3))
    found = dynamics.distance_to_curve(points, curve)
    shares = np.linspace(0, 1, 201)[:, None]
    ways = [a + shares * (b - a) for a, b in zip(curve, curve[1:])]
    dense = np.concatenate([curve, *ways])
    nearest = np.linalg.norm(points[:, None] - dense, axis=-1).min(1)
    assert (found <= nearest + 1e-12).all() and (found >= nearest - 2e-3).all()
    halves = np.concatenate([curve[:1], *[np.stack([a, (a + b) / 2, b]) for a, b in zip(curve, curve[1:])]])
    Q = rotation(rng, 3)
    for other in (curve[::-1], halves, np.repeat(curve, 2, axis=0)):
        assert dynamics.distance_to_curve(unit * points @ Q, unit * other @ Q) / unit == pytest.approx(found, abs=1e-12)
