"""Theorem 4.1: adversarial training reaches a low robust loss, in steps that the norm of a robust function decides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.adversarial.networks import (
    Adversary,
    Networks,
    Robustly,
    by_ascent,
    on_a_grid,
    random_networks,
    unmoved,
)
from experiments.adversarial.problems import Circle, Sizes, draw_circle, one_more
from experiments.methods.cap_attack import CapAttack
from experiments.training import State, Trainee
from theory.adversarial import coupling, kernel, regret, sphere
from theory.claims import RECONSTRUCTED, Check, Curves, Study, claim, curves, exactly, measured, varies
from theory.core.arrays import Array
from theory.core.validation import reject

HALF = 4  # points of a cap that the adversary in training looks at, to either side
SLACKS = (0.02, 0.05, 0.1, 0.2, 0.4)
LOOSE = "gradients of examples with different labels cancel, and losses fall early"


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    examples: int = varies("n, around the circle, labels in turn", 3, low=2, high=3)
    rho: float = varies("how far the adversary moves an input", 0.2, low=0.1, high=0.4)
    width: int = varies("m", 1024, smoke=512, paper=4096, low=512, high=20_000)
    runs: int = varies("networks of each kind", 4, smoke=3, paper=20, low=2, high=100)
    steps: tuple[int, ...] = varies("T", (32, 128, 512), smoke=(32, 128), low=16, high=4096)
    widths: tuple[int, ...] = varies("m of the curves", (8, 32, 128, 512), smoke=(8, 32), low=2, high=4096)
    inputs: int = varies("d of the networks in many dimensions", 30, smoke=12, low=4, high=200)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_more(self)
        if len(set(self.steps)) < 2 or list(self.steps) != sorted(self.steps):
            reject("steps", self.steps, "two numbers of steps or more, increasing")


@claim(
    "zhang2020.theorem_4_1",
    source="Zhang, Plevrakis, Du, Li, Song & Arora 2020 (arXiv 2002.06668), Theorem 4.1; its constants derived",
    source_kind=RECONSTRUCTED,
    statement=r"L_A(W) = \tfrac1n \sum_i |f_W(A(W, x_i)) - y_i|,\ W(t+1) = W(t) - \eta' m^{-1/3} \nabla L_A(W(t)):\quad"
    r" \min_{t<T} L_A(W(t)) \le \tfrac1T \sum_{t<T} L_A(W(t)) \le s + \frac{N_s}{\sqrt{2 T}},\quad \eta' = N_s"
    r" \sqrt{\tfrac2T},\quad N_s = \min \{\|u\|_\kappa:\ |u(x') - y_i| \le s \text{ on cap } i\};\quad"
    r" \text{so } T = \frac{N_s^2}{2 \epsilon^2} \text{ leaves } s + \epsilon,\text{ in any dimension } d",
    hypotheses=(
        "f = sum_r a_r relu(w_r . x + b_r), a_r = +-m^(-1/3), w_r(0) ~ N(0, I / m), b_r ~ N(0, 1 / m), W trained",
        "|x_i| = 1, the last coordinate 1/2; an adversary A that stays in caps of radius rho, which do not touch",
        "convex losses with slopes up to 1; m so large that f is its pseudo-network",
        "against the adversary used in training: the worst of a grid on a circle, gradients on caps in d dimensions",
    ),
    theory_side="bound",
    controls=(
        "training without adversary",
        "a bound that falls like 1 / T",
        "width 8 and one example more",
    ),
    parameters=Runs,
)
def adversarial_training_reaches_a_low_robust_loss(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    circle = draw_circle(study, sizes)
    losses = {}
    for T in sizes.steps:
        bound, eta, _ = _bound(circle, T)
        networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("networks", T))
        losses[T], last = _trained(study, networks, circle, on_a_grid(circle.caps(HALF), study), eta, T)
        ratio = measured(
            "mean robust loss over its bound",
            losses[T]["robust"][:-1].mean(0) / bound,
            within=exactly("a mean"),
            case=f"T = {T}",
            axes=("run",),
        )
        yield ratio.within_factor(4, because=LOOSE).at_most(1.0)
    least = losses[T]["robust"].min(0)
    share = measured(
        "least robust loss over its bound", least / bound, within=exactly("of what was seen"), axes=("run",)
    )
    yield share.supporting().at_most(0.5)
    sooner = min(s + (square / 2) ** 0.5 / T for s, square in _norms(circle))
    mean = measured("mean robust loss", losses[T]["robust"][:-1].mean(0), within=exactly("a mean"), axes=("run",))
    yield mean.control("a bound that falls like 1 / T").at_most(sooner)
    yield from _without_adversary(study, circle, sizes, eta, T, least)
    yield from _evaluated(study, networks, circle, last)
    yield from _how_wide(networks, last, bound)
    yield from _narrow(study, sizes)
    yield from _many_dimensions(study, circle, sizes)
    yield curves(
        steps=sizes.steps,
        bounds=[_bound(circle, T)[0] for T in sizes.steps],
        means=[losses[T]["robust"][:-1].mean(0) for T in sizes.steps],
        least=[losses[T]["robust"].min(0) for T in sizes.steps],
    )
    yield curves("course", **losses[T])
    yield from _widths(study, circle, sizes)


def _norms(circle: Circle) -> list[tuple[float, float]]:
    """Slacks s and the squared norms N_s^2."""
    return [(s, circle.interpolant(s, HALF)[1]) for s in SLACKS]


def _bound(circle: Circle, T: int) -> tuple[float, float, float]:
    """The least bound over the slacks, with its learning rate and its slack."""
    s, square = min(_norms(circle), key=lambda pair: float(pair[0] + (pair[1] / 2 / T) ** 0.5))
    eta = regret.best_rate(square**0.5, T)
    return float(regret.mean_loss_bound(s, square**0.5, eta, T)), eta, s


def _trained(
    study: Study, networks: Networks, circle: Circle, adversary: Adversary, eta: float, T: int
) -> tuple[dict[str, Array], Tensor]:
    """Robust losses on the grid and clean losses (T + 1, runs), and the last weights."""
    y, caps = torch.tensor(circle.y, device=study.device), torch.tensor(circle.caps(HALF), device=study.device)
    rule = Robustly(networks.f, y, adversary)

    def look(state: State) -> dict[str, Tensor]:
        on_caps = rule.on_caps(state["W"], caps)
        return {"robust": on_caps.amax(-1).mean(-1), "clean": on_caps[..., HALF].mean(-1)}

    training = Trainee(study, rule, {"W": networks.W}, observe=look)
    run = training.train(learning_rate=eta * networks.m ** (-1 / 3), steps=T, record=range(T + 1))
    last = torch.tensor(run.facts["parameters"]["W"], device=study.device)
    return {"robust": run["robust"], "clean": run["clean"]}, last


def _without_adversary(
    study: Study, circle: Circle, sizes: Runs, eta: float, T: int, least: Array
) -> Iterator[Check | Curves]:
    networks = random_networks(study, sizes.width, sizes.runs, 3, study.rng("clean"))
    seen, _ = _trained(study, networks, circle, unmoved(circle.inputs, study), eta, T)
    robust = measured(
        "least robust loss, trained without adversary",
        seen["robust"].min(0),
        within=exactly("of what was seen"),
        axes=("run",),
    )
    yield robust.control("training without adversary").at_most(1.5 * float(least.max()))
    yield curves("without adversary", **seen)


def _evaluated(study: Study, networks: Networks, circle: Circle, W: Tensor) -> Iterator[Check]:
    """Projected gradients of 30 steps and 12 restarts find no more than a fine grid, and hardly less."""
    y = torch.tensor(circle.y, device=study.device)
    fine = Robustly(networks.f, y, on_a_grid(circle.caps(200), study))({"W": W})
    attack = CapAttack(circle.rho, steps=30, restarts=12, kept=1)
    found = Robustly(networks.f, y, by_ascent(attack, circle.inputs, study))({"W": W})
    ratio = measured(
        "robust loss by gradients over that on a fine grid",
        (found / fine).cpu().numpy(),
        within=exactly("both are of points of the caps"),
        axes=("run",),
    )
    yield ratio.supporting().at_most(1.01)
    short = measured(
        "share of the robust loss that gradients miss", 1 - ratio.value, within=exactly("empirical"), axes=("run",)
    )
    yield short.supporting().at_most(0.1)


def _how_wide(networks: Networks, W: Tensor, bound: float) -> Iterator[Check]:
    """The width from which the worst coupling within the weights' movement is below the bound, over the width here."""
    R = float((W - networks.W).norm(dim=-1).max() * networks.m ** (2 / 3))
    width = coupling.sufficient_width(R, bound)
    asked = measured(
        "width that the worst coupling asks for, over that here", width / networks.m, within=exactly("a formula")
    )
    yield asked.supporting().at_least(1.0)
    printed = measured(
        "(R^2 / epsilon)^6 over the width here", (R**2 / bound) ** 6 / networks.m, within=exactly("a formula")
    )
    yield printed.supporting().at_least(1.0)


