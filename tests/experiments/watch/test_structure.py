"""What is read of a network, whatever it is made of."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import weight_norm

from experiments.watch.landscape import Model
from experiments.watch.structure import Structure


class Residual(nn.Module):
    def __init__(self, inner_bias: bool = False) -> None:
        super().__init__()
        self.into, self.up = nn.Linear(5, 6, bias=False), nn.Linear(6, 7, bias=inner_bias)
        self.down, self.out = nn.Linear(7, 6, bias=False), nn.Linear(6, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = relu(self.into(x))
        return self.out(h + self.down(relu(self.up(h))))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(relu(self.inner(relu(self.inner(x)))))


def read(network: nn.Module, shape: tuple[int, ...] = (5,)) -> Structure:
    return Model(network, nn.MSELoss()).structure(torch.randn(4, *shape))[0]


def sequence(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


def linear(a: int, b: int, bias: bool = False) -> nn.Linear:
    return nn.Linear(a, b, bias=bias)


def pairs(structure: Structure) -> list[tuple[str, str, bool]]:
    return [(pair.weight, pair.outgoing, pair.is_linear) for pair in structure.pairs]


def test_nested_sequences() -> None:
    structure = read(
        sequence(sequence(linear(5, 4), nn.ReLU(inplace=True)), nn.Dropout(0.5), sequence(linear(4, 3), linear(3, 2)))
    )
    assert [layer.name for layer in structure.layers] == ["0.0", "2.0", "2.1"]
    assert pairs(structure) == [("0.0.weight", "2.0.weight", False), ("2.0.weight", "2.1.weight", True)]
    assert structure.degree == 3


def test_convolutions_pools_and_normalisations() -> None:
    network = sequence(
        nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.LeakyReLU(),
        nn.MaxPool2d(2), nn.Flatten(), linear(16, 2),
    )  # fmt: skip
    structure = read(network, (1, 8, 8))
    assert pairs(structure) == [("1.weight", "3.weight", False), ("3.weight", "7.weight", False)]
    assert structure.pairs[0].bias == "1.bias" and structure.pairs[1].bias == "3.bias"
    (invariant,) = structure.invariants
    assert (invariant.name, invariant.by_row, invariant.eps) == ("0.weight", True, 1e-5)
    assert structure.degree == "layer 1 is followed by batch_norm"


def test_a_residual_link_keeps_the_pair_inside_it() -> None:
    structure = read(Residual())
    assert pairs(structure) == [("up.weight", "down.weight", False)]
    assert structure.degree == "the link around layer 1 adds degrees 1 and 3"


@pytest.mark.parametrize(
    ("network", "degree", "stack"),
    [
        (sequence(linear(5, 4), linear(4, 2)), 2, None),
        (sequence(linear(5, 4, True), nn.ReLU(), linear(4, 2)), 2, "layer 1 has a bias"),
        (sequence(linear(5, 4), nn.ReLU(), linear(4, 2, True)), "layer 2 has a bias", "layer 1 is followed by relu"),
        (sequence(linear(5, 4), nn.GELU(), linear(4, 2)), "layer 1 is followed by gelu", "layer 1 is followed by gelu"),
        (weight_norm(linear(5, 2)), "layer 1 is parametrised (WeightNorm)", "layer 1 is parametrised (WeightNorm)"),
        (Twice(), "layer 2 has a bias", "layer 1 has a bias"),
    ],
)  # fmt: skip
def test_what_is_homogeneous_and_what_is_linear(network: nn.Module, degree: object, stack: str | None) -> None:
    structure = read(network)
    assert structure.degree == degree
    assert structure.stack == (stack or structure.layers)


def test_one_weight_in_two_places() -> None:
    assert read(Twice()).tied == "layers 1 and 2 are one weight"
    assert read(Residual()).tied == ""


def test_what_goes_two_ways_has_no_pair() -> None:
    structure = read(sequence(linear(5, 4), nn.Tanh(), linear(4, 2)))
    assert not structure.pairs and structure.no_pair == "layer 1 is followed by tanh"


def test_parameters_that_nothing_uses() -> None:
    network = sequence(linear(5, 2))
    network.spare = linear(3, 3)
    network.forward = lambda x: network[0](x)  # type: ignore[method-assign]
    assert read(network).used == {"0.weight"}
