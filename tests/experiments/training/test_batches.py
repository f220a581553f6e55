import numpy as np
import pytest
import torch
from torch.func import functional_call

from experiments.training.batches import layers_of, outputs, stack, state_of
from theory.core.arrays import EPS
from theory.core.linear_networks import end_to_end, gaussian_stack

W = gaussian_stack(np.random.default_rng(0), (5, 4, 3, 2), 1.0, runs=6)
STATE = {name: torch.tensor(layer) for name, layer in state_of(W).items()}
X = np.random.default_rng(1).standard_normal((6, 7, 5))


def test_each_run_has_its_own_weights_and_its_own_inputs():
    seen = outputs(stack((5, 4, 3, 2)), STATE, torch.tensor(X)).numpy()
    predicted = X @ np.swapaxes(end_to_end(W), 1, 2)
    assert seen == pytest.approx(predicted, abs=100 * EPS * np.abs(predicted).max())


def test_inputs_may_be_shared_and_what_else_a_state_remembers_is_no_layer():
    state = STATE | {"W1.velocity": STATE["W1"], "multipliers": torch.zeros(6, 7)}
    seen = outputs(stack((5, 4, 3, 2), torch.nn.ReLU), state, torch.tensor(X[0])).numpy()
    hidden = np.maximum(np.einsum("rhd,nd->rnh", W[0], X[0]), 0)
    hidden = np.maximum(np.einsum("rhd,rnd->rnh", W[1], hidden), 0)
    predicted = np.einsum("rhd,rnd->rnh", W[2], hidden)
    assert seen == pytest.approx(predicted, abs=100 * EPS * np.abs(predicted).max())


@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_of_networks_does_what_torch_does_with_each(shared: bool) -> None:
    network, names = stack((5, 4, 3, 2), torch.nn.LeakyReLU), ("W1", "W2", "W3")
    inputs = torch.tensor(X[0] if shared else X)
    alone = [
        functional_call(network, {f"{name}.weight": STATE[name][run] for name in names}, (X_of_run,))
        for run, X_of_run in enumerate(torch.tensor(X[[0] * 6] if shared else X))
    ]
    assert torch.allclose(outputs(network, STATE, inputs), torch.stack(alone), rtol=1e-14, atol=1e-14)


def test_layers_come_in_their_order():
    deep = gaussian_stack(np.random.default_rng(3), (2,) * 12, 1.0)
    named = dict(reversed(state_of(deep).items()))
    assert all(a is b for a, b in zip(layers_of(named), deep))
