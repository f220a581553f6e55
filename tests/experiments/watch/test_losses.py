"""Losses are told by their values."""

import pytest
import torch
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    soft_margin_loss,
    softplus,
)

from experiments.watch.losses import Kind, margins, recognised

OUTPUTS = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
REAL = torch.randn(12, 3, generator=torch.Generator().manual_seed(2))
CLASSES = torch.arange(12) % 3
SIGNS = torch.sign(REAL)


@pytest.mark.parametrize(
    ("loss", "targets", "kind"),
    [
        (mse_loss, REAL, Kind("squared", 1 / 36)),
        (lambda f, y: 0.5 * (f - y).square().sum(), REAL, Kind("squared", 0.5)),
        (lambda f, y: torch.exp(-f * y).sum(), SIGNS, Kind("exponential", 1.0)),
        (soft_margin_loss, SIGNS, Kind("logistic", 1 / 36)),
        (lambda f, y: softplus(-f * y).sum(0).mean(), SIGNS, Kind("logistic", 1 / 3)),
        (binary_cross_entropy_with_logits, (SIGNS + 1) / 2, Kind("logistic", 1 / 36)),
        (torch.nn.CrossEntropyLoss(), CLASSES, Kind("cross-entropy", 1 / 12)),
        (torch.nn.CrossEntropyLoss(label_smoothing=0.1), CLASSES, Kind()),
        (lambda f, y: cross_entropy(f, y) + 0.01, CLASSES, Kind()),
        (l1_loss, REAL, Kind()),
        (mse_loss, REAL[:, :1], Kind()),
    ],
)  # fmt: skip
def test_kind_and_scale(loss, targets, kind) -> None:
    found = recognised(loss, OUTPUTS, targets)
    assert (found.name, found.scale) == (kind.name, pytest.approx(kind.scale, rel=1e-9))


def test_margins_have_the_losses_of_their_examples() -> None:
    f = OUTPUTS.double()
    q = margins(Kind("cross-entropy"), f, CLASSES)
    assert softplus(-q) == pytest.approx(cross_entropy(f, CLASSES, reduction="none"))
    q = margins(Kind("logistic"), f, (SIGNS + 1) / 2)
    assert float(softplus(-q).mean()) == pytest.approx(float(soft_margin_loss(f, SIGNS.double())))


def test_torchs_random_numbers_are_left_alone() -> None:
    before = torch.get_rng_state()
    recognised(mse_loss, OUTPUTS, REAL)
    assert torch.equal(before, torch.get_rng_state())
