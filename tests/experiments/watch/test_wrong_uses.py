"""What is no watch, in one line each."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from experiments.watch import Watch
from theory.core.validation import InvalidArgument

NETWORK = nn.Linear(3, 2)
RIGHT: dict[str, Any] = {
    "loss": mse_loss,
    "inputs": torch.randn(5, 3),
    "targets": torch.randn(5, 2),
    "optimizer": torch.optim.SGD(NETWORK.parameters(), lr=0.1),
}


class Pair(nn.Linear):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x), x


@pytest.mark.parametrize(
    ("network", "changed", "line"),
    [
        (lambda x: x, {}, "network = function: expected a torch.nn.Module"),
        (nn.ReLU(), {}, "network = a ReLU without trainable parameters: expected one with some"),
        (NETWORK, {"loss": 0.3}, "loss = an object of type float: expected a function of outputs and targets"),
        (NETWORK, {"loss": nn.MSELoss}, "loss = MSELoss: expected a function of outputs and targets"),
        (NETWORK, {"loss": nn.MSELoss(reduction="none")}, "loss = one that returns (5, 2): expected"),
        (NETWORK, {"inputs": [[1.0, 2.0, 3.0]]}, "inputs = an object of type list: expected a tensor"),
        (NETWORK, {"targets": torch.randn(4, 2)}, "targets = 4 of them: expected 5, one for each of the inputs"),
        (NETWORK, {"inputs": torch.full((5, 3), torch.nan)}, "inputs = a tensor with an infinite or NaN entry: "),
        (NETWORK, {"inputs": torch.randn(5, 4)}, "inputs = tensors for which torch says: mat1 and mat2"),
        (NETWORK, {"targets": torch.randn(5, 7)}, "targets = tensors for which torch says: The size of"),
        (NETWORK, {"inputs": torch.empty(0, 3), "targets": torch.empty(0, 2)}, "inputs = a tensor of shape (0, 3)"),
        (NETWORK, {"optimizer": torch.optim.SGD}, "optimizer = SGD: expected a torch.optim.Optimizer"),
        (NETWORK, {"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)}, "optimizer = one of other"),
        (NETWORK, {"examples": 0}, "examples = 0: expected a whole number of at least 1"),
        (Pair(3, 2), {}, "network = one that returns a tuple: expected one that returns a tensor"),
        (nn.Sequential(nn.Linear(3, 2), nn.Flatten(0)), {"targets": torch.ones(5)}, "network = one that returns (10,)"),
    ],
)  # fmt: skip
def test_one_line(network: Any, changed: dict[str, Any], line: str) -> None:
    given = RIGHT | changed
    if isinstance(network, nn.Module) and "optimizer" not in changed and list(network.parameters()):
        given["optimizer"] = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(InvalidArgument) as error:
        Watch(network, **given)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


@pytest.mark.parametrize("asked", ["verdict", "evidence", "figure"])
def test_a_verdict_needs_a_step(asked: str) -> None:
    watch = Watch(NETWORK, **RIGHT)
    watch()
    with pytest.raises(InvalidArgument, match="watch = 0 steps seen: expected a call after optimizer.step"):
        getattr(watch, asked)()