def _narrow(study: Study, sizes: Runs) -> Iterator[Check]:
    """Where networks are not their pseudo-networks: few neurons, and an example more on the same circle."""
    circle = draw_circle(study, one_more(sizes))
    bound, eta, _ = _bound(circle, max(sizes.steps))
    networks = random_networks(study, 8, 4 * sizes.runs, 3, study.rng("narrow"))
    seen, _ = _trained(study, networks, circle, on_a_grid(circle.caps(HALF), study), eta, max(sizes.steps))
    ratio = measured(
        "mean robust loss over its bound", seen["robust"][:-1].mean(0) / bound, within=exactly("a mean"), axes=("run",)
    )
    yield ratio.control("width 8 and one example more").at_most(1.0)


def _many_dimensions(study: Study, circle: Circle, sizes: Runs) -> Iterator[Check]:
    """The same inputs in a plane of many dimensions, all of which the adversary can use: by gradients, in training."""
    d, T = sizes.inputs, min(sizes.steps)
    plane = np.linalg.qr(study.rng("plane").standard_normal((d - 1, 2)))[0].T
    inputs = np.hstack([circle.inputs[:, :2] @ plane, circle.inputs[:, 2:]])
    _, eta, s = _bound(circle, T)
    alpha, square = circle.interpolant(s, HALF)
    bound = float(regret.mean_loss_bound(_slack_off_the_circle(circle, alpha), square**0.5, eta, T))
    networks = random_networks(study, sizes.width, sizes.runs, d, study.rng("many dimensions"))
    attack = CapAttack(circle.rho, steps=3, restarts=1, kept=1)
    rule = Robustly(networks.f, torch.tensor(circle.y, device=study.device), by_ascent(attack, inputs, study))
    training = Trainee(study, rule, {"W": networks.W}, observe=lambda state: {"loss": rule(state)})
    run = training.train(learning_rate=eta * networks.m ** (-1 / 3), steps=T, record=range(T + 1))
    ratio = measured(
        "mean robust loss over its bound",
        run["loss"][:-1].mean(0) / bound,
        within=exactly("a mean"),
        case=f"d = {d}",
        axes=("run",),
    )
    yield ratio.within_factor(4, because=LOOSE).at_most(1.0)


