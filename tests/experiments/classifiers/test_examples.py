"""The examples of a batch of networks: their mini-batches, and one wide layer for the networks of one split."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.classifiers.descent import FallingAdam
from experiments.classifiers.examples import Examples, group_outputs
from experiments.classifiers.tasks import draw
from experiments.data.idx import load_digits
from experiments.training.batches import outputs, stack, state_of
from experiments.training.loop import train
from theory.core.linear_networks import gaussian_stack
from theory.core.validation import InvalidArgument

TASK = draw(load_digits(), np.random.default_rng(0), train=40, validation=20, seeds=2, flipped=0.0)
WIDTHS = (64, 16, 10)
NETWORK = stack(WIDTHS, nn.ReLU)


def examples(cells: int = 1, batch: int = 10) -> Examples:
    return Examples(TASK.train, cells, batch, np.random.default_rng(1), "cpu")


def start(runs: int) -> dict[str, torch.Tensor]:
    layers = gaussian_stack(np.random.default_rng(2), WIDTHS, 0.2, runs=runs)
    return {name: torch.tensor(layer, dtype=torch.float32) for name, layer in state_of(layers).items()}


def test_an_epoch_sees_every_example_once() -> None:
    some = examples()
    rows = [some.batch(torch.tensor([float(step)])).rows for step in range(4)]
    assert sorted(torch.cat(rows).tolist()) == list(range(40))
    batch = some.batch(torch.tensor([2.0]))
    assert (batch.x[1].numpy() == TASK.train.x[1, batch.rows]).all()
    assert (batch.y.numpy() == TASK.train.y[:, batch.rows]).all()
    with pytest.raises(InvalidArgument, match="batch = 7: expected a divisor of the 40 examples"):
        examples(batch=7)


@pytest.mark.parametrize("cells", [1, 3])
def test_runs_of_one_group_share_its_images(cells: int) -> None:
    """One wide first layer for all of them is each network on its own."""
    state, batch = start(2 * cells), examples(cells).batch(torch.tensor([1.0]))
    alone = outputs(NETWORK, state, batch.x.repeat_interleave(cells, 0))
    rounding = 64 * torch.finfo(torch.float32).eps  # sums of 64 products of numbers up to 1, in another order
    assert torch.allclose(group_outputs(NETWORK, state, batch.x), alone, rtol=0, atol=rounding)
    assert torch.equal(batch.y[::cells], batch.y[cells - 1 :: cells])


def test_adam_is_torchs_with_a_rate_that_falls_to_nothing() -> None:
    steps, rate, target = 7, 0.1, torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    rule = FallingAdam(lambda state: (state["w"] - target).square().sum(-1), steps)
    zeros = {"w": torch.zeros(2, 2)}
    run = train(rule.loss, zeros, learning_rate=rate, steps=steps, record=[steps], observe=dict, update=rule)
    w = nn.Parameter(torch.zeros(2, 2))
    optimizer = torch.optim.Adam([w], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (w - target).square().sum().backward()
        optimizer.step()
        schedule.step()
    assert run["w"][-1] == pytest.approx(w.detach().numpy(), rel=1e-5)
