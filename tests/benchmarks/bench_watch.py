"""What watching costs: a run of 5000 steps of three layers on the digits, watched and not, interleaved."""

from collections.abc import Callable
from statistics import median
from time import process_time

import pytest
import torch
from sklearn.datasets import load_digits
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


def seconds(batch: int | None, watched: bool) -> float:
    """Of computing: other work on the machine does not count."""
    begun = process_time()
    train(batch, watched)
    return process_time() - begun


@pytest.mark.parametrize(("batch", "rounds"), [(128, 3), (None, 1)])
def test_a_watch_costs_about_a_tenth(batch: int | None, rounds: int, report: Callable[[str], None]) -> None:
    torch.set_num_threads(1)
    pairs = [(seconds(batch, True), seconds(batch, False)) for _ in range(rounds)]
    ratio = median(watched / alone for watched, alone in pairs)
    report(f"batches of {batch or 'all 1797'}: {pairs[-1][1]:.2f} s, watched {ratio:.3f} times as long")
    assert ratio < 1.15
