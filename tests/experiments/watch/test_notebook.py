"""A verdict is text wherever it is asked for: rich would show it, and return nothing, in a notebook."""

import pytest
import rich.console
import torch

from experiments.watch import Watch


def test_a_verdict_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    network, inputs = torch.nn.Linear(2, 1), torch.eye(2)
    loss, targets = torch.nn.functional.mse_loss, torch.ones(2, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    watch = Watch(network, loss=loss, inputs=inputs, targets=targets, optimizer=optimizer)
    loss(network(inputs), targets).backward()
    optimizer.step()
    watch()
    assert watch.verdict().startswith("1 layer, loss: squared")
