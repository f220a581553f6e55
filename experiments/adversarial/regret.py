"""Pseudo-networks against any adversary: online gradient descent's regret, exactly, and the bound made of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.adversarial.networks import (
    Adversary,
    Networks,
    Robustly,
    absolute,
    on_a_grid,
    random_networks,
    unmoved,
)
from experiments.adversarial.problems import Circle, Sizes, draw_circle
from experiments.training import Trainee
from theory.adversarial import regret
from theory.claims import OURS, Check, Curves, Measured, Study, claim, curves, exactly, measured, rounding, varies
from theory.core.arrays import Array

LOOSE = "gradients of examples with different labels cancel, and losses fall early"


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    width: int = varies("m", 1024, smoke=256, low=64, high=10**4)
    runs: int = varies("networks", 4, smoke=3, low=1, high=100)
    steps: int = varies("T", 200, smoke=60, low=40, high=2000)
    slack: float = varies("of the function that is compared with", 0.1, low=0.02, high=0.5)


@claim(
    "adversarial.regret",
    source="Zinkevich 2003; as Zhang et al. 2020 (arXiv 2002.06668) use it, with all constants: ours",
    source_kind=OURS,
    statement=r"W_{t+1} = W_t - \eta G_t,\ G_t = \nabla L_t(W_t),\ L_t(W) = \tfrac1n \sum_i |g_W(x_i^t) - y_i|:\quad"
    r" \sum_{t < T} L_t(W_t) - L_t(U) \le \sum_{t<T} \langle G_t, W_t - U \rangle = \frac{\|W_0 - U\|^2 - \|W_T -"
    r" U\|^2}{2 \eta} + \frac{\eta}{2} \sum_{t<T} \|G_t\|^2;\quad"
    r" \frac1T \sum_{t<T} L_t(W_t) \le \max_t L_t(U) + \frac{\|u\|^2}{2 \eta' T} + \frac{\eta' G^2}{2},"
    r"\quad \eta = \eta' m^{-1/3},\ \|U - W_0\| = m^{-1/6} \|u\|,\ \|\nabla g\| \le m^{1/6} G",
    hypotheses=(
        "g linear in W, losses convex with slopes up to 1",
        "x^t are what any adversary makes of the inputs, at any step",
        "the first is an equality where the losses are linear on the way, as until the first label is met",
    ),
    theory_side="identity",
    controls=("steps forgotten", "gradients forgotten", "a third of the bound", "squared loss"),
    parameters=Runs,
)
def no_adversary_makes_much_regret(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    circle = draw_circle(study, sizes)
    yield from _until_a_label_is_met(study, circle, sizes)
    yield from _after_many_steps(study, circle, sizes)
    one = _measured("one example: regret over the bound", _of_one_example(study, circle, sizes, absolute, 1.0, 20))
    yield one.equals(1.0)
    four = _of_one_example(study, circle, sizes, squared, 4.0, 1)  # slopes of 4, where the bound knows of 1
    yield _measured("regret over the bound", four).control("squared loss").at_most(1.0)


def _until_a_label_is_met(study: Study, circle: Circle, sizes: Runs) -> Iterator[Check]:
    """Losses are linear there, and the bound is an equality for U = W_T."""
    networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("early"))
    rule = _rule(study, networks, circle, on_a_grid(circle.caps(), study))
    # A step moves g by eta' kappa(1) = eta' / 2 at most: half of the way to the labels.
    steps, eta = 20, 0.05
    W = _trained(study, networks, rule, eta, steps)
    found, squares = _regret(rule, W, W[-1], eta * _scale(networks))
    law = regret.regret(_square(W[0] - W[-1]), 0.0 * found, squares, eta * _scale(networks))
    same = _measured("regret against the last weights, over its law", found / law)
    yield same.equals(1.0)
    without = regret.regret(_square(W[0] - W[-1]), 0.0 * found, 0.0 * found, eta * _scale(networks))
    yield _measured("regret over its law", found / without).control("gradients forgotten").equals(1.0)
    alone = regret.regret(0.0 * found, 0.0 * found, squares, eta * _scale(networks))
    yield _measured("regret over its law", found / alone).control("steps forgotten").equals(1.0)


def _after_many_steps(study: Study, circle: Circle, sizes: Runs) -> Iterator[Check | Curves]:
    """The bound against the robust function of least norm, sampled by the neurons of each network."""
    networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("late"))
    rule = _rule(study, networks, circle, on_a_grid(circle.caps(), study))
    alpha, square = circle.interpolant(sizes.slack)
    eta = regret.best_rate(square**0.5, sizes.steps)
    W = _trained(study, networks, rule, eta, sizes.steps)
    U = _sampled(networks, circle, alpha)
    found, squares = _regret(rule, W, U, eta * _scale(networks))
    law = regret.regret(_square(W[0] - U), _square(W[-1] - U), squares, eta * _scale(networks))
    over = _measured("regret over its law", found / law)
    yield over.supporting().at_most(1.0)
    caps = torch.tensor(circle.caps(), device=study.device)
    with torch.no_grad():
        losses = torch.stack([rule({"W": each}) for each in W[:-1]]).mean(0).cpu().numpy()
        of_U = rule.on_caps(U, caps).amax(-1).mean(-1).cpu().numpy()
    norm, gradient = (
        np.sqrt(_square(U - W[0])) * sizes.width ** (1 / 6),
        float(_seen(networks, caps.reshape(-1, 3)).max() ** 0.5),
    )
    bound = regret.mean_loss_bound(of_U, norm, eta, sizes.steps, gradient)
    ratio = measured("mean robust loss over its bound", losses / bound, within=exactly("a mean"), axes=("run",))
    yield ratio.within_factor(4, because=LOOSE).at_most(1.0)
    yield ratio.control("a third of the bound").at_most(1 / 3)
    yield curves(losses=losses, bound=bound)


def _of_one_example(
    study: Study, circle: Circle, sizes: Runs, loss: Callable[[Tensor], Tensor], label: float, steps: int
) -> Array:
    """Mean of L_t(W_t) - L_t(W_T) over its bound, of one input and no adversary, before the label is met (runs,)."""
    networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("one example", label))
    one = Circle(circle.angles[:1], label * circle.y[:1], circle.rho)
    rule = _rule(study, networks, one, unmoved(one.inputs, study), loss)
    eta = 0.05 if steps > 1 else 0.02
    W = _trained(study, networks, rule, eta, steps)
    found, _ = _regret(rule, W, W[-1], eta * _scale(networks))
    norm = np.sqrt(_square(W[-1] - W[0])) * sizes.width ** (1 / 6)
    seen = _seen(networks, W.new_tensor(one.inputs))[:, 0] ** 0.5
    bound = [regret.mean_loss_bound(0.0, u, eta, steps, float(G)) for u, G in zip(norm, seen)]
    return found / steps / np.array(bound)


def squared(residual: Tensor) -> Tensor:
    """The loss 1/2 (f - y)^2: its slopes have no bound."""
    return residual.square() / 2


def _rule(
    study: Study,
    networks: Networks,
    circle: Circle,
    adversary: Adversary,
    loss: Callable[[Tensor], Tensor] = absolute,
) -> Robustly:
    return Robustly(networks.g, torch.tensor(circle.y, device=study.device), adversary, loss)


def _trained(study: Study, networks: Networks, rule: Robustly, eta: float, steps: int) -> Tensor:
    """The weights before each step and after the last (T + 1, runs, m, d)."""
    training = Trainee(study, rule, {"W": networks.W})
    run = training.train(learning_rate=eta * _scale(networks), steps=steps, record=range(steps + 1))
    return torch.tensor(run["W"], device=study.device)


def _regret(rule: Robustly, W: Tensor, U: Tensor, eta: float) -> tuple[Array, Array]:
    """sum_t L_t(W_t) - L_t(U) at what the adversary made of the inputs then, and sum_t |G_t|^2: each (runs,)."""
    total = squares = W.new_zeros(W.shape[1])
    with torch.no_grad():
        for t in range(len(W) - 1):
            points = rule.adversary(rule, W[t])
            total = total + (rule.at(W[t], points) - rule.at(U, points)).mean(1)
            squares = squares + (W[t + 1] - W[t]).square().sum((1, 2)) / eta**2
    return total.cpu().numpy(), squares.cpu().numpy()


def _sampled(networks: Networks, circle: Circle, alpha: Array) -> Tensor:
    """U = W_0 + m^(-1/3) grad sum_k alpha_k f(x_k): what the neurons make of the kernel's function."""
    W = networks.W.clone().requires_grad_()
    points = W.new_tensor(circle.caps().reshape(-1, 3))
    (slope,) = torch.autograd.grad((networks.f(W, points) @ W.new_tensor(alpha)).sum(), W)
    return networks.W + _scale(networks) * slope


def _seen(networks: Networks, points: Tensor) -> Array:
    """|grad g|^2 m^(-1/3) at points (points, d) of length 1: the share of neurons that see them (runs, points)."""
    seen = networks.W @ points.T + networks.b[..., None] >= 0
    return seen.to(points.dtype).mean(1).cpu().numpy()


def _scale(networks: Networks) -> float:
    return float(networks.m ** (-1 / 3))


def _square(moves: Tensor) -> Array:
    return moves.square().sum((1, 2)).cpu().numpy()


def _measured(name: str, ratio: Array) -> Measured:
    within = rounding(1e6, of="losses that differ by a hundredth, of sums of some hundred terms, from step to step")
    return measured(name, ratio, within=within, axes=("run",))
