"""Deliberate mistakes in a training loop, and the line that points at each."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import SGD, Adam, Optimizer

from experiments.watch import Watch
from watched_runs import data, in_words, mlp, watched

CLASSES = torch.arange(20) % 3


def sum_of_cross_entropies(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return cross_entropy(f, y, reduction="sum")


def points(watch: Watch) -> list[str]:
    return [line.removeprefix("look at: ") for line in watch.verdict().splitlines() if line.startswith("look at: ")]


def looped(network: nn.Module, optimizer: Optimizer, body: object, X: torch.Tensor, Y: torch.Tensor) -> Watch:
    watch = Watch(network, loss=mse_loss, inputs=X, targets=Y, optimizer=optimizer)
    for _ in range(20):
        body()  # type: ignore[operator]
        watch()
    return watch


def test_a_right_loop_has_nothing_to_look_at() -> None:
    network, (X, Y) = mlp(4, 6, 2), data(20, 4, 2)
    assert points(watched(network, mse_loss, (X, Y), SGD(network.parameters(), lr=0.05), 50)) == []
    network = mlp(4, 6, 2)
    assert points(watched(network, mse_loss, (X, Y), Adam(network.parameters(), lr=0.05), 50, batch=5)) == []


def test_a_layer_left_out_of_the_optimiser() -> None:
    network = mlp(4, 6, 5, 2)
    optimizer = SGD([*network[0].parameters(), *network[4].parameters()], lr=0.05)
    watch = watched(network, mse_loss, data(20, 4, 2), optimizer, 50)
    assert "2.weight is not in the optimiser, and stays as it started" in points(watch)
    assert in_words(watch, "balance") == "fails"


def test_a_mean_where_the_loss_named_is_a_sum() -> None:
    network, (X, _) = mlp(4, 6, 3), data(20, 4, 2)
    optimizer = SGD(network.parameters(), lr=0.005)
    watch = watched(network, cross_entropy, (X, CLASSES), optimizer, 50, named=sum_of_cross_entropies)
    (line,) = points(watch)
    assert line.startswith("the loss trained is a mean where the loss named is a sum: its gradient is 1 / 20")
    assert in_words(watch, "descent") == "fails"


def test_a_sum_where_the_loss_named_is_a_mean() -> None:
    network, (X, _) = mlp(4, 6, 3), data(20, 4, 2)
    optimizer = SGD(network.parameters(), lr=0.001)
    watch = watched(network, sum_of_cross_entropies, (X, CLASSES), optimizer, 50, named=cross_entropy)
    assert points(watch)[0].startswith("the loss trained is a sum where the loss named is a mean")


def test_a_learning_rate_beyond_stability() -> None:
    network, (X, Y) = mlp(4, 6, 2), data(20, 4, 2)
    watch = watched(network, mse_loss, (X, Y), SGD(network.parameters(), lr=3.0), 50)
    assert any(line.startswith("the learning rate is beyond stability: sharpness") for line in points(watch))
    network = mlp(4, 6, 2, between=None)
    watch = watched(network, mse_loss, (X, Y), SGD(network.parameters(), lr=50.0), 50)
    assert any("no longer finite" in line for line in points(watch))
    assert any("beyond stability" in line for line in points(watch))


@pytest.mark.parametrize("rate", [0.05, 1e-6])
def test_zero_grad_forgotten(rate: float) -> None:
    network, (X, Y) = mlp(4, 6, 2), data(20, 4, 2)
    optimizer = SGD(network.parameters(), lr=rate)

    def body() -> None:
        mse_loss(network(X), Y).backward()
        optimizer.step()

    assert "gradients add up from step to step: zero_grad is not called" in points(
        looped(network, optimizer, body, X, Y)
    )


def test_a_weight_tied_by_accident() -> None:
    shared = nn.Linear(6, 6, bias=False).double()
    network = nn.Sequential(mlp(4, 6), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), mlp(6, 2))
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 10)
    assert points(watch) == ["layers 2 and 3 are one weight"]


def test_backward_forgotten() -> None:
    network, (X, Y) = mlp(4, 6, 2), data(20, 4, 2)
    optimizer = SGD(network.parameters(), lr=0.05)

    def body() -> None:
        optimizer.zero_grad()
        mse_loss(network(X), Y)
        optimizer.step()

    (line,) = points(looped(network, optimizer, body, X, Y))
    assert line == "0.weight, 2.weight are stepped without a gradient: is backward called before?"


def test_a_step_forgotten() -> None:
    network, (X, Y) = mlp(4, 6, 2), data(20, 4, 2)
    optimizer, steps = SGD(network.parameters(), lr=0.05), iter(range(20))

    def body() -> None:
        optimizer.zero_grad()
        mse_loss(network(X), Y).backward()
        if next(steps) < 5:
            optimizer.step()

    watch = looped(network, optimizer, body, X, Y)
    assert points(watch) == ["15 calls of the watch without a step of this optimiser before them"]
    assert watch.steps == 5


def test_weights_changed_beside_the_optimiser() -> None:
    network, (X, Y) = mlp(4, 6, 2), data(20, 4, 2)
    optimizer = SGD(network.parameters(), lr=0.05)

    def body() -> None:
        optimizer.zero_grad()
        mse_loss(network(X), Y).backward()
        optimizer.step()
        with torch.no_grad():
            network[2].weight.clamp_(-0.1, 0.1)

    assert any(
        line.startswith("weights change by more than the optimiser's step")
        for line in points(looped(network, optimizer, body, X, Y))
    )


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_targets_that_the_loss_broadcasts() -> None:
    network, (X, Y) = mlp(4, 6, 1), data(20, 4, 1)
    watch = watched(network, mse_loss, (X, Y[:, 0]), SGD(network.parameters(), lr=0.05), 10)
    assert points(watch) == [
        "outputs of shape (16, 1) against targets of shape (16,): the loss broadcasts each output against every target"
    ]


def test_a_parameter_that_nothing_uses() -> None:
    network = mlp(4, 6, 2)
    network.register_parameter("spare", nn.Parameter(torch.ones(3, dtype=torch.float64)))
    watch = watched(network, mse_loss, data(20, 4, 2), SGD(network.parameters(), lr=0.05), 10)
    assert points(watch) == ["spare is used by nothing that the output depends on"]
