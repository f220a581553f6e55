"""Minnorm through the life of its optimiser: copied, pickled, accumulated, skipped, grown, scheduled, compiled."""

import contextlib
import copy
import io
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import ASGD, LBFGS, SGD, Adam, Optimizer

from experiments.methods.minnorm import (
    Constraint,
    Equality,
    Margin,
    Minnorm,
    SimultaneousMinnorm,
    linear_model,
)
from theory.core.validation import InvalidArgument

ORDERS = pytest.mark.parametrize("order", [Minnorm, SimultaneousMinnorm])


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)).double()


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    return x, torch.sign(torch.randn(12, generator=generator, dtype=torch.float64))


def method(optimizer: Optimizer, constraint: Constraint | None = None, order: type[Minnorm] = Minnorm) -> Minnorm:
    return order(optimizer, constraint or Margin(12), dual_learning_rate=0.1, augmentation=0.5)


def scalar(lr: float = 0.1) -> tuple[nn.Parameter, Optimizer]:
    """The model f = w of one example, x = 1."""
    w = nn.Parameter(torch.ones(1, dtype=torch.float64))
    return w, SGD([w], lr=lr)


def refused(message: str) -> contextlib.AbstractContextManager:
    return pytest.raises(InvalidArgument, match=re.escape(message))


# Copies


def go_on(model: nn.Module, subject: Minnorm, steps: int, call: Callable[..., Tensor] | None = None) -> None:
    x, y = data()
    for _ in range(steps):
        subject((call or model)(x), y).backward()
        subject.step()


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
@ORDERS
def test_a_copy_goes_on_to_the_same_bits_and_leaves_the_original_alone(order: type[Minnorm], how: str) -> None:
    """Copied between `backward` and `step`, it has no gradients, as torch copies none, and nothing to move."""
    (x, y), model = data(), network()
    subject = method(Adam(model.parameters(), lr=0.01), order=order)
    go_on(model, subject, 3)
    subject(model(x), y).backward()
    if how == "deepcopy":
        other, another = copy.deepcopy((model, subject))
    else:
        saved = io.BytesIO()
        torch.save((model, subject), saved)
        saved.seek(0)
        other, another = torch.load(saved, weights_only=False)
    with pytest.raises(RuntimeError, match=r"step\(\) without a loss"):
        another.step()
    before = subject.multipliers.clone()
    go_on(other, another, 3)
    another(other(x), y).backward()
    another.optimizer.step()  # as a scaler calls it
    assert torch.equal(subject.multipliers, before) and not torch.equal(another.multipliers, before)
    subject.step()
    go_on(model, subject, 3)
    assert torch.equal(subject.multipliers, another.multipliers) and torch.equal(subject.values, another.values)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters()))


def test_a_shallow_copy_shares_the_multipliers_and_moves_them_once() -> None:
    w, optimizer = scalar()
    subject = method(optimizer, Equality(1))
    copy.copy(subject)
    subject(w, torch.full((1,), 2.0, dtype=torch.float64)).backward()
    subject.step()
    assert subject.multipliers.item() == pytest.approx(0.1)


