"""Halpern's step after any torch optimiser's: what it does, what it remembers, what it refuses."""

import copy

import pytest
import torch

from experiments.methods.halpern import Halpern, halpern_, harmonic, vanishing
from theory.core.validation import InvalidArgument


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)).double()


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(8, 6, generator=generator, dtype=torch.float64)
    optimizer.zero_grad()
    model(inputs).square().sum().backward()
    optimizer.step()


def test_a_step_moves_towards_the_origin_or_the_anchor() -> None:
    w, v = torch.ones(3), torch.full((3,), 5.0)
    halpern_([w], 2)
    assert torch.allclose(w, torch.full((3,), 0.75))
    halpern_([w], 0, anchor=[v])
    assert torch.allclose(w, torch.full((3,), (0.75 + 5) / 2))
    halpern_([w], 7, anchor=[v], schedule=lambda k: 1.0)
    assert torch.equal(w, v)


def test_parameters_may_be_a_generator_and_need_gradients() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    halpern_(model.parameters(), 0, anchor=(torch.zeros_like(p) for p in before))
    assert all(torch.allclose(p, b / 2) for p, b in zip(model.parameters(), before))
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
def test_the_optimiser_s_own_step_comes_first(kind: type[torch.optim.Optimizer]) -> None:
    anchored, plain = network(), network()
    optimizers = kind(anchored.parameters(), lr=0.01), kind(plain.parameters(), lr=0.01)
    halpern = Halpern(optimizers[0])
    for k in range(3):
        plain.load_state_dict(anchored.state_dict())
        step(anchored, optimizers[0], seed=k)
        step(plain, optimizers[1], seed=k)
        for p, q in zip(anchored.parameters(), plain.parameters()):
            assert torch.allclose(p, (1 - harmonic(k)) * q, atol=1e-15)
    assert halpern.steps == 3


def test_vanishing_weights_leave_one_over_one_plus_t() -> None:
    w, schedule = torch.ones((), dtype=torch.float64), vanishing(0.1)
    for k in range(50):
        halpern_([w], k, schedule=schedule)
    assert w.item() == pytest.approx(1 / (1 + 0.1 * 50))


def test_a_saved_run_goes_on_to_the_same_bits(tmp_path) -> None:
    model = network()
    anchor = [0.1 * torch.ones_like(p) for p in model.parameters()]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    halpern = Halpern(optimizer, anchor=anchor)
    for seed in range(3):
        step(model, optimizer, seed)
    torch.save((model.state_dict(), optimizer.state_dict(), halpern.state_dict()), tmp_path / "saved.pt")
    other = network()
    again = torch.optim.Adam(other.parameters(), lr=0.5)
    resumed = Halpern(again)
    for part, state in zip((other, again, resumed), torch.load(tmp_path / "saved.pt", weights_only=True)):
        part.load_state_dict(state)
    for seed in range(3, 6):
        step(model, optimizer, seed)
        step(other, again, seed)
    assert resumed.steps == 6
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters()))


def test_the_anchor_is_a_copy_and_the_hook_can_be_removed() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    start = [p.detach().clone() for p in model.parameters()]
    halpern = Halpern(optimizer, anchor=[p.detach() for p in model.parameters()])
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3)
    step(model, optimizer, 0)
    assert all(torch.allclose(p, 2 * s) for p, s in zip(model.parameters(), start))
    halpern.remove()
    moved = copy.deepcopy(model.state_dict())
    step(model, optimizer, 1)
    assert halpern.steps == 1
    assert all(torch.equal(moved[name], p) for name, p in model.state_dict().items())


def test_what_is_refused_is_named() -> None:
    w = torch.ones(2)
    for k in (-1, True):
        with pytest.raises(InvalidArgument, match=rf"k = {k}"):
            halpern_([w], k)
    with pytest.raises(InvalidArgument, match=r"schedule\(3\) = 1.5"):
        halpern_([w], 3, schedule=lambda k: k / 2)
    with pytest.raises(InvalidArgument, match=r"schedule\(0\) = nan"):
        halpern_([w], 0, schedule=lambda k: float("nan"))
    with pytest.raises(InvalidArgument, match="anchor = tensors of shapes"):
        halpern_([w], 0, anchor=[torch.ones(3)])
    with pytest.raises(InvalidArgument, match="learning_rate = 0"):
        vanishing(0.0)
    with pytest.raises(InvalidArgument, match="c = -1"):
        vanishing(0.1, -1)
    assert torch.equal(w, torch.ones(2))


def test_a_wrapper_is_refused_before_the_first_step() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InvalidArgument, match="anchor"):
        Halpern(optimizer, anchor=[torch.ones(3)])
    with pytest.raises(InvalidArgument, match="schedule"):
        Halpern(optimizer, schedule=lambda k: -1.0)
    halpern = Halpern(optimizer)
    with pytest.raises(InvalidArgument, match="steps and anchor"):
        halpern.load_state_dict({"steps": 3})
    with pytest.raises(InvalidArgument, match="anchor"):
        halpern.load_state_dict({"steps": 3, "anchor": [torch.ones(3)]})
    with pytest.raises(InvalidArgument, match="k = -1"):
        halpern.load_state_dict({"steps": -1, "anchor": None})
    assert halpern.steps == 0
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())