def _slack_off_the_circle(circle: Circle, alpha: Array) -> float:
    """The largest |u - y| on caps in any dimension: u sees the projection p onto the plane, <p, x_i> >= R^2 cos phi."""
    R, reach, points = sphere.RADIUS, float(sphere.angle(circle.rho)), circle.caps(HALF).reshape(-1, 3)
    along, share = np.meshgrid(np.linspace(np.cos(reach), 1, 41), np.linspace(-1, 1, 41))
    worst = []
    for angle, label in zip(circle.angles, circle.y):
        across = share * np.sqrt(1 - along**2)
        p = R * np.stack(
            [along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle)], -1
        ).reshape(-1, 2)
        u = kernel.kappa(np.clip(p @ points[:, :2].T + 0.25, -1, 1)) @ alpha
        worst.append(np.abs(u - label).max())
    return float(np.max(worst))


def _widths(study: Study, circle: Circle, sizes: Runs) -> Iterator[Curves]:
    T = sizes.steps[-2]
    bound, eta, _ = _bound(circle, T)
    robust, clean = [], []
    for m in sizes.widths:
        networks = random_networks(study, m, 6, 3, study.rng("width", m))
        seen, _ = _trained(study, networks, circle, on_a_grid(circle.caps(HALF), study), eta, T)
        robust.append(seen["robust"][:-1].mean(0))
        clean.append(seen["clean"][:-1].mean(0))
    yield curves("widths", widths=sizes.widths, robust=robust, clean=clean, bound=bound, steps=T)
