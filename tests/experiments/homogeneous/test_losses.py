"""Losses in logarithms against torch's own."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.homogeneous.losses import LOSSES, log_logistic, loss_of
from experiments.homogeneous.networks import network_margins
from experiments.training.batches import stack, state_of
from theory.core.linear_networks import gaussian_stack


def state(W: list) -> dict:
    return {name: torch.tensor(layer) for name, layer in state_of(W).items()}


def test_margins_are_labels_times_outputs() -> None:
    rng = np.random.default_rng(0)
    W = gaussian_stack(rng, (3, 4, 1), 1.0, runs=2)
    X, y = rng.standard_normal((2, 5, 3)), rng.choice([-1.0, 1.0], (2, 5))
    q = network_margins(stack((3, 4, 1), nn.ReLU), X, y, "cpu")(state(W)).numpy()
    hidden = np.maximum(X @ np.swapaxes(W[0], 1, 2), 0)
    assert np.allclose(q, y * (hidden @ np.swapaxes(W[1], 1, 2))[..., 0])
    losses = loss_of(lambda _: torch.tensor(q))({})
    assert np.allclose(losses, np.log(np.exp(-q).sum(-1)))


@pytest.mark.parametrize("a", [5.0, -3.0, -29.999, -30.001, -600.0])
def test_the_log_of_the_logistic_loss(a: float) -> None:
    exponents = torch.tensor([[a, a - 1]], dtype=torch.float64, requires_grad=True)
    loss = log_logistic(lambda _: exponents)({})
    exact = np.logaddexp(*(float(np.log(np.log1p(np.exp(x)))) if x > -700 else x for x in (a, a - 1)))
    assert float(loss.detach()) == pytest.approx(exact, rel=1e-12)
    (slope,) = torch.autograd.grad(loss.sum(), exponents)
    # d log softplus / da = sigmoid / softplus, 1 far out.
    assert torch.isfinite(slope).all()
    assert float(slope.sum()) <= 1 + 1e-12
    if a < -25:
        assert float(slope.sum()) == pytest.approx(1, rel=1e-9)


def test_the_log_of_cross_entropy_is_torchs() -> None:
    f, labels = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), torch.arange(4) % 3
    own = f[torch.arange(4), labels]
    others = f.masked_fill(nn.functional.one_hot(labels, 3).bool(), -torch.inf)
    loss = log_logistic(lambda _: (torch.logsumexp(others, -1) - own)[None])({})
    assert float(loss.exp()) == pytest.approx(float(nn.functional.cross_entropy(f, labels, reduction="sum")), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_what_theory_knows_of_a_loss_is_torchs_gradient(name: str) -> None:
    q = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(lambda _: q, name)({}).sum(), q)
    assert np.allclose(LOSSES[name][1](q.detach().numpy()), -gradient.numpy())
