"""Restart from the average: what it does to a network, how it is saved, and what it refuses."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from experiments.methods.weight_sampling import RestartedAverage
from one_device import OneDevice
from theory.core.validation import InvalidArgument


def moved(network: nn.Module, number: float) -> None:
    """As a step of an optimiser would."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(number)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))
def test_every_epoch_ends_at_the_mean_of_its_samples(period: int, samples: int, epochs: int) -> None:
    network = nn.Linear(2, 1)
    sampling = RestartedAverage(network, period=period, samples=samples)
    for epoch in range(epochs):
        seen = []
        for step in range(1, period * samples + 1):
            number = float(100 * epoch + step**2)
            moved(network, number)
            if step % period == 0:
                seen.append(number)
            assert sampling.step() == (step == period * samples)
        assert network.bias.item() == pytest.approx(sum(seen) / samples)
        assert sampling.average.bias.item() == pytest.approx(network.bias.item())


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.Adam(p, lr=0.1),
    ],
)
def test_any_optimiser_goes_on_from_it(make: Callable) -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    optimizer, sampling = make(network.parameters()), RestartedAverage(network, period=2, samples=3)
    x, before = torch.randn(64, 3), None
    for _ in range(60):
        optimizer.zero_grad()
        loss = (network(x) - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        before = before or loss.item()
        optimizer.step()
        sampling.step()
    assert loss.item() < before / 2


def test_what_was_saved_goes_on_alike() -> None:
    one, other = nn.Linear(2, 1), nn.Linear(2, 1)
    there = RestartedAverage(one, period=1, samples=4)
    for number in (1.0, 5.0):
        moved(one, number)
        there.step()
    here = RestartedAverage(other, period=1, samples=4)
    here.load_state_dict(there.state_dict())
    for number in (2.0, 4.0):
        for network, sampling in ((one, there), (other, here)):
            moved(network, number)
            sampling.step()
    assert one.bias.item() == other.bias.item() == 3.0


def test_buffers_stay_as_they_are() -> None:
    network = nn.BatchNorm1d(2)
    sampling = RestartedAverage(network, period=1, samples=2)
    for number in (1.0, 3.0):
        moved(network, number)
        network.running_mean.fill_(number)
        sampling.step()
    assert network.weight[0].item() == 2.0 and network.running_mean[0].item() == 3.0


def test_it_stays_on_its_device() -> None:
    with OneDevice():
        sampling = RestartedAverage(nn.Linear(2, 1, device="meta"), period=1, samples=2)
        assert not sampling.step() and sampling.average.weight.device.type == "meta"


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidArgument, match="period = 0: expected a whole number of at least 1"):
        RestartedAverage(nn.Linear(2, 1), period=0, samples=2)
    with pytest.raises(InvalidArgument, match="samples = -1: expected a whole number of at least 1"):
        RestartedAverage(nn.Linear(2, 1), period=1, samples=-1)
    with pytest.raises(InvalidArgument, match="network = ReLU: expected a module with parameters"):
        RestartedAverage(nn.ReLU(), period=1, samples=2)
    sampling = RestartedAverage(nn.Linear(2, 1), period=1, samples=2)
    with pytest.raises(InvalidArgument, match=r"state = a dictionary of \['steps'\]"):
        sampling.load_state_dict({"steps": 3})
    other = RestartedAverage(nn.Linear(3, 1), period=1, samples=2)
    with pytest.raises(InvalidArgument, match="expected one of a Linear of these shapes"):
        sampling.load_state_dict(other.state_dict())
