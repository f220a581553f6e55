"""What lies between the caps of two inputs: sharp on the sphere, and gamma / 2 as printed below it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from experiments.methods.cap_attack import CapAttack
from theory.adversarial import sphere
from theory.claims import OURS, Check, Curves, Measured, Study, claim, curves, exactly, measured, rounding, varies
from theory.core.arrays import Array


@dataclass(frozen=True)
class Pairs:
    """Of inputs, in several numbers of dimensions."""

    pairs: int = varies("in each number of dimensions", 100, smoke=25, paper=1000, low=5, high=10_000)
    dimensions: tuple[int, ...] = varies("of the inputs, the constant one included", (3, 6, 40), low=3, high=500)


@claim(
    "adversarial.separation",
    source="ours; why Zhang et al. 2020 (arXiv 2002.06668) ask for gamma = delta (delta - 2 rho) > 0",
    source_kind=OURS,
    statement=r"\|x_i - x_j\| = \delta = 2 R \sin\tfrac\theta2,\ \rho = 2 R \sin\tfrac\varphi2,\ R^2 = \tfrac34:\quad"
    r" \min_{\|x' - x_i\| \le \rho} x_i^\top x' - \max_{\|x' - x_j\| \le \rho} x_i^\top x'"
    r" = R \delta \sin(\tfrac\theta2 - \varphi) \ge \tfrac{\gamma}{2} = \tfrac{\delta (\delta - 2 \rho)}{2};\quad"
    r" \text{the caps meet} \iff \delta \le 2 \rho \sqrt{1 - \tfrac{\rho^2}{4 R^2}} < 2 \rho",
    hypotheses=("inputs of length 1 whose last coordinate is 1/2; the adversary keeps both", "2 varphi <= theta"),
    theory_side="closed form",
    controls=("gamma without the 2", "no gap at delta = 2 rho", "gamma / 2 is attained", "10 % more"),
    parameters=Pairs,
)
def what_lies_between_two_caps(study: Study, sizes: Pairs) -> Iterator[Check | Curves]:
    drawn = [_drawn(study, d, sizes.pairs) for d in sizes.dimensions]
    delta, rho, found = (np.concatenate([each[k] for each in drawn]) for k in range(3))
    law, printed = sphere.gap(delta, rho), sphere.printed_gap(delta, rho)
    between = _gap(found)
    yield between.equals(law)
    yield between.control("10 % more").equals(1.1 * law)
    yield between.control("gamma without the 2").at_least(delta * (delta - rho) / 2)
    yield between.control("gamma / 2 is attained").equals(printed)
    yield measured(
        "gap over gamma / 2", found / printed, within=exactly("the gap leaves more"), axes=("pair",)
    ).at_least(1.0)
    wide = np.array([0.3, 0.6])
    twice = _found(study, 2 * wide, wide)
    yield _gap(twice).control("no gap at delta = 2 rho").at_most(0.0)
    met = _gap(_found(study, sphere.touching_distance(wide), wide), "caps that touch")
    yield met.equals(0.0, against=float(twice.min()))
    yield curves(delta=delta, rho=rho, gap=found, law=law, printed=printed)


def _drawn(study: Study, d: int, pairs: int) -> tuple[Array, Array, Array]:
    """delta, rho and the gap that the attack finds."""
    rng = study.rng("pairs", d)
    delta = 10 ** rng.uniform(-2, np.log10(1.6), pairs)
    rho = rng.uniform(0.02, 0.5, pairs) * sphere.touching_distance(delta / 2)
    return delta, rho, _found(study, delta, rho, d)


def _found(study: Study, delta: Array, rho: Array, d: int = 3) -> Array:
    """min <x_i, .> over the cap of x_i less max <x_i, .> over that of x_j, by projected gradients."""
    rng = study.rng("planes", d)
    planes = np.linalg.qr(rng.standard_normal((len(delta), d - 1, 2)))[0].mT
    theta = sphere.angle(delta)[:, None]
    x_i, x_j = planes[:, 0], np.cos(theta) * planes[:, 0] + np.sin(theta) * planes[:, 1]
    free = sphere.RADIUS * np.stack([x_i, x_j], 1)
    x = torch.tensor(np.concatenate([free, np.full((len(delta), 2, 1), 0.5)], -1), device=study.device)
    products = np.empty((len(delta), 2))
    for k, radius in enumerate(rho):
        centre, signs = x[k, 0], x.new_tensor([-1.0, 1.0])
        attack = CapAttack(float(radius), steps=2, step=1.0, restarts=2, kept=1)
        worst = attack(lambda z: signs * (z @ centre), x[k], torch.Generator().manual_seed(study.seed))  # noqa: B023
        products[k] = (worst @ centre).cpu().numpy()
    return products[:, 0] - products[:, 1]


def _gap(found: Array, case: str = "") -> Measured:
    within = rounding(1000, of="inner products, and of great circles one after another")
    return measured("gap", found, within=within, case=case, axes=("pair",))
