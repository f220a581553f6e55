"""The wrapper as a torch user meets it: batches, any optimiser, saved and restored, and every way to misuse it."""

import contextlib
import io
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop

from experiments.methods.minnorm import (
    Constraint,
    Equality,
    Margin,
    Minnorm,
    MulticlassMargin,
    SimultaneousMinnorm,
    linear_chain,
    linear_model,
)
from theory.core.validation import InvalidArgument


def network(inputs: int = 3, outputs: int = 1) -> nn.Module:
    """Two layers; a network of one output returns a vector (batch,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs)).double()
    return layers.append(nn.Flatten(0)) if outputs == 1 else layers


def linear(weights: Tensor) -> nn.Module:
    model = nn.Linear(len(weights), 1, bias=False, dtype=torch.float64)
    model.weight.data = weights[None].clone()
    return nn.Sequential(model, nn.Flatten(0))


def data(n: int = 10, inputs: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, inputs, generator=generator, dtype=torch.float64)
    return x, torch.sign(torch.randn(n, generator=generator, dtype=torch.float64))


def method(model: nn.Module, constraint: Constraint, order: type[Minnorm] = Minnorm, **options: float) -> Minnorm:
    options = {"lr": 0.01, "dual_learning_rate": 0.1, "augmentation": 0.5, **options}
    return order(SGD(model.parameters(), lr=options.pop("lr")), constraint, **options)


def fit(subject: Minnorm, model: nn.Module, x: Tensor, y: Tensor, steps: int) -> None:
    for _ in range(steps):
        subject(model(x), y).backward()
        subject.step()


# What it computes


@pytest.mark.parametrize("order", [Minnorm, SimultaneousMinnorm])
def test_the_mean_over_batches_is_the_whole(order: type[Minnorm]) -> None:
    """A batch counts n / b times, so batches that split the data have the full gradient as their mean."""
    (x, y), model = data(12), network()

    def gradient(rows: Tensor) -> Tensor:
        subject = method(model, Margin(12), order, dual_learning_rate=0.1 * len(rows) / 12)
        subject.multipliers.copy_(torch.linspace(0, 1, 12))
        loss = subject(model(x[rows]), y[rows], rows)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])

    parts = torch.randperm(12, generator=torch.Generator().manual_seed(2)).split(4)
    mean = sum(gradient(part) for part in parts) / 3
    assert torch.allclose(mean, gradient(torch.arange(12)), rtol=0, atol=1e-13)


def test_a_batch_moves_its_own_multipliers_only() -> None:
    (x, y), model = data(), network()
    subject = method(model, Margin(10))
    rows = torch.tensor([7, 2])
    h = (1 - y * model(x)).detach()
    subject(model(x[rows]), y[rows], rows).backward()
    assert not subject.multipliers.any()
    subject.step()
    expected = torch.zeros(10, dtype=torch.float64)
    expected[rows] = (5 * 0.1 * h[rows]).clamp(min=0)
    assert torch.allclose(subject.multipliers, expected, rtol=0, atol=1e-15)
    assert torch.equal(subject.values.isfinite(), expected != 0)
    assert subject.violation == torch.inf and subject.complementarity_gap == torch.inf


def test_the_order_of_a_batch_does_not_matter() -> None:
    (x, y), (one, other) = data(), (network(), network())
    first, second = method(one, Margin(10)), method(other, Margin(10))
    rows = torch.randperm(10, generator=torch.Generator().manual_seed(3))
    fit(first, one, x, y, 20)
    for _ in range(20):
        second(other(x[rows]), y[rows], rows).backward()
        second.step()
    assert torch.allclose(first.multipliers, second.multipliers, rtol=0, atol=1e-13)


@pytest.mark.parametrize("augmentation", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["equality", "margin", "classes"])
def test_the_loss_is_the_augmented_lagrangian(kind: str, augmentation: float) -> None:
    """Its gradient in h is [lambda + c h]_+, its value min over slack of lambda (h + slack) + c/2 (h + slack)^2."""
    model = network(outputs=4) if kind == "classes" else network()
    x, y = data()
    y = torch.arange(10) % 4 if kind == "classes" else y
    constraint = {"equality": Equality, "margin": Margin, "classes": MulticlassMargin}[kind](10)
    subject = method(model, constraint, SimultaneousMinnorm, augmentation=augmentation)
    multipliers = subject.multipliers.copy_(torch.arange(10) % 3 / 2)
    h = constraint.values(10 * model(x), y)  # far on both sides of 0
    force = constraint.project(multipliers + augmentation * h.detach())
    squared = sum(weight.square().sum() for weight in model.parameters())
    loss = subject(10 * model(x), y)
    weights = list(model.parameters())
    for got, wanted in zip(*(torch.autograd.grad(f, weights) for f in (loss, squared / 2 + (force * h).sum()))):
        assert torch.allclose(got, wanted, rtol=0, atol=1e-13)
    slack = torch.linspace(0, 20, 40_001, dtype=torch.float64)[:, None] * (kind != "equality")
    tried = multipliers * (h + slack) + augmentation / 2 * (h + slack) ** 2
    assert torch.allclose(loss, squared / 2 + tried.min(0).values.sum(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("index", [None, torch.tensor([7, 0, 4])], ids=["all", "a batch"])
@pytest.mark.parametrize("kind", [Equality, Margin])
def test_second_derivatives_of_the_loss(kind: type[Equality | Margin], index: Tensor | None) -> None:
    """Those of 1/2 |theta|^2 + n/b sum_i (lambda_i + c/2 e_i) e_i, e the h with its slack, by torch."""
    rows = slice(None) if index is None else index
    (x, y), w = data(), torch.linspace(-2, 2, 3, dtype=torch.float64).requires_grad_()
    optimizer = SGD([w], lr=0.1)
    subject = SimultaneousMinnorm(optimizer, kind(10), dual_learning_rate=0.1, augmentation=0.7)
    multipliers = subject.multipliers.copy_(torch.arange(10) % 3 / 2)[rows]
    share = 10 / len(multipliers)
    h = subject.constraint.values(torch.sin(x[rows] @ w), y[rows])
    e = h if kind is Equality else torch.maximum(h, -multipliers / 0.7)
    expected = w.square().sum() / 2 + share * ((multipliers + 0.35 * e) * e).sum()
    hessians = []
    for loss in (subject(torch.sin(x[rows] @ w), y[rows], index), expected):
        (gradient,) = torch.autograd.grad(loss, w, create_graph=True)
        hessians.append(torch.stack([torch.autograd.grad(entry, w, retain_graph=True)[0] for entry in gradient]))
    assert torch.allclose(*hessians, rtol=0, atol=1e-13)


@pytest.mark.parametrize("make", [SGD, Adam, RMSprop], ids=lambda make: make.__name__)
def test_any_optimizer_fits_the_data(make: Callable[..., Optimizer]) -> None:
    (x, y), model = data(4, 6), network(6)
    optimizer = make(model.parameters(), lr=0.01)
    subject = Minnorm(optimizer, Margin(4), dual_learning_rate=0.1, augmentation=1.0)
    assert subject.violation == torch.inf
    fit(subject, model, x, y, 600)
    assert subject.violation < 0.1
    assert all(weight.grad is None for weight in model.parameters())


def test_an_optimizer_may_evaluate_the_loss_itself() -> None:
    x = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    model, y = linear(torch.zeros(2, dtype=torch.float64)), torch.ones(2, dtype=torch.float64)
    optimizer = LBFGS(model.parameters(), max_iter=50, line_search_fn="strong_wolfe")
    subject = SimultaneousMinnorm(optimizer, Equality(2), dual_learning_rate=10.0, augmentation=10.0)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = subject(model(x), y)
        loss.backward()
        return loss

    for _ in range(30):
        subject.step(closure)
    assert torch.allclose(subject.multipliers, torch.tensor([0.25, 1.0], dtype=torch.float64), rtol=0, atol=1e-3)


@pytest.mark.parametrize("order", [Minnorm, SimultaneousMinnorm])
def test_multipliers_are_the_duals_of_a_support_vector_machine(order: type[Minnorm]) -> None:
    """Against least-distance programming: min |E u - f| over u >= 0, alpha = -u / r_last (Lawson & Hanson 1974)."""
    Z = np.eye(7, 5) + 0.3 * np.random.default_rng(4).normal(size=(7, 5)) + np.array([1.0, 0, 0, 0, 0])
    E, f = np.vstack([Z.T, np.ones(7)]), np.eye(6)[-1]
    u = nnls(E, f)[0]
    alpha = u / (1 - u.sum())
    model = linear(torch.zeros(5, dtype=torch.float64))
    largest = np.linalg.norm(Z, 2) ** 2
    subject = order(
        SGD(model.parameters(), lr=0.5),
        Margin(7),
        dual_learning_rate=0.9 / largest,
        augmentation=0.5 / largest,
        modes=linear_model(Z),
    )
    fit(subject, model, torch.tensor(Z), torch.ones(7, dtype=torch.float64), 1500)
    assert np.allclose(subject.multipliers, alpha, rtol=0, atol=1e-9 * alpha.max())
    assert np.array_equal(subject.multipliers > 0, alpha > 0)
    assert subject.violation < 1e-9 and subject.complementarity_gap < 1e-9


def test_several_outputs_have_their_own_multipliers() -> None:
    x, _ = data(4, 5)
    y = torch.randn(4, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    model = nn.Linear(5, 2, bias=False, dtype=torch.float64)
    subject = method(model, Equality(4, 2), lr=0.05, dual_learning_rate=1.0)
    fit(subject, model, x, y, 1000)
    least = torch.linalg.pinv(x) @ y
    assert torch.allclose(model.weight.T, least, rtol=0, atol=1e-9)
    assert torch.allclose(x.T @ subject.multipliers, least, rtol=0, atol=1e-9)


def test_several_classes_meet_their_margins() -> None:
    (x, _), model = data(9, 9), network(9, outputs=3)
    classes = torch.arange(9) % 3
    optimizer = Adam(model.parameters(), lr=0.01)
    subject = Minnorm(optimizer, MulticlassMargin(9), dual_learning_rate=0.1, augmentation=1.0)
    fit(subject, model, x, classes, 500)
    outputs = model(x)
    right = outputs[torch.arange(9), classes]
    others = torch.stack([outputs[i, torch.arange(3) != classes[i]].max() for i in range(9)])
    assert subject.multipliers.min() >= 0
    assert (right - others).min() > 0.95


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(0, 10**6))
def test_two_classes_and_more_agree(classes: int, seed: int) -> None:
    """h of the class is at least h of any pair, with equality for one of them; labels may be renamed."""
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(6, classes, generator=generator, dtype=torch.float64)
    y = torch.randint(classes, (6,), generator=generator)
    h = MulticlassMargin(6).values(outputs, y)
    pairs = 1 - (outputs.gather(1, y[:, None]) - outputs)
    pairs.scatter_(1, y[:, None], -torch.inf)
    assert torch.allclose(h, pairs.amax(1), rtol=0, atol=1e-12)
    renamed = torch.randperm(classes, generator=generator)
    assert torch.equal(h, MulticlassMargin(6).values(outputs[:, renamed.argsort()], renamed[y]))


# How it lives


def test_state_dict_round_trip() -> None:
    """Saved in the middle and restored into new objects, training ends with the same bits."""
    (x, y), (straight, before, after) = data(), (network() for _ in range(3))
    reference = method(straight, Margin(10))
    fit(reference, straight, x, y, 40)
    first, second = method(before, Margin(10)), method(after, Margin(10))
    fit(first, before, x, y, 17)
    saved = io.BytesIO()
    parts = (before, first.optimizer, first)
    torch.save([part.state_dict() for part in parts], saved)
    saved.seek(0)
    for part, state in zip((after, second.optimizer, second), torch.load(saved, weights_only=True)):
        part.load_state_dict(state)
    fit(second, after, x, y, 23)
    assert torch.equal(second.multipliers, reference.multipliers)
    assert torch.equal(second.values, reference.values)
    assert all(torch.equal(a, b) for a, b in zip(after.parameters(), straight.parameters()))


def test_evaluation_changes_nothing() -> None:
    (x, y), (one, other) = data(), (network(), network())
    plain, watched = method(one, Margin(10)), method(other, Margin(10))
    fit(plain, one, x, y, 5)
    for _ in range(5):
        watched(other(x), y).backward()
        with torch.no_grad():
            watched(other(x[:2]), y[:2], torch.tensor([8, 9]))
        watched.step()
    assert torch.equal(plain.multipliers, watched.multipliers)


def test_precision_follows_the_weights() -> None:
    model = network().float()
    subject = method(model, Margin(10))
    x, y = (part.float() for part in data())
    fit(subject, model, x, y, 3)
    assert subject.multipliers.dtype == torch.float32
    assert subject.double().multipliers.dtype == torch.float64


def test_a_step_stays_on_its_device() -> None:
    """On `meta`, where elementwise operations refuse tensors of another device; the index may stay on the CPU."""
    model = network().to("meta")
    subject = Minnorm(SGD(model.parameters(), lr=0.1), Equality(10), dual_learning_rate=0.1, augmentation=1.0)
    x, y = (part.to("meta") for part in data(4))
    for index in (torch.arange(4), torch.tensor([9, 1, 0, 5])):
        subject(model(x), y, index).backward()
        subject.step()
    places = (subject.multipliers, subject.values, subject.violation, subject.complementarity_gap)
    assert {part.device.type for part in places} == {"meta"}
    with pytest.raises(RuntimeError):
        subject(model(x), y.to("cpu").new_zeros(4), torch.arange(4))


# What it refuses


def refused(message: str) -> contextlib.AbstractContextManager:
    return pytest.raises(InvalidArgument, match=re.escape(message))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (torch.tensor([0, 10]), "index = a tensor with the entry 10: expected 0 to 9"),
        (torch.tensor([-1, 2]), "index = a tensor with the entry -1: expected 0 to 9"),
        (torch.tensor([3, 3]), "index = 2 entries, 1 of them distinct: expected every example at most once"),
        (torch.tensor([0.0, 1.0]), "index.dtype = torch.float32: expected torch.int64"),
        (torch.tensor([[0, 1]]), "index.shape = (1, 2): expected (batch,)"),
        (torch.tensor([], dtype=torch.int64), "index.shape = (0,)"),
        (torch.tensor([0, 1, 2]), "outputs.shape = (2,): expected a batch of 3"),
        (None, "outputs.shape = (2,): expected a batch of 10"),
    ],
)
def test_an_index_that_names_no_examples(index: Tensor | None, message: str) -> None:
    (x, y), model = data(2), network()
    with refused(message):
        method(model, Margin(10))(model(x), y, index)


@pytest.mark.parametrize(
    ("constraint", "outputs", "targets", "message"),
    [
        (Equality(2), torch.zeros(2), torch.zeros(2, 1), "targets.shape = (2, 1): expected (2,), the shape of"),
        (Equality(2), torch.zeros(2, 1), torch.zeros(2), "outputs.shape = (2, 1): expected (batch), one entry"),
        (Equality(2, 3), torch.zeros(2, 4), torch.zeros(2, 4), "outputs.shape = (2, 4): expected (batch, 3)"),
        (Equality(2), torch.zeros(2), torch.zeros(2).double(), "targets.dtype = torch.float64: expected torch.float32"),
        (Margin(2), torch.zeros(2), torch.ones(2).long(), "targets.dtype = torch.int64: expected torch.float32"),
        (Margin(2), torch.zeros(2), torch.tensor([0.0, 1.0]), "targets = a tensor with the entry 0: expected -1 or 1"),
        (Margin(2), torch.zeros(2), torch.tensor([torch.nan, 1.0]), "targets = a tensor with the entry nan"),
        (MulticlassMargin(2), torch.zeros(2), torch.zeros(2).long(), "outputs.shape = (2,): expected (batch, classes)"),
        (MulticlassMargin(2), torch.zeros(2, 1), torch.zeros(2).long(), "outputs.shape = (2, 1): expected"),
        (MulticlassMargin(2), torch.zeros(2, 3), torch.zeros(2, 3), "targets.shape = (2, 3): expected (2,), one class"),
        (MulticlassMargin(2), torch.zeros(2, 3), torch.zeros(2), "targets.dtype = torch.float32: expected torch.int64"),
        (
            MulticlassMargin(2),
            torch.zeros(2, 3),
            torch.tensor([0, 3]),
            "targets = a tensor with the entry 3: expected 0 to 2",
        ),
        (MulticlassMargin(2), torch.zeros(2, 3), torch.tensor([-1, 0]), "targets = a tensor with the entry -1"),
    ],
)
def test_targets_that_do_not_fit(constraint: Constraint, outputs: Tensor, targets: Tensor, message: str) -> None:
    with refused(message):
        constraint.values(outputs, targets)


def test_numbers_out_of_range() -> None:
    model = network()
    for name, value in (("dual_learning_rate", 0.0), ("dual_learning_rate", -1.0), ("augmentation", -0.1)):
        with refused(f"{name} = {value}"):
            method(model, Margin(3), **{name: value})
    for size in (0, -2, True):
        with refused(f"examples = {size}: expected a whole number of at least 1"):
            Margin(size)
    with refused("outputs[0] = 0"):
        Equality(3, 0)


def test_optimizers_that_would_not_do() -> None:
    weights = list(network().parameters())
    with refused("weight_decay = 0.01: expected 0"):
        Minnorm(AdamW(weights), Margin(3), dual_learning_rate=0.1)
    with refused("lr = 2.5: expected a number in [0, 2)"):
        Minnorm(SGD(weights, lr=2.5), Margin(3), dual_learning_rate=0.1)
    with refused("optimizer = Adam: expected plain SGD where modes are given"):
        Minnorm(Adam(weights), Equality(1), dual_learning_rate=0.1, modes=linear_chain(1, 1.0))


def test_a_step_without_a_loss() -> None:
    subject = method(network(), Margin(3))
    with pytest.raises(RuntimeError, match="step\\(\\) without a loss"):
        subject.step()


@pytest.mark.parametrize(
    ("order", "critical"), [(Minnorm, 1 / (3 * 1.7 ** (4 / 3))), (SimultaneousMinnorm, 0.1 + 1 / (3 * 1.7 ** (4 / 3)))]
)
def test_an_augmentation_below_the_critical_one(order: type[Minnorm], critical: float) -> None:
    """(L - 2) / (L s^(2 - 2/L)) for alternating steps; simultaneous ones need the dual learning rate on top."""
    chain = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(3)))
    options = {"dual_learning_rate": 0.1, "modes": linear_chain(3, 1.7)}
    with refused(f"augmentation = {critical * 0.999}: expected a number above {critical:.6g}"):
        order(SGD(chain.parameters(), lr=0.01), Equality(1, 1), augmentation=critical * 0.999, **options)
    accepted = order(SGD(chain.parameters(), lr=0.01), Equality(1, 1), augmentation=critical * 1.001, **options)
    assert accepted.augmentation == critical * 1.001


@pytest.mark.parametrize("order", [Minnorm, SimultaneousMinnorm])
def test_a_learning_rate_beyond_the_stable_one(order: type[Minnorm]) -> None:
    X = np.diag([2.0, 1.5, 1.0])
    B, c = 0.2, 0.3
    added = B if order is Minnorm else 0.0
    limit = 4 / (2 * (1 + (c + added) * 4) - B * 4)
    model = linear(torch.zeros(3, dtype=torch.float64))
    options = {"dual_learning_rate": B, "augmentation": c, "modes": linear_model(X)}
    with refused(f"lr = {1.01 * limit}: expected a number in (0, {limit:.6g})"):
        order(SGD(model.parameters(), lr=1.01 * limit), Equality(3), **options)
    subject = order(SGD(model.parameters(), lr=0.98 * limit), Equality(3), **options)
    fit(subject, model, torch.tensor(X), torch.ones(3, dtype=torch.float64), 500)
    assert subject.violation < 1e-3


@pytest.mark.parametrize("order", [Minnorm, SimultaneousMinnorm])
def test_the_edges_of_what_is_refused(order: type[Minnorm]) -> None:
    """Just within, every step size is taken; at the edge and just beyond, none."""
    B, added = 0.3, 0.3 if order is Minnorm else 0.0
    modes, m, g = linear_chain(3, 1.7), -1.0, 3 * 1.7 ** (4 / 3)
    critical = B - m / g - added

    def made(lr: float, c: float) -> Minnorm:
        return method(network(), Equality(1, 1), order, lr=lr, dual_learning_rate=B, augmentation=c, modes=modes)

    largest = 4 / (2 * (m + (0.9 + added) * g) - B * g)
    made(0.01, critical * (1 + 1e-9))
    made(largest * (1 - 1e-9), 0.9)
    for c in (critical * (1 - 1e-9), 0.0):
        with refused("augmentation = "):
            made(0.01, c)
    for lr in (largest * (1 + 1e-9), 1.9):
        with refused("lr = "):
            made(lr, 0.9)
    with refused("lr = 2.0: expected a number in [0, 2)"):
        method(network(), Margin(3), order, lr=2.0)
    method(network(), Margin(3), order, lr=2.0 - 1e-9, augmentation=0.0)
