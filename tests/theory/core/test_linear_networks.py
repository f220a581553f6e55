import numpy as np
import pytest

from theory.core.arrays import EPS
from theory.core.linear_networks import end_to_end, gaussian_stack, imbalances, layer_gradients, squared_norm
from theory.core.validation import InvalidArgument

W = gaussian_stack(np.random.default_rng(0), (5, 4, 3, 2), (1.0, 0.5, 2.0), runs=6)


def test_the_end_to_end_matrix_is_what_the_layers_do_one_after_the_other():
    x = np.random.default_rng(1).standard_normal((5, 7))
    one_by_one = W[2] @ (W[1] @ (W[0] @ x))
    assert end_to_end(W) @ x == pytest.approx(one_by_one, abs=60 * EPS * np.abs(one_by_one).max())


def test_layer_gradients_are_the_differences_of_the_loss():
    G = np.random.default_rng(2).standard_normal((6, 2, 5))
    loss = lambda layers: (G * end_to_end(layers)).sum((-2, -1))  # noqa: E731
    for l, gradient in enumerate(layer_gradients(W, G)):
        step = np.zeros_like(W[l])
        step[:, 1, 2] = 1.0
        # The loss is linear in one layer, so the difference over a step of 1 is exact but for rounding.
        difference = loss([layer + step if k == l else layer for k, layer in enumerate(W)]) - loss(W)
        assert gradient[:, 1, 2] == pytest.approx(difference, abs=1e3 * EPS * np.abs(loss(W)).max())


def test_imbalances_have_the_traces_that_the_norms_of_the_layers_say():
    traces = [np.trace(D, axis1=-2, axis2=-1) for D in imbalances(W)]
    norms = [np.square(layer).sum((-2, -1)) for layer in W]
    assert len(traces) == 2
    for trace, before, after in zip(traces, norms, norms[1:]):
        assert trace == pytest.approx(after - before, abs=100 * EPS * squared_norm(W).max())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((3,), 1.0), r"widths = \[3\]"),
        (((3, 0), 1.0), r"widths\[1\] = 0"),
        (((3, 2), (1.0, 2.0)), "one a layer"),
        (((3, 2, 1), (1.0, -2.0)), r"scales\[1\] = -2"),
    ],
)
def test_bad_sizes_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        gaussian_stack(np.random.default_rng(0), *arguments)
