"""What watching costs: a run of 5000 steps of three layers on the digits, watched and not, interleaved."""

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from timing import interleaved
from torch import nn
from torch.nn.functional import cross_entropy

from experiments.watch import Watch

STEPS = 5000


def train(batch: int | None, watched: bool) -> Watch | None:
    torch.manual_seed(0)
    digits = load_digits()
    X, Y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    network = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    watch = Watch(network, loss=cross_entropy, inputs=X, targets=Y, optimizer=optimizer) if watched else None
    for _ in range(STEPS):
        rows = slice(None) if batch is None else torch.randint(len(X), (batch,))
        optimizer.zero_grad()
        cross_entropy(network(X[rows]), Y[rows]).backward()
        optimizer.step()
        if watch is not None:
            watch()
    if watch is not None:
        watch.verdict()
    return watch


@pytest.mark.parametrize("batch", [128, None])
def test_a_watch_costs_less_than_a_tenth(batch: int | None, report: Callable[[str], None]) -> None:
    torch.set_num_threads(1)
    rounds = 1 if batch is None else 3
    seconds = interleaved({"watched": lambda: train(batch, True), "alone": lambda: train(batch, False)}, rounds)
    ratio = seconds["watched"] / seconds["alone"]
    times = f"{seconds['alone']:.2f} s, watched {seconds['watched']:.2f} s ({ratio:.3f} x)"
    report(f"batches of {batch or 'all 1797'}: {times}")
    assert ratio < 1.1
