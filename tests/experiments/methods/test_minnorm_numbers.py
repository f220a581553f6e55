"""Numbers that are none, and numbers of every precision: what Minnorm refuses, and what it makes of the rest."""

import contextlib
import math
import re

import pytest
import torch
from torch import nn
from torch.optim import SGD

from experiments.methods.minnorm import Constraint, Equality, Margin, Minnorm, MulticlassMargin
from theory.core.validation import InvalidArgument


def scalar(lr: float = 0.1, dtype: torch.dtype = torch.float64) -> tuple[nn.Parameter, SGD]:
    """The model f = w of one example, x = 1."""
    w = nn.Parameter(torch.ones(1, dtype=dtype))
    return w, SGD([w], lr=lr)


def method(optimizer: SGD, constraint: Constraint) -> Minnorm:
    return Minnorm(optimizer, constraint, dual_learning_rate=0.1, augmentation=0.5)


def refused(message: str) -> contextlib.AbstractContextManager:
    return pytest.raises(InvalidArgument, match=re.escape(message))


def test_divergence_is_an_error_that_says_where() -> None:
    """x = 1, target 0, lr 1.9, c = 1000: w grows 1900-fold a step."""
    w, optimizer = scalar(lr=1.9, dtype=torch.float32)
    subject = Minnorm(optimizer, Equality(1), dual_learning_rate=0.1, augmentation=1e3)
    with refused("values[0] = "):
        for _ in range(100):
            assert subject.violation > 0.05
            subject(w, torch.zeros(1)).backward()
            subject.step()
    assert subject.violation > 1e30 and not subject.multipliers.isnan().any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_name_their_example(bad: float) -> None:
    subject, outputs = method(scalar()[1], Equality(4, 2)), torch.zeros(2, 2, dtype=torch.float64)
    outputs[1, 0] = bad
    with refused("values[3, 0] = "):
        subject(outputs, torch.zeros(2, 2, dtype=torch.float64), torch.tensor([1, 3]))
    for constraint, targets in ((Equality(2, 2), outputs * 0 + 1), (MulticlassMargin(2), torch.tensor([0, 1]))):
        with refused("values[1"):
            method(scalar()[1], constraint)(outputs, targets.nan_to_num(1.0, 1.0, 1.0))
    with refused(f"targets = a tensor with the entry {bad:g}: expected finite numbers"):
        Equality(2).values(torch.zeros(2), torch.tensor([0.0, bad]))


def test_no_measure_of_what_is_left_is_nan() -> None:
    subject = method(scalar()[1], Equality(2))
    subject.values.copy_(torch.tensor([math.nan, 0.0]))
    assert subject.violation == math.inf and subject.complementarity_gap == math.inf
    subject.values.copy_(torch.tensor([math.inf, 0.0]))
    subject.multipliers.fill_(1.0)
    assert subject.violation == math.inf and subject.complementarity_gap == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_integrates_in_single(dtype: torch.dtype) -> None:
    """100 steps of 4e-4 beside 1 are 0.04; summed up in half precision they would be none."""
    w = nn.Parameter(torch.zeros(1, dtype=dtype))
    subject = Minnorm(SGD([w], lr=0.0), Equality(2), dual_learning_rate=2e-4)
    subject.multipliers.fill_(1.0)
    for _ in range(100):
        subject(w, torch.ones(1, dtype=dtype), torch.tensor([1])).backward()
        subject.step()
    assert subject.multipliers.dtype == torch.float32
    assert subject.multipliers[1].item() == pytest.approx(1.04, abs=1e-5)
    large = nn.Parameter(torch.full((1000,), 16.0, dtype=dtype))
    assert method(SGD([large], lr=0.1), Equality(1))(large[:1] * 0, torch.zeros(1, dtype=dtype)).item() == 128_000.0


def test_mixed_precisions_and_autocast() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    model[0].to(torch.float64)
    assert method(SGD(model.parameters(), lr=0.1), Margin(12)).multipliers.dtype == torch.float64
    model[0].to(torch.float32)
    subject, rows = method(SGD(model.parameters(), lr=0.1), Margin(12)), torch.tensor([5, 1])
    x, y = torch.eye(12, 3), torch.ones(12)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(x[rows])
        loss = subject(outputs, y[rows].to(outputs.dtype), rows)
    loss.backward()
    subject.step()
    assert outputs.dtype == torch.bfloat16 and loss.dtype == torch.float32
    assert subject.values.isfinite().sum() == 2


def test_complex_weights_count_their_modulus_and_complex_outputs_are_refused() -> None:
    """|3 + 4i|^2 / 2 = 12.5, whose gradient in torch's convention is the weight itself."""
    w = nn.Parameter(torch.tensor([3 + 4j]))
    subject = method(SGD([w], lr=0.1), Equality(1))
    loss = subject(w.real - w.real.detach(), torch.zeros(1))
    loss.backward()
    assert loss.item() == 12.5 and w.grad.item() == 3 + 4j
    for constraint, targets in ((Equality(1), torch.zeros(1)), (MulticlassMargin(1), torch.zeros(1, dtype=int))):
        with refused("outputs.dtype = torch.complex64: expected a real floating dtype"):
            method(SGD([w], lr=0.1), constraint)(w, targets)


def test_labels_are_not_looked_for_where_there_are_none() -> None:
    """On `meta`: margins too, of two classes and of several."""
    w = nn.Parameter(torch.zeros(4, 3, device="meta"))
    for constraint, outputs, targets in (
        (Margin(4), w[:, 0], torch.ones(4, device="meta")),
        (MulticlassMargin(4), w, torch.zeros(4, dtype=torch.int64, device="meta")),
    ):
        subject = method(SGD([w], lr=0.1), constraint)
        subject(outputs, targets).backward()
        subject.step()
        assert subject.multipliers.is_meta
