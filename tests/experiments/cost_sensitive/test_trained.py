"""What the claims train: rules read off logits, Newton's steps, losses far out, one device."""

import numpy as np
import pytest
import torch

from experiments.cost_sensitive.on_a_line import Regression, confusion_of, nodes_of
from experiments.cost_sensitive.separable import across, descend, directions, terms
from one_device import OneDevice
from theory.claims import Study
from theory.cost_sensitive.gaussian_classes import Classes, recalls

CLASSES = Classes(np.array([-1.0, 0.5, 2.0]), np.array([0.5, 0.3, 0.2]), 0.7)


def test_rules_between_nodes() -> None:
    x = nodes_of(CLASSES)
    found = confusion_of(CLASSES, x, CLASSES.log_densities(x))
    assert np.diag(found) == pytest.approx(recalls(CLASSES, np.zeros(3)), abs=1e-12)
    assert found.sum(1) == pytest.approx(np.ones(3))


def test_newton_finds_the_posterior() -> None:
    model = Regression(Study("toy.claim", "smoke"), CLASSES, nodes_of(CLASSES))
    before, after = model.trained(np.zeros(6), np.zeros(3), 14)
    logits = model.logits(after)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert shares == pytest.approx(CLASSES.posteriors(model.x), abs=1e-9)
    assert model.recalls(before) == pytest.approx(model.recalls(after), abs=1e-9)


@pytest.mark.parametrize("loss", ["plain", "weights", "shift", "factors", "both"])
def test_every_step_is_a_gradient_of_the_log_of_the_loss(loss: str) -> None:
    rng = np.random.default_rng(0)
    Z, gains = rng.standard_normal((2, 4, 3)), rng.uniform(1, 5, (2, 4))
    each = terms(loss, gains)
    w = descend(Study("toy.claim", "smoke"), Z, each, step=0.5, record=[1])["w"][-1]
    margins = 0 * gains
    slopes = each.weights / (1 + np.exp(margins - each.shifts))
    total = (each.weights * np.log1p(np.exp(each.shifts - margins))).sum(-1)
    step = 0.5 / (np.linalg.norm(Z, axis=-1) * each.factors).max(-1) ** 2
    gradient = ((slopes * each.factors)[..., None] * Z).sum(1) / total[:, None]
    assert w == pytest.approx(step[:, None] * gradient)


def test_losses_far_below_the_floats_still_descend() -> None:
    Z = np.array([[[1.0, 0.0]]])
    run = descend(Study("toy.claim", "smoke"), Z, terms("plain", np.ones((1, 1))), step=1.0, record=[1000, 2000])["w"]
    assert run[1, 0, 0] - run[0, 0, 0] == pytest.approx(1000)


def test_directions_and_what_is_across() -> None:
    w = np.array([[3.0, 4.0]])
    assert directions(w) == pytest.approx(np.array([[0.6, 0.8]]))
    assert across(w, np.array([1.0, 0.0])) == pytest.approx(np.array([[0.0, 4.0]]))


def test_one_device() -> None:
    from experiments.methods.cost_sensitive import HybridLoss

    with OneDevice():
        loss = HybridLoss(torch.eye(3)).to("meta")
        logits = torch.zeros(5, 3, device="meta", requires_grad=True)
        loss(logits, torch.zeros(5, dtype=torch.long, device="meta")).backward()
        assert logits.grad.device.type == "meta"
