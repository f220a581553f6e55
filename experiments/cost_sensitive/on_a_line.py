"""Inputs on a line, at nodes: rules read off trained logits, and softmax regression by Newton's steps in torch."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from torch import Tensor

from experiments.training import GradientDescent, State, Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.cost_sensitive.coverage import confusion_between
from theory.cost_sensitive.gaussian_classes import Classes

NODES_A_SIGMA = 8
REACH = 5.0  # sigma beyond the outer means
HALVINGS = 12  # of a step beyond which the loss would be larger, as far from the minimum
FLAT = 1e-14  # of the loss: what it may grow by in rounding


def nodes_of(classes: Classes, a_sigma: int = NODES_A_SIGMA) -> Array:
    """Evenly spaced inputs."""
    first, last = classes.means[0] - REACH * classes.sigma, classes.means[-1] + REACH * classes.sigma
    return np.linspace(first, last, int(a_sigma * (last - first) / classes.sigma))


def random_classes(rng: np.random.Generator, K: int, closest: float, farthest: float) -> Classes:
    """Means that many sigma apart, priors with a long tail, sigma not 1."""
    sigma = float(rng.uniform(0.5, 2))
    means = sigma * np.cumsum(rng.uniform(closest, farthest, K))
    priors = np.exp(-1.2 * rng.permutation(K)) * rng.uniform(0.7, 1.3, K)
    return Classes(means - means.mean(), priors / priors.sum(), sigma)


def confusion_of(classes: Classes, x: Array, logits: Array) -> Array:
    """P(argmax j | y = i) of logits (nodes, K), and of a cubic spline through them between."""
    best = logits.argmax(1)
    changes = np.flatnonzero(np.diff(best))
    edges = [_edge(x, logits[:, best[at]] - logits[:, best[at + 1]], at) for at in changes.tolist()]
    return confusion_between(classes, np.array(edges), best[[*changes, -1]])


def _edge(x: Array, ahead: Array, at: int) -> float:
    """Where the difference of two logits vanishes between nodes `at` and `at` + 1."""
    near = slice(max(at - 3, 0), at + 5)
    return float(brentq(CubicSpline(x[near], ahead[near]), x[at], x[at + 1], xtol=1e-14))


class Newton(GradientDescent):
    """Newton's steps, whose Hessian is torch's own: exact for what a few thousand steps of descent come near."""

    def evaluate(self, state: State) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        theta = state["theta"].detach().requires_grad_()
        with torch.enable_grad():
            losses = self.loss({"theta": theta})
            (gradient,) = torch.autograd.grad(losses.sum(), theta, create_graph=True)
            rows = [torch.autograd.grad(each, theta, retain_graph=True)[0] for each in gradient.unbind(1)]
        return losses.detach(), (gradient.detach(), torch.cat(rows))

    def apply(self, state: State, work: tuple[Tensor, Tensor], learning_rate: Tensor) -> None:
        gradient, hessian = work
        # Logits that all grow alike change no loss: the Hessian has no inverse, but for such directions.
        step = learning_rate[0] * torch.linalg.pinv(hessian, hermitian=True, rtol=1e-11) @ gradient[0]
        before = self.loss(state) * (1 + FLAT)
        for halvings in range(HALVINGS):
            shorter = {"theta": state["theta"] - step / 2**halvings}
            if bool(self.loss(shorter) <= before):
                break
        state["theta"] = shorter["theta"]


@dataclass(frozen=True)
class Regression:
    """Logits W x + b on nodes of known p(x) and labels: a model that has the minimiser of every loss here.

    Where classes are Gaussian with one sigma, log eta_i is linear in x but for what labels share; so at its minimum
    the loss is as small as it can be at each node, whatever the nodes and their weights.
    """

    study: Study
    classes: Classes
    x: Array

    def trained(self, theta: Array, log_D: Array, steps: int) -> tuple[Array, Array]:
        """theta = (W, b) (2 K,) before and after the last of Newton's steps on the logit-adjusted loss."""
        eta = torch.tensor(self.classes.posteriors(self.x), device=self.study.device)
        density = np.exp(self.classes.log_densities(self.x)) @ self.classes.priors
        p, shift = (torch.tensor(each, device=self.study.device) for each in (density / density.sum(), log_D))
        inputs = torch.tensor(self.x / self.classes.sigma, device=self.study.device)

        def loss(state: State) -> Tensor:
            W, b = state["theta"].reshape(-1, 2, self.classes.K).unbind(1)
            logits = inputs[:, None] * W[:, None] + b[:, None]
            return -(p[:, None] * eta * torch.log_softmax(logits - shift, -1)).sum((1, 2))

        trainee = Trainee(self.study, loss, {"theta": theta[None]}, Newton(loss))
        before, after = trainee.train(learning_rate=1.0, steps=steps, record=[steps - 1, steps])["theta"][:, 0]
        return before, after

    def logits(self, theta: Array) -> Array:
        """(nodes, K)."""
        W, b = theta.reshape(2, -1)
        return np.asarray(np.outer(self.x / self.classes.sigma, W) + b)

    def recalls(self, theta: Array) -> Array:
        """Of the label of the largest logit."""
        return np.diag(confusion_of(self.classes, self.x, self.logits(theta)))