def test_saved_whole_it_goes_on_in_a_new_process(tmp_path: Path) -> None:
    """w = 1, target 2: lambda = B, w <- w - lr (w - lambda - c h) = 1 - 0.1 (1 - 0.1 - 0.5) = 0.96."""
    torch.save(method(scalar()[1], Equality(1)), tmp_path / "whole.pt")
    code = f"""
import torch
method = torch.load({str(tmp_path / "whole.pt")!r}, weights_only=False)
(w,) = method.weights
method(w, torch.tensor([2.0], dtype=torch.float64)).backward()
method.step()
print(w.item(), method.multipliers.item(), method.violation.item())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [float(word) for word in done.stdout.split()] == pytest.approx([0.96, 0.1, 1.0])


# What the optimiser trains, and how


def test_the_norm_is_that_of_the_groups_as_they_are() -> None:
    """1/2 (1 + 4): a group that comes later is in the norm, and its decay and learning rate are looked at."""
    w, optimizer = scalar()
    subject, one = method(optimizer, Equality(1)), torch.ones(1, dtype=torch.float64)
    assert subject(w, one).item() == 0.5
    late = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer.add_param_group({"params": [late]})
    assert subject(w, one).item() == 2.5 and len(subject.weights) == 2
    for name, value, message in (
        ("weight_decay", 0.1, "weight_decay = 0.1: expected 0"),
        ("lr", 2.5, "lr = 2.5: expected a number in [0, 2)"),
        ("lr", math.nan, "lr = nan: expected a number in [0, inf)"),
        ("maximize", True, "maximize = 1.0: expected False"),
    ):
        was, optimizer.param_groups[1][name] = optimizer.param_groups[1][name], value
        with refused(message):
            subject(w, one)
        optimizer.param_groups[1][name] = was
    subject.augmentation = 0.0
    subject(w, one)
    for name, value in (("augmentation", -1.0), ("augmentation", math.nan), ("dual_learning_rate", 0.0)):
        was = getattr(subject, name)
        setattr(subject, name, value)
        with refused(f"{name} = {value}"):
            subject(w, one)
        setattr(subject, name, was)


def test_a_scheduler_is_watched_and_may_stay_in_the_stable_range() -> None:
    w, optimizer = scalar(lr=0.1)
    modes = linear_model(torch.ones(1, 1).numpy())
    subject = Minnorm(optimizer, Equality(1), dual_learning_rate=0.2, augmentation=0.3, modes=modes)
    scheduler = torch.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: {1: 10.0, 2: 1.5}[epoch])
    one, limit = torch.ones(1, dtype=torch.float64), 4 / (2 * (1 + 0.5) - 0.2)
    subject(w, one).backward()
    subject.step()
    scheduler.step()
    subject(w, one)  # at 1
    scheduler.step()
    with refused(f"lr = 1.5: expected a number in (0, {limit:.6g})"):
        subject(w, one)


def test_decays_by_another_name_and_ascent_are_refused() -> None:
    with refused("weight_decay = 0.0001: expected 0"):
        method(ASGD([nn.Parameter(torch.ones(1))]), Equality(1))
    method(ASGD([nn.Parameter(torch.ones(1))], lambd=0), Equality(1))
    with refused("maximize = 1.0: expected False"):
        method(Adam([nn.Parameter(torch.ones(1))], maximize=True), Equality(1))
    with refused("optimizer = one without parameters"):
        method(SGD([{"params": []}], lr=0.1), Equality(1))


def test_tied_and_frozen_weights() -> None:
    """A tied weight counts once in the norm; a frozen one that is trained by nothing has no force on it."""
    model = nn.ModuleList([nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)])
    model[1].weight = model[0].weight
    subject = method(SGD(model.parameters(), lr=0.1), Equality(1, 2))
    x, y = torch.ones(1, 2), torch.zeros(1, 2)
    subject.augmentation = 0.0
    assert torch.allclose(subject(model[1](model[0](x)) * 0, y), model[0].weight.square().sum() / 2)
    with pytest.warns(UserWarning):
        twice = method(SGD([model[0].weight, model[1].weight], lr=0.1), Equality(1, 2))
    assert len(twice.weights) == 1
    free, frozen = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1), requires_grad=False)
    mixed = method(SGD([frozen, free], lr=0.1), Equality(1))
    mixed(free * frozen, torch.ones(1)).backward()
    mixed.step()
    assert frozen.item() == 1.0 and free.item() == pytest.approx(0.9)


# Backward, accumulation, steps that are none


def test_a_loss_without_backward_moves_nothing() -> None:
    w, optimizer = scalar()
    subject, two = method(optimizer, Equality(1)), torch.full((1,), 2.0, dtype=torch.float64)
    subject(w, two)
    with pytest.raises(RuntimeError, match=r"step\(\) without a loss"):
        subject.step()
    with pytest.raises(RuntimeError, match=r"step\(\) without a loss"):
        subject.step(lambda: w.sum())
    subject(w, 3 * two)  # looked at, not trained on
    subject(w, two).backward()
    subject.step()
    assert (subject.values.item(), subject.multipliers.item(), w.item()) == pytest.approx((1.0, 0.1, 0.96))


@ORDERS
@pytest.mark.parametrize("once", [False, True], ids=["a backward each", "one backward"])
def test_accumulated_batches_all_move_their_multipliers(order: type[Minnorm], once: bool) -> None:
    """Every example moves by B h, as in one batch of all; so do the weights where they feel the old multipliers."""
    (x, y), model, whole = data(), network(), network()
    subject, reference = (method(SGD(m.parameters(), lr=0.05), order=order) for m in (model, whole))
    for seed in range(3):
        rows = torch.randperm(12, generator=torch.Generator().manual_seed(seed)).split(4)
        h = (1 - y * model(x)).detach()
        before = subject.multipliers.clone()
        losses = [subject(model(x[part]), y[part], part) / 3 for part in rows] if once else None
        if losses:
            sum(losses).backward()
        else:
            for part in rows:
                (subject(model(x[part]), y[part], part) / 3).backward()
        subject.step()
        assert torch.allclose(subject.multipliers, (before + 0.1 * h).clamp(min=0), rtol=0, atol=1e-15)
        assert torch.allclose(subject.values, h, rtol=0, atol=1e-14)
        if order is SimultaneousMinnorm:
            go_on(whole, reference, 1)
            assert all(torch.allclose(p, q, rtol=0, atol=1e-14) for p, q in zip(model.parameters(), whole.parameters()))


def test_a_loss_whose_multipliers_have_moved_since_has_no_gradient() -> None:
    w = nn.Parameter(torch.ones(1, dtype=torch.float64))
    subject, two = method(SGD([w], lr=0.0), Equality(1), SimultaneousMinnorm), torch.full((1,), 2.0).double()
    late = subject(w, two)
    subject.multipliers.fill_(3.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        late.backward()


@pytest.mark.parametrize("clear", ["method", "optimizer"])
def test_what_zero_grad_clears_moves_nothing(clear: str) -> None:
    w, optimizer = scalar()
    subject, two = method(optimizer, Equality(1)), torch.full((1,), 2.0, dtype=torch.float64)
    subject(w, 7 * two).backward()
    (subject if clear == "method" else optimizer).zero_grad()
    subject(w, two).backward()
    subject.step()
    assert (subject.values.item(), subject.multipliers.item(), w.item()) == pytest.approx((1.0, 0.1, 0.96))


OPERATIONS = st.one_of(
    st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True),
    st.sampled_from(["look", "discard", "clear", "step", "step of the optimiser"]),
)


@example([[0], "clear", "step"])
@settings(max_examples=60, deadline=None)
@given(st.lists(OPERATIONS, max_size=12))
def test_the_multipliers_belong_to_the_gradient(operations: list[list[int] | str]) -> None:
    """Whatever the order of losses, clearings and steps: what is summed up in the gradient moves, and nothing else."""
    w = nn.Parameter(torch.ones(4, dtype=torch.float64))
    subject, targets = method(SGD([w], lr=0.1), Equality(4)), torch.tensor([2.0, -1.0, 0.5, 3.0], dtype=torch.float64)
    expected, gathered = torch.zeros(4, dtype=torch.float64), []
    for operation in operations:
        if isinstance(operation, list):
            rows = torch.tensor(operation)
            subject(w[rows], targets[rows], rows).backward()
            gathered.append((rows, (targets - w.detach())[rows]))
        elif operation == "look":
            with torch.no_grad():
                subject(3 * w, targets)
        elif operation == "discard":
            subject(3 * w, targets)
        elif operation == "clear":
            subject.optimizer.zero_grad()
            gathered.clear()
        elif gathered:
            for rows, h in gathered:
                expected[rows] += 4 / sum(len(rows) for rows, _ in gathered) * 0.1 * h
            (subject if operation == "step" else subject.optimizer).step()
            subject.optimizer.zero_grad()
            gathered.clear()
        else:
            with pytest.raises(RuntimeError):
                subject.step()
        assert torch.allclose(subject.multipliers, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("late", [False, True], ids=["zero_grad first", "zero_grad after the loss"])
def test_a_step_that_a_scaler_skips_moves_no_multipliers(fused: bool, late: bool) -> None:
    w = nn.Parameter(torch.ones(1))
    optimizer, scaler = SGD([w], lr=0.1, fused=fused), torch.amp.GradScaler("cpu", init_scale=4.0)
    subject, seen = method(optimizer, Equality(1)), []
    for factor in (1.0, math.inf, 1.0):
        if not late:
            optimizer.zero_grad()
        loss = factor * subject(w, torch.full((1,), 2.0))
        if late:
            optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append((w.item(), subject.multipliers.item()))
    second = 0.96 - 0.1 * (0.96 - 0.1 - 0.6 * 1.04)
    assert sum(seen, ()) == pytest.approx((0.96, 0.1, 0.96, 0.1, second, 0.204))


@pytest.mark.parametrize("to_none", [True, False])
def test_a_closure_is_evaluated_anew_each_time_and_its_loss_returned(to_none: bool) -> None:
    """f = w, h = 2 - w: of the evaluations of a line search the last one counts, whether gradients become 0 or None."""
    w = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = LBFGS([w], max_iter=20, line_search_fn="strong_wolfe")
    subject, seen = method(optimizer, Equality(1), SimultaneousMinnorm), []

    def closure() -> Tensor:
        optimizer.zero_grad(set_to_none=to_none)
        loss = subject(w, torch.full((1,), 2.0, dtype=torch.float64))
        loss.backward()
        seen.append((2 - w.item(), loss.item()))
        return loss

    assert subject.step(closure).item() == seen[0][1]
    assert len(seen) > 2 and subject.values.item() == seen[-1][0]
    assert subject.multipliers.item() == pytest.approx(0.1 * seen[-1][0], rel=1e-14)


def test_an_index_may_be_overwritten_after_the_loss() -> None:
    (x, y), model = data(), network()
    subject, rows = method(SGD(model.parameters(), lr=0.01)), torch.tensor([3, 4])
    subject(model(x[rows]), y[rows], rows).backward()
    rows.zero_()
    subject.step()
    assert subject.values.isfinite().nonzero().flatten().tolist() == [3, 4]


# The compiler


@pytest.mark.filterwarnings("ignore:Dynamo does not know")
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="not every torch from 2.5 on compiles there")
def test_compiled_networks_and_losses_train_alike() -> None:
    (x, y), (model, other, third) = data(), (network() for _ in range(3))
    subject, another, last = (method(SGD(m.parameters(), lr=0.05)) for m in (model, other, third))
    go_on(model, subject, 3)
    go_on(other, another, 3, torch.compile(other, backend="eager"))
    loss = torch.compile(lambda: last(third(x), y), backend="eager")
    for _ in range(3):
        loss().backward()
        last.step()
    for compiled, wrapped in ((other, another), (third, last)):
        assert torch.allclose(subject.multipliers, wrapped.multipliers, rtol=0, atol=1e-12)
        assert all(torch.allclose(p, q, rtol=0, atol=1e-12) for p, q in zip(model.parameters(), compiled.parameters()))
