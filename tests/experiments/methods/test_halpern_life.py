"""Halpern's step through the life of an optimiser: copied, pickled, skipped, grown, scheduled, compiled."""

import copy
import io
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, Optimizer

from experiments.methods.halpern import Halpern, HalpernDescent, halpern_, vanishing
from experiments.updates import GradientDescent
from theory.core.validation import InvalidArgument

KINDS = pytest.mark.parametrize("how", ["deepcopy", "pickle"])


def weight(*entries: float, dtype: torch.dtype = torch.float64) -> nn.Parameter:
    return nn.Parameter(torch.tensor(entries or (1.0, 1.0), dtype=dtype))


def still(*weights: Tensor, **options: float) -> Optimizer:
    """An optimiser that moves nothing, so that what moves is Halpern's."""
    return SGD(weights, lr=0.0, **options)


def step(optimizer: Optimizer, times: int = 1) -> Tensor:
    """Some steps with zero gradients; the first parameter after them."""
    for _ in range(times):
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.zeros_like(p)
        optimizer.step()
    return optimizer.param_groups[0]["params"][0].detach()


def copied(what: object, how: str) -> object:
    if how == "deepcopy":
        return copy.deepcopy(what)
    saved = io.BytesIO()
    torch.save(what, saved)
    saved.seek(0)
    return torch.load(saved, weights_only=False)


def product(k: int, start: int = 0) -> float:
    """What `harmonic` leaves of a weight, prod (k + 1) / (k + 2)."""
    return (start + 1) / (k + 1)


@KINDS
def test_a_copied_halpern_pulls(how: str) -> None:
    """After 2 steps 1/3 is left and after 5 steps 1/6: the copy goes on where it was, the original stays."""
    w = weight()
    halpern = Halpern(still(w), anchor=[torch.zeros(2)], schedule=vanishing(1.0))
    step(halpern.optimizer, 2)
    other = copied(halpern, how)
    assert other.optimizer is not halpern.optimizer
    assert torch.allclose(step(other.optimizer, 3), torch.full((2,), 1 / 6, dtype=torch.float64), atol=1e-15)
    assert (other.steps, halpern.steps) == (5, 2)
    assert torch.allclose(w, torch.full((2,), 1 / 3, dtype=torch.float64), atol=1e-15)
    other.remove()
    assert torch.allclose(step(other.optimizer), torch.full((2,), 1 / 6, dtype=torch.float64), atol=1e-15)


@KINDS
def test_a_copied_optimiser_takes_its_halpern_along(how: str) -> None:
    optimizer = still(weight())
    halpern = Halpern(optimizer)
    step(optimizer)
    other = copied(copied(optimizer, how), how)
    assert torch.allclose(step(other, 2), torch.full((2,), product(3), dtype=torch.float64), atol=1e-15)
    assert halpern.steps == 1
    halpern.remove()
    assert torch.equal(step(copied(optimizer, how)), torch.full((2,), 0.5, dtype=torch.float64))


@KINDS
@pytest.mark.parametrize("order", ["halpern first", "optimiser first"])
def test_what_belongs_together_is_copied_together(how: str, order: str) -> None:
    model = nn.Linear(2, 1)
    optimizer = still(*model.parameters())
    halpern = Halpern(optimizer)
    parts = (model, halpern, optimizer) if order == "halpern first" else (model, optimizer, halpern)
    other_model, *others = copied(parts, how)
    other, other_optimizer = sorted(others, key=lambda part: isinstance(part, Optimizer))
    assert other.optimizer is other_optimizer
    step(other_optimizer)
    assert other.steps == 1 and halpern.steps == 0
    assert torch.equal(other_model.weight, model.weight / 2)


def test_a_removed_halpern_can_be_copied_and_stays_off() -> None:
    halpern = Halpern(still(weight()))
    halpern.remove()
    halpern.remove()
    other = copy.deepcopy(halpern)
    other.remove()
    assert torch.equal(step(other.optimizer), torch.ones(2, dtype=torch.float64)) and other.steps == 0


