"""Training runs of a few networks, watched or not."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from experiments.watch import Watch
from experiments.watch.watch import Judged

Loss = Callable[[Tensor, Tensor], Tensor]


def data(n: int, d: int, m: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    X, Y = (torch.randn(n, size, generator=generator, dtype=torch.float64) for size in (d, m))
    return X.to(dtype), Y.to(dtype)


def mlp(*widths: int, bias: bool = False, between: type[nn.Module] | None = nn.ReLU, seed: int = 0) -> nn.Sequential:
    """Linear layers in double precision."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after, bias=bias)] + ([between()] if between else [])
    return nn.Sequential(*layers[: len(layers) - (between is not None)]).double()


def train(
    network: nn.Module,
    loss: Loss,
    data: tuple[Tensor, Tensor],
    optimizer: Optimizer,
    steps: int,
    batch: int | None = None,
) -> Iterator[int]:
    """A loop as users write it; yields after each step."""
    X, Y = data
    for step in range(steps):
        rows = slice(None) if batch is None else torch.randint(len(X), (batch,))
        optimizer.zero_grad()
        loss(network(X[rows]), Y[rows]).backward()
        optimizer.step()
        yield step


def watched(
    network: nn.Module,
    loss: Loss,
    data: tuple[Tensor, Tensor],
    optimizer: Optimizer,
    steps: int,
    *,
    named: Loss | None = None,
    batch: int | None = None,
) -> Watch:
    watch = Watch(network, loss=named or loss, inputs=data[0], targets=data[1], optimizer=optimizer)
    for _ in train(network, loss, data, optimizer, steps, batch):
        watch()
    return watch


def found(watch: Watch, id: str) -> Judged:
    (one,) = (each for each in watch._judged() if each.observer.id == f"watch.{id}")
    return one


def in_words(watch: Watch, id: str) -> str:
    """The verdict; why it does not apply; or "" of an observation."""
    one = found(watch, id)
    return one.finding.unmet or ("" if one.evidence is None else one.evidence.in_words)
