"""A watched run is the run it would have been: bit by bit, in all that training keeps."""

import doctest
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from experiments.watch import Watch, look

OPTIMISERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
}


class Noisy(nn.Module):
    """Draws random numbers in evaluation, too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.01 * torch.randn_like(x)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout2d(0.2), nn.Flatten(),
        spectral_norm(nn.Linear(16, 8)), nn.BatchNorm1d(8, momentum=None), nn.ReLU(), Noisy(), nn.Dropout(0.3),
        nn.Linear(8, 3),
    )  # fmt: skip


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All that a run leaves behind, copied."""
    left = {f"state {name}": value.clone() for name, value in model.state_dict().items()}
    left |= {f"grad {name}": None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    left |= {f"mode {name}": module.training for name, module in model.named_modules()}
    for i, state in enumerate(optimizer.state.values()):
        left |= {f"{name} {i}": v.clone() if isinstance(v, torch.Tensor) else v for name, v in state.items()}
    return left | {"random": torch.get_rng_state()}


def run(name: str, is_watched: bool) -> dict[str, Any]:
    torch.manual_seed(0)
    model, X, Y = network(), torch.randn(30, 1, 4, 4), torch.randint(3, (30,))
    optimizer = OPTIMISERS[name](model.parameters())
    loss = nn.CrossEntropyLoss()
    watch = Watch(model, loss=loss, inputs=X, targets=Y, optimizer=optimizer) if is_watched else None
    for step in range(20):
        model.train(step % 5 != 4)
        model[3].eval()
        rows = torch.randperm(30)[:10]
        optimizer.zero_grad()
        loss(model(X[rows]), Y[rows]).backward()
        optimizer.step()
        if watch is not None:
            watch()
            if step == 11:
                watch.verdict()
    if watch is not None:
        watch.verdict(), watch.evidence(), watch.figure()
    return everything(model, optimizer)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_nothing_of_a_run_changes(name: str) -> None:
    alone, watched = run(name, False), run(name, True)
    assert alone.keys() == watched.keys()
    for what, value in alone.items():
        same = torch.equal(value, watched[what]) if isinstance(value, torch.Tensor) else value == watched[what]
        assert same, what


def test_it_looks_under_no_grad_and_in_any_mode() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    X, Y = torch.randn(10, 3), torch.randn(10, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Watch(model, loss=nn.MSELoss(), inputs=X, targets=Y, optimizer=optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(X), Y).backward()
        with torch.no_grad():
            optimizer.step()
            watch()
            assert not torch.is_grad_enabled()
    assert watch.steps == 3
    assert "1 x the gradient named" in watch.verdict()


def test_a_look_at_most_sixty_times() -> None:
    looks = list(look.scheduled())
    assert doctest.testmod(look).failed == 0
    assert looks[:12] == [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48]
    assert len(looks) == 60 and looks[-1] > 5e8 and looks == sorted(set(looks))
