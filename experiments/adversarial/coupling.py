"""How far networks are from their pseudo-networks: exact at every width, at worst, and after a step of descent."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.adversarial.networks import Networks, Robustly, random_networks, unmoved
from experiments.training import Trainee
from theory.adversarial import coupling
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, rate, varies
from theory.claims.estimates import mean
from theory.core.arrays import Array
from theory.core.validation import reject


@dataclass(frozen=True)
class Draws:
    """Of the networks, and of how far their weights move."""

    reach: float = varies("R, in units of m^(-2/3)", 1.7, low=0.5, high=10)
    inputs: int = varies("of the network, d", 4, low=2, high=50)
    widths: tuple[int, ...] = varies("m", (40, 2000, 30_000), smoke=(40, 2000), low=30, high=10**6)
    neurons: int = varies("that are drawn in all, of each width", 4_000_000, smoke=300_000, low=3 * 10**5, high=10**8)
    steps: int = varies("networks that are trained by one step", 12_000, smoke=1000, low=1000, high=10**5)

    def __post_init__(self) -> None:
        if len(set(self.widths)) < len(self.widths):
            reject("widths", self.widths, "different ones")


@claim(
    "adversarial.coupling",
    source="ours: constants of what Zhang et al. 2020 (arXiv 2002.06668) bound by O(R^2 m^(-1/6))",
    source_kind=OURS,
    statement=r"f = \sum_r a_r \max(w_r^\top x + b_r, 0),\ g = \sum_r a_r (w_r - w_r(0))^\top x\,"
    r" \mathbf{1}\{w_r(0)^\top x + b_r \ge 0\},\ e = f - f(0) - g,\ h = R m^{-2/3} |v^\top x|,\ z \sim"
    r" \mathcal N(0, \tau^2 / m),\ \tau^2 = \|x\|^2 + 1:\quad"
    r" w_r - w_r(0) = \mathbf{1}\{a_r > 0\} R m^{-2/3} v:\ \mathbb{E}\, e = \tfrac12 m^{2/3} \mathbb{E} (h - z)"
    r" \mathbf{1}\{0 \le z < h\} \to \frac{R^2 (v^\top x)^2}{4 \tau \sqrt{2\pi}} m^{-1/6};\quad"
    r" \max_{\|w_r - w_r(0)\| \le R m^{-2/3}} e:\ \text{twice that at } v = x / \|x\|;\quad"
    r" w_r - w_r(0) = \mathrm{sgn}(a_r) R m^{-2/3} v:\ \mathbb{E}\, e = 0,\ \mathbb{E}\, e^2 \to"
    r" \frac{R^3 |v^\top x|^3}{3 \tau \sqrt{2\pi}} m^{-7/6}",
    hypotheses=(
        "a_r = +-m^(-1/3) with equal chances, w_r(0) ~ N(0, I / m), b_r ~ N(0, 1 / m), |v| = 1, v independent of them",
        "a step of gradient descent on |f - y| at x, y < f: the first at v = x / |x|, R = eta m^(1/3)",
    ),
    theory_side="closed form",
    controls=(
        "tau of the weights alone",
        "in the worst case as if in one direction",
        "falls like m^(-7/12) in the worst case",
        "symmetric moves couple as badly",
        "10 % more",
        "mean square 25 % larger",
    ),
    parameters=Draws,
)
def how_far_networks_are_from_linear(study: Study, sizes: Draws) -> Iterator[Check | Curves]:
    rng = study.rng("input")
    x, v = _with_half(rng, sizes.inputs), _unit(rng.standard_normal(sizes.inputs))
    v = _unit(v + np.sign(v @ x) * x)  # not nearly orthogonal to x, where nothing happens
    along = float(v @ x)
    seen = [_moved(study, m, x, v, sizes) for m in sizes.widths]
    for m, errors in zip(sizes.widths, seen):
        yield _over_law(errors["common"], coupling.common_error(sizes.reach, along, m), f"m = {m}").equals(1)
        worst = _over_law(errors["worst"], coupling.worst_error(sizes.reach, 1.0, m), f"the worst at m = {m}")
        yield worst.equals(1)
    yield from _what_is_not_so(sizes, seen, along)
    yield from _symmetric(sizes, seen[0]["symmetric"], along)
    yield from _trained(study, sizes, x)
    yield curves(
        widths=sizes.widths,
        common=[errors["common"].mean() for errors in seen],
        worst=[errors["worst"].mean() for errors in seen],
        symmetric=[float(np.sqrt(np.square(errors["symmetric"]).mean())) for errors in seen],
        common_law=coupling.common_error(sizes.reach, along, np.array(sizes.widths, float)),
        worst_law=coupling.worst_error(sizes.reach, 1.0, np.array(sizes.widths, float)),
        symmetric_law=np.sqrt(coupling.symmetric_variance(sizes.reach, along, np.array(sizes.widths, float))),
    )


def _what_is_not_so(sizes: Draws, seen: list[dict[str, Array]], along: float) -> Iterator[Check]:
    R, m, errors = sizes.reach, sizes.widths[-1], seen[-1]
    weights_alone = coupling.common_error(R, along, m, tau=1.0)
    yield _over_law(errors["common"], weights_alone).control("tau of the weights alone").equals(1)
    yield _over_law(errors["common"], coupling.common_error(R, along, m)).control("10 % more").equals(1.1)
    one = coupling.common_error(R, 1.0, m)
    yield _over_law(errors["worst"], one).control("in the worst case as if in one direction").equals(1)
    steeper = coupling.worst_error(R, 1.0, sizes.widths[0]) * (m / sizes.widths[0]) ** (-7 / 12)
    yield _over_law(errors["worst"], steeper).control("falls like m^(-7/12) in the worst case").equals(1)


def _moved(study: Study, m: int, x: Array, v: Array, sizes: Draws) -> dict[str, Array]:
    """Errors at x (runs,): neurons with a_r > 0 move along v, or to the worse side; or all, with the sign of a_r."""
    point, direction = (torch.tensor(array, device=study.device) for array in (x, v))
    runs = max(sizes.neurons // m, 32)
    networks = random_networks(study, m, runs, len(x), study.rng("networks", m))
    step = sizes.reach * m ** (-2 / 3) * (networks.a > 0)[..., None]
    side = -torch.sign(networks.W @ point + networks.b)[..., None]
    signed = sizes.reach * m ** (-2 / 3) * torch.sign(networks.a)[..., None]
    moves = {"common": step * direction, "worst": step * side * point, "symmetric": signed * direction}
    return {name: _error(networks, networks.W + move, point) for name, move in moves.items()}


def _symmetric(sizes: Draws, errors: Array, along: float) -> Iterator[Check]:
    """a_r and the movement of w_r have the same sign: passing 0 adds as often as it takes away."""
    m = sizes.widths[0]
    common, law = (law(sizes.reach, along, m) for law in (coupling.common_error, coupling.symmetric_variance))
    centred = rate("mean error of symmetric moves", mean(errors))
    yield centred.equals(0, against=float(common))
    yield centred.control("symmetric moves couple as badly").equals(float(common))
    squares = _over_law(errors**2, law, "symmetric moves: squares")
    yield squares.equals(1)
    yield _over_law(errors**2, 1.25 * law).control("mean square 25 % larger").equals(1)


def _trained(study: Study, sizes: Draws, x: Array) -> Iterator[Check]:
    """One step of gradient descent on |f - y|, y far off: of the active neurons those with a_r y < 0 may die."""
    m, y = sizes.widths[0], torch.tensor([-9.0], dtype=torch.float64, device=study.device)
    networks = random_networks(study, m, sizes.steps, len(x), study.rng("one step"))
    rule = Robustly(networks.f, y, unmoved(x[None], study))
    training = Trainee(study, rule, {"W": networks.W}, observe=lambda state: {"error": networks.error(
        state["W"], y.new_tensor(x)[None])[:, 0]})  # fmt: skip
    # eta m^(-1/3) is how far an active neuron moves.
    run = training.train(learning_rate=sizes.reach * m ** (-2 / 3) * m ** (1 / 3), steps=1, record=[1])
    law = coupling.common_error(sizes.reach, 1.0, m)
    yield _over_law(run["error"][-1], law, "after a step of gradient descent").equals(1)


def _over_law(errors: Array, law: Array, case: str = "") -> Estimated:
    return rate("error over its law", mean(errors / float(law)), case=case)


def _error(networks: Networks, W: Tensor, x: Tensor) -> Array:
    return networks.error(W, x[None])[:, 0].cpu().numpy()


def _unit(x: Array) -> Array:
    return x / np.linalg.norm(x)


def _with_half(rng: np.random.Generator, d: int) -> Array:
    """An input of length 1 whose last coordinate is 1/2."""
    return np.append(np.sqrt(0.75) * _unit(rng.standard_normal(d - 1)), 0.5)
