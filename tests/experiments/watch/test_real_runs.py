"""Networks as people train them: the digits, convolutions with batch normalisation, Adam; what is written and drawn."""

import json
import warnings

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam

from experiments.watch import Watch
from theory.harness import archive
from watched_runs import in_words, watched


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    return torch.tensor(found.data[:400] / 16).float(), torch.tensor(found.target[:400])


@pytest.fixture(scope="module")
def perceptron(digits: tuple[Tensor, Tensor]) -> Watch:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    return watched(network, cross_entropy, digits, SGD(network.parameters(), lr=0.2), 300)


def test_a_perceptron(perceptron: Watch) -> None:
    assert in_words(perceptron, "balance").startswith("holds, to ")
    assert in_words(perceptron, "descent").startswith("holds, to ")
    assert in_words(perceptron, "margin") == "layer 2 has a bias"
    table = perceptron.verdict()
    assert "look at" not in table and "does not apply" in table
    assert max(len(line) for line in table.splitlines()) <= 132


def test_what_is_written(perceptron: Watch) -> None:
    written = json.loads(perceptron.evidence())
    restored = archive.restore(written, {})
    assert set(restored) == {"watch.balance", "watch.descent"}
    assert restored["watch.balance"].verdict == "holds"
    assert all(check.data for check in restored["watch.balance"].checks)
    assert written["provenance"]["does not apply"]["watch.margin"] == "layer 2 has a bias"
    assert set(written["provenance"]["observations"]) >= {"watch.step", "watch.sharpness", "watch.lazy"}


def test_what_is_drawn(perceptron: Watch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = perceptron.figure()
        figure.draw_without_rendering()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert any(title.startswith("balance of the layers\nholds, to") for title in titles)
    assert all(axes.lines for axes in figure.axes)


@pytest.mark.parametrize("seed", range(3))
def test_convolutions_with_batch_normalisation(digits: tuple[Tensor, Tensor], seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    watch = watched(network, cross_entropy, digits, optimizer, 100, batch=32)
    for id in ("balance", "scale_invariance"):
        assert in_words(watch, id).startswith("holds, to ")
    assert in_words(watch, "margin") == "layer 1 is followed by batch_norm"
    assert "look at" not in watch.verdict()


def test_adam(digits: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 32, bias=False), nn.ReLU(), nn.Linear(32, 10, bias=False))
    watch = watched(network, cross_entropy, digits, Adam(network.parameters(), lr=0.01), 100, batch=32)
    assert in_words(watch, "balance") == "Adam does not conserve it"
    assert in_words(watch, "margin") == "Adam does not follow the flow"
    table = watch.verdict()
    assert "no limit known for Adam" in table and "look at" not in table
    assert not json.loads(watch.evidence())["claims"]
