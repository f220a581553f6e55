"""Networks near their start that are a step function on caps: how far weights move, and how large the error is."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.adversarial.networks import Networks, random_networks
from experiments.adversarial.problems import Sizes, draw_circle
from theory.adversarial import coupling, kernel
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    by_chance,
    claim,
    curves,
    exactly,
    measured,
    rate,
    rounding,
    varies,
)
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject

HALF = 4  # points of a cap that the function is made from, to either side
LOOSE = "errors of neurons with either sign of a_r cancel, where the worst ones add up"


@dataclass(frozen=True)
class Draws(Sizes):
    """Of the problem, and of the networks."""

    examples: int = varies("n, around the circle, labels in turn", 3, low=2, high=5)
    widths: tuple[int, ...] = varies("m", (256, 2048, 16_384), smoke=(256, 2048), low=64, high=20_000)
    neurons: int = varies("that are drawn in all, of each width", 1_500_000, smoke=250_000, low=2 * 10**5, high=10**8)
    slack: float = varies("of the function of the kernel's space, off the step", 0.1, low=0.02, high=0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.widths) > 1000:
            reject("widths", self.widths, "one of at most 1000 among them, of which many networks are drawn")


@claim(
    "zhang2020.step_function",
    source="Zhang, Plevrakis, Du, Li, Song & Arora 2020 (arXiv 2002.06668), abstract; constants derived",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"w_r - w_r(0) = \mathrm{sgn}(a_r) m^{-2/3} V_r,\ V_r = \sum_k \alpha_k x_k \mathbf{1}\{w_r(0)^\top"
    r" x_k + b_r \ge 0\},\ u = \sum_k \alpha_k \kappa(x_k, \cdot),\ |u - y_i| \le s \text{ on cap } i:\quad"
    r" \max_r \|w_r - w_r(0)\| = R m^{-2/3},\ R = \max_{\text{arcs}} \|\sum_{k \in \text{arc}} \alpha_k x_k\|;\quad"
    r" \sqrt{\mathbb{E} (f - f(0) - u)^2} \le \sqrt{\tfrac{v}{m}} + e,\quad v = m \mathrm{Var} g,\ e ="
    r" m^{2/3} \mathbb{E} (h - |z|)_+ = O(R^2 m^{-1/6});\quad \mathbb{E} f(0)^2 = m^{-2/3}",
    hypotheses=(
        "inputs on a circle, |x| = 1, the last coordinate 1/2: the x_k that a neuron sees lie on an arc",
        "w_r(0) ~ N(0, I / m), b_r ~ N(0, 1 / m), a_r = +-m^(-1/3); h = R m^(-2/3), z ~ N(0, 2 / m)",
        "alpha: of the smallest function that is off the step by s at most on all caps; y_i = +-1",
    ),
    theory_side="bound",
    controls=("weights that move half as far", "sampling alone", "a start without outputs", "no step between caps"),
    parameters=Draws,
)
def networks_near_their_start_are_steps(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    circle = draw_circle(study, sizes)
    alpha, _ = circle.interpolant(sizes.slack, HALF)
    data, x = circle.caps(HALF).reshape(-1, 3), circle.caps(2).reshape(-1, 3)
    u, v, R = kernel.gram(x, data) @ alpha, kernel.sampling_variance(x, data, alpha), _farthest(data, alpha)
    yield (
        measured(
            "|u - y| on the caps",
            np.abs(u.reshape(circle.angles.size, -1) - circle.y[:, None]).max(),
            within=rounding(1e6, of="a least-norm problem"),
        )
        .supporting()
        .at_most(sizes.slack)
    )
    drawn = [_drawn(study, m, sizes, data, alpha, x) for m in sizes.widths]
    roots = []
    for m, (_, start, f) in zip(sizes.widths, drawn):
        squares = np.square(f - start - u).mean(1)
        root, bound = float(np.sqrt(squares.mean())), _bound(m, v, R)
        chance = by_chance(mean(squares), "networks drawn") * (1 / (2 * root * bound))
        ratio = measured(
            "root mean square of f - f(0) - u over its bound", root / bound, within=chance, case=f"m = {m}"
        )
        yield ratio.within_factor(20, because=LOOSE).at_most(1.0)
        roots.append(root)
    moves = np.max([farthest for farthest, _, _ in drawn])
    widest = measured("farthest move, in units of m^(-2/3)", moves, within=rounding(1e4, R, of="sums of inputs"))
    yield widest.equals(R)
    yield widest.control("weights that move half as far").at_most(R / 2)
    m, (_, start, f) = min(sizes.widths), drawn[int(np.argmin(sizes.widths))]
    squares = np.square(f - start - u).mean(1)
    yield rate("square over that of samples", mean(squares / (v.mean() / m))).control("sampling alone").equals(1)
    all_of = rate("square of f - u over that of f - f(0) - u", mean(np.square(f - u).mean(1) / squares.mean()))
    yield all_of.control("a start without outputs").equals(1)
    ends = f.reshape(len(f), circle.angles.size, -1).mean(0)
    apart = measured(
        "step between neighbouring caps, mean over networks",
        np.abs(np.diff(ends[:2].mean(1))),
        within=exactly("empirical"),
    )
    yield apart.control("no step between caps").at_most(0.5)
    yield curves(widths=sizes.widths, roots=roots, bounds=[_bound(m, v, R) for m in sizes.widths], R=R)


def _bound(m: int, v: Array, R: float) -> float:
    """Sampling and the worst coupling, at the worst point."""
    return float(v.max() / m) ** 0.5 + float(coupling.worst_error(R, 1.0, float(m)))


def _farthest(data: Array, alpha: Array) -> float:
    """max |sum of alpha_k x_k over the inputs of an arc|: w . x + b >= 0 is one of a circle, whatever w and b are."""
    order = np.argsort(np.arctan2(data[:, 1], data[:, 0]))
    pushes = (alpha[:, None] * data)[order]
    sums = np.vstack([np.zeros(3), np.cumsum(np.vstack([pushes, pushes]), 0)])
    n = len(data)
    arcs = [sums[begin + k] - sums[begin] for begin in range(n) for k in range(n + 1)]
    return float(np.linalg.norm(arcs, axis=1).max())


def _drawn(study: Study, m: int, sizes: Draws, data: Array, alpha: Array, x: Array) -> tuple[float, Array, Array]:
    """The farthest move times m^(2/3), f(0) and f (runs, points), f after the step that torch's gradient makes."""
    runs = max(sizes.neurons // m, 64)
    farthest, before, after = 0.0, [], []
    for part, count in enumerate(_parts(runs, m)):
        networks: Networks = random_networks(study, m, count, 3, study.rng("networks", m, part))
        W = networks.W.clone().requires_grad_()
        weights = W.new_tensor(alpha)
        (slope,) = torch.autograd.grad((networks.f(W, W.new_tensor(data)) @ weights).sum(), W)
        move = m ** (-1 / 3) * slope
        farthest = max(farthest, float(move.norm(dim=-1).max()) * m ** (2 / 3))
        points = networks.W.new_tensor(x)
        before.append(networks.f(networks.W, points).cpu().numpy())
        after.append(networks.f(networks.W + move, points).cpu().numpy())
    return farthest, np.concatenate(before), np.concatenate(after)


def _parts(runs: int, m: int, neurons: float = 2e5) -> list[int]:
    """Runs in parts of about so many neurons."""
    return [len(part) for part in np.array_split(np.arange(runs), min(max(int(runs * m / neurons), 1), runs))]