def test_saved_whole_it_pulls_in_a_new_process(tmp_path: Path) -> None:
    halpern = Halpern(still(weight()), schedule=vanishing(1.0))
    step(halpern.optimizer)
    torch.save((halpern.optimizer, halpern), tmp_path / "whole.pt")
    code = f"""
import torch
optimizer, halpern = torch.load({str(tmp_path / "whole.pt")!r}, weights_only=False)
w = optimizer.param_groups[0]["params"][0]
optimizer.register_step_post_hook(lambda *_: None)
for _ in range(2):
    w.grad = torch.zeros_like(w)
    optimizer.step()
print(halpern.steps, 4 * w[0].item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "3" and float(done.stdout.split()[1]) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_a_scaler_skips_neither_pulls_nor_counts(kind: type[Optimizer], fused: bool) -> None:
    w = weight(dtype=torch.float32)
    optimizer, scaler = kind([w], lr=0.0, fused=fused), torch.amp.GradScaler("cpu", init_scale=4.0)
    halpern = Halpern(optimizer)
    for factor, left in ((1.0, 1 / 2), (math.inf, 1 / 2), (1.0, 1 / 3), (math.nan, 1 / 3), (1.0, 1 / 4)):
        optimizer.zero_grad()
        scaler.scale((factor * w).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert torch.allclose(w, torch.full((2,), left))
    assert halpern.steps == 3


def test_a_step_inside_a_step_counts_once() -> None:
    """Torch calls the hooks of both, where a subclass's step calls its parent's."""
    SGD([weight()], lr=0.1)  # from now on torch has wrapped SGD.step

    class Nested(SGD):
        def step(self, closure: object = None) -> object:
            return super().step(closure)

    optimizer = Nested([weight()], lr=0.0)
    halpern = Halpern(optimizer)
    assert torch.equal(step(optimizer), torch.full((2,), 0.5, dtype=torch.float64)) and halpern.steps == 1

    def fails() -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        optimizer.step(fails)
    assert halpern.steps == 1
    step(optimizer)
    assert halpern.steps == 2


def test_groups_added_later_are_pulled_and_an_anchor_must_know_them() -> None:
    optimizer = still(weight())
    Halpern(optimizer)
    late = weight()
    optimizer.add_param_group({"params": [late], "lr": 0.0})
    step(optimizer)
    assert torch.equal(late, torch.full((2,), 0.5, dtype=torch.float64))
    anchored = still(weight())
    Halpern(anchored, anchor=[torch.zeros(2)])
    anchored.add_param_group({"params": [late]})
    with pytest.raises(InvalidArgument, match=re.escape("anchor = tensors of shapes [(2,)]: expected [(2,), (2,)]")):
        step(anchored)


def test_frozen_weights_stay_and_weights_the_loss_does_not_reach_are_pulled() -> None:
    frozen, unused, used = weight(), weight(), weight()
    frozen.requires_grad_(False)
    optimizer = still(frozen, unused, used)
    Halpern(optimizer, anchor=[torch.full((2,), 5.0), torch.full((2,), 3.0), torch.zeros(2)])
    used.sum().backward()
    optimizer.step()
    assert [p[0].item() for p in (frozen, unused, used)] == [1.0, 2.0, 0.5]


def test_tied_weights_are_pulled_once() -> None:
    model = nn.ModuleList([nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)])
    model[1].weight = model[0].weight
    before = model[0].weight.detach().clone()
    optimizer = still(*model.parameters())
    Halpern(optimizer)
    step(optimizer)
    assert torch.equal(model[1].weight, before / 2)
    with pytest.raises(InvalidArgument, match="parameters = 2 tensors, 1 of them distinct: expected each once"):
        halpern_([before, before], 0)
    with pytest.warns(UserWarning), pytest.raises(InvalidArgument, match="each once"):
        Halpern(still(model[0].weight, model[1].weight))


@pytest.mark.filterwarnings("ignore:Seems like")
def test_schedulers_and_closures_go_on_as_before() -> None:
    w = weight()
    optimizer = SGD([w], lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)
    halpern = Halpern(optimizer)
    other = copy.deepcopy(scheduler)
    for subject in (scheduler, other):
        step(subject.optimizer)
        subject.step()
        assert subject.get_last_lr() == [0.1]
        assert torch.equal(subject.optimizer.param_groups[0]["params"][0], w)
    assert halpern.steps == 1
    quasi = LBFGS([w], lr=0.0, max_iter=5)
    counted = Halpern(quasi)

    def closure() -> Tensor:
        quasi.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    quasi.step(closure)
    assert counted.steps == 1 and torch.allclose(w, torch.full((2,), 0.25, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.complex64])
def test_an_anchor_takes_the_precision_of_its_parameter(dtype: torch.dtype) -> None:
    w = weight(dtype=dtype)
    optimizer = still(w)
    Halpern(optimizer, anchor=[torch.full((2,), 3.0, dtype=torch.float64)])
    step(optimizer)
    assert torch.equal(w, torch.full((2,), 2.0, dtype=dtype))
    halpern_([w], 0, anchor=[torch.zeros(2, dtype=torch.float64)])
    assert torch.equal(w, torch.ones(2, dtype=dtype))


def test_what_is_refused_is_named() -> None:
    w = weight()
    for anchor, message in (
        ([torch.tensor([0.0, math.nan])], "anchor[0] = a tensor with an infinite or NaN entry: expected finite"),
        ([torch.tensor([0.0, math.inf])], "anchor[0] = a tensor with an infinite"),
        ([torch.zeros(2, dtype=torch.complex64)], "anchor = a tensor of torch.complex64: expected real numbers"),
        ([torch.zeros(2), torch.zeros(2)], "anchor = tensors of shapes [(2,), (2,)]"),
    ):
        with pytest.raises(InvalidArgument, match=re.escape(message)):
            Halpern(still(w), anchor=anchor)
        halpern = Halpern(still(w))
        with pytest.raises(InvalidArgument, match=re.escape(message)):
            halpern.load_state_dict({"steps": 1, "anchor": anchor})
        assert halpern.steps == 0 and halpern.anchor is None
    optimizer = still(w)
    first = Halpern(optimizer)
    with pytest.raises(InvalidArgument, match="already"):
        Halpern(optimizer)
    first.remove()
    Halpern(optimizer)
    rule = HalpernDescent(GradientDescent(lambda state: state["w"].square().sum(-1)), anchor={"v": torch.zeros(1, 2)})
    with pytest.raises(InvalidArgument, match=re.escape("anchor = tensors of ['v']: expected one each of ['w']")):
        rule.begin({"w": torch.zeros(1, 2)})


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="not every torch from 2.5 on compiles there")
def test_compiled_networks_are_pulled_alike() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    other, x = copy.deepcopy(plain), torch.randn(5, 3)
    for network, call in ((plain, plain), (other, torch.compile(other, backend="eager"))):
        optimizer = SGD(network.parameters(), lr=0.1)
        Halpern(optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            call(x).square().sum().backward()
            optimizer.step()
    for p, q in zip(plain.parameters(), other.parameters()):
        assert torch.allclose(p, q, atol=1e-6)
