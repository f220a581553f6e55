"""Inputs that are cells of a table: each has logits of its own, and probabilities of its labels that are known."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.methods.cost_sensitive import HybridLoss
from experiments.training import Trainee
from theory.claims import Study, Tolerance, rounding, varies
from theory.core.arrays import Array

COUNTED = Tolerance(0.25, "counted")
LEAST = 0.02  # of a label's probability: descent takes 1 / it steps


@dataclass(frozen=True)
class Tables:
    """Random gains and random probabilities of labels."""

    labels: int = varies("K", 4, low=2, high=12)
    cells: int = varies("inputs of each matrix of gains", 40, smoke=20, low=2, high=2000)
    matrices: int = varies("of gains", 4, smoke=2, low=1, high=100)


@dataclass(frozen=True)
class Table:
    """Gains G (K, K) and probabilities eta (cells, K)."""

    G: Array
    eta: Array


def draw_tables(study: Study, sizes: Tables) -> list[Table]:
    """Random gains of labels that earn nearly alike on average, no probability of a label below `LEAST` / K."""
    rng, tables = study.rng("tables"), []
    for _ in range(sizes.matrices):
        G = rng.uniform(0.05, 2, (sizes.labels, sizes.labels))
        G *= rng.uniform(0.9, 1.1, sizes.labels) / G.mean(0)
        tables.append(Table(G, draw_probabilities(rng, sizes.cells, sizes.labels)))
    return tables


def draw_probabilities(rng: np.random.Generator, cells: int, K: int) -> Array:
    """Dirichlet, uniform on the simplex, and a share of the even distribution."""
    return np.asarray((1 - LEAST) * rng.dirichlet(np.ones(K), cells) + LEAST / K)


def trained_logits(
    study: Study, loss: HybridLoss, labels: Array, steps: int, share: float = 1.0
) -> tuple[Array, Tolerance]:
    """Logits (cells, K) of mean 0 after gradient descent on labels (cells, K), and what they may be off by.

    The loss of a cell has curvature at most r / 2, r = 1^T M^T p; steps are of 2 / r, times `share`. Where the gradient
    is g, softmax(s - log D) is off by |g| / r: the logits, to first order, by |g_j| / (r softmax_j), and as much by
    their mean.
    """
    p = torch.tensor(labels, device=study.device)
    r = (p @ loss.M).sum(-1)
    trainee = Trainee(study, lambda state: loss(state["s"], p), {"s": np.zeros(labels.shape)})
    run = trainee.train(learning_rate=(2 * share / r).cpu().numpy(), steps=steps, record=[steps])
    s = torch.tensor(run["s"][-1] if "s" in run.arrays else run.facts["parameters"]["s"], device=study.device)
    off = _off_by(loss, s, p, r)
    centred = (s - s.mean(-1, keepdim=True)).cpu().numpy()
    gradient = Tolerance(off, "twice what the gradient that is left moves logits by, over the curvature")
    return centred, gradient + rounding(64 * steps**0.5 * labels.shape[-1], of="logits, summed over the steps")


def _off_by(loss: HybridLoss, s: Tensor, p: Tensor, r: Tensor) -> Array:
    leaf = s.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss(leaf, p).sum(), leaf)
    share = torch.softmax(s - loss.log_D, -1)
    off: Array = (4 * (g.abs() / share).amax(-1, keepdim=True) / r[:, None]).cpu().numpy()
    return off


def hybrid(study: Study, G: Array, D: Array | None = None) -> HybridLoss:
    """Each cell's hybrid loss, on the device of the study."""
    gains, scale = (None if each is None else torch.tensor(each, device=study.device) for each in (G, D))
    assert gains is not None
    return HybridLoss(gains, scale, reduction="none")
