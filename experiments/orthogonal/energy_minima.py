"""The least hyperspherical energy, and how far above it a rotation leaves a layer for ever."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import Rotation, energies
from experiments.orthogonal.layers import least_energies, pairs, sgd
from theory.claims import (
    AS_THE_ABSTRACT_SAYS,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.orthogonal import energy

KNOWN = ((3, 2, 1), (3, 2, 0), (7, 2, 0), (4, 3, 1), (5, 4, 2), (4, 6, 0), (5, 8, 3), (6, 3, 1), (6, 3, 0), (8, 4, 2))
THOMSON = {5: 6.474691494688, 12: 49.165253057629}  # pairs counted once; proved by Schwartz (2013), Andreev (1996)


@dataclass(frozen=True)
class Sizes:
    """Of the searches, of the layer that OPT is to minimise, and of those that figure 10 shows."""

    starts: int = varies("of the descent to each least energy", 12, smoke=4, paper=48, low=4, high=100)
    inputs: int = varies("d of the layer, of 2 d neurons, and of those shown", 8, low=3, high=30)
    steps: int = varies("by which OPT is to minimise the energy", 100, smoke=20, paper=400, low=5, high=2000)
    widths: tuple[int, ...] = varies(
        "neurons of the layers shown",
        (2, 5, 9, 16, 32, 64),
        smoke=(2, 5, 16),
        paper=(2, 5, 9, 16, 32, 64, 128),
        low=2,
        high=128,
    )

    def __post_init__(self) -> None:
        if len(set(self.widths)) < len(self.widths):
            reject("widths", self.widths, "different numbers")


@claim(
    "liu2021.energy_minima",
    source="Liu et al. 2021, abstract: OPT provably minimises the hyperspherical energy",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"E_s \ge N(N-1) f_s\!\left(\sqrt{2N/(N-1)}\right),\ \text{attained iff } N \le d+1;\quad"
    r" E_s(R W_0) = E_s(W_0) > \min E_s",
    hypotheses=(
        "E_s the sum of f_s(|w_i - w_j|) on the sphere over i != j, f_s(z) = z^-s, -log z at s = 0",
        "N neurons of d inputs, R orthogonal; N = 2 d: the cross-polytope; d = 2: the polygon",
    ),
    theory_side="bound",
    controls=(
        "simplex bound attained by more than d + 1 neurons",
        "half-space: a simplex is as good as a frame",
        "OPT minimises the hyperspherical energy",
    ),
    parameters=Sizes,
)
def least_energies_are_known(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    starts = sizes.starts
    for N, d, s in KNOWN:
        yield from _is_least(study, N, d, s, starts)
    within = Tolerance(1e-9, "twelve published decimals, and the gradient the descent stops at")
    for N, literature in THOMSON.items():
        found = _descend(study, f"Thomson {N}", N, 3, 1, starts)[0].min()
        yield measured("Thomson's problem", found / 2, within=within, case=f"N = {N}").equals(literature)
    crowded = _descend(study, "crowded", 6, 3, 1, starts)[0].min()
    bound = energy.simplex_energy(6, 1)
    six = measured("six in space", crowded, within=rounding(1e3, bound, of="the energy"))
    yield six.control("simplex bound attained by more than d + 1 neurons").equals(bound)
    yield from _half_space(study, starts)
    yield from _kept_not_minimised(study, sizes.inputs, sizes.steps)
    yield from _layers_of_figure_10(study, sizes.inputs, np.array(sizes.widths))


def _descend(study: Study, name: str, N: int, d: int, s: float, starts: int) -> tuple[Array, Array]:
    W = torch.from_numpy(study.rng(name).standard_normal((starts, N, d))).to(study.device)
    E, W = least_energies(study, W, s)
    return E.cpu().numpy(), W.cpu().numpy()


def _is_least(study: Study, N: int, d: int, s: float, starts: int) -> Iterator[Check]:
    """No random or optimised layer is below the minimum, and the best optimised one is at it."""
    case, least = f"N = {N}, d = {d}, s = {s}", energy.minimum(N, d, s)
    random = energy.energy(study.rng("random", case).standard_normal((2000, d, N)), s)
    found, W = _descend(study, f"minimum {case}", N, d, s, starts)
    best = int(found.argmin())
    within = rounding(16 * d, N**2 * max(1.0, abs(least)), of="each squared distance")
    above = np.append(random, found) - least + 1
    yield measured("E - min + 1 at random and optimised", above, within=within, case=case).at_least(1)
    within += _left_over(torch.from_numpy(W[best]).to(study.device), s)
    yield measured("least E found", found[best], within=within, case=case).equals(least)


def _left_over(W: Tensor, s: float) -> Tolerance:
    """|g|^2 / lambda, lambda the smallest curvature that no symmetry flattens: twice what a quadratic has left."""
    h, n = 1e-5, W.numel()
    steps = h * torch.eye(n, dtype=W.dtype, device=W.device).view(n, *W.shape)
    around = torch.cat([W[None], W + steps, W - steps]).requires_grad_()
    (gradients,) = torch.autograd.grad(energies(around, s).sum(), around)
    here, ahead, behind = gradients.flatten(1).split([1, n, n])
    hessian = (ahead - behind) / (2 * h)
    curvatures = torch.linalg.eigvalsh((hessian + hessian.mT) / 2)
    # Differences of gradients know a curvature to some h^2; rotations and lengths have none.
    left = float(here.square().sum() / curvatures[curvatures > 1e-6 * curvatures.max()].min())
    return Tolerance(left, "|gradient|^2 / smallest curvature where the descent stopped")


def _half_space(study: Study, starts: int) -> Iterator[Check]:
    N, d, s = 5, 6, 1
    least = energy.half_space_minimum(N, d, s)
    within = rounding(64 * d, N**2 * least, of="each squared distance")
    frame = energy.half_space_energy(np.eye(d, N), s)
    yield measured("half-space energy of an orthonormal frame", frame, within=within).equals(least)
    random = energy.half_space_energy(study.rng("half-space").standard_normal((100 * starts, d, N)), s)
    yield measured("half-space energy at random", random, within=within).at_least(least)
    # The vertices of a regular simplex have cosines -1 / (N - 1) instead of 0.
    simplex = np.linalg.cholesky(np.eye(N) * (1 + 1e-9) - 1 / N).T
    value = measured("half-space energy of a simplex", energy.half_space_energy(simplex, s), within=within)
    yield value.control("half-space: a simplex is as good as a frame").equals(least)


def _kept_not_minimised(study: Study, d: int, steps: int) -> Iterator[Check]:
    """OPT of the least energy itself: the most favourable loss there is, and it does not move."""
    N, rng = 2 * d, study.rng("layer")
    W0 = torch.from_numpy(rng.standard_normal((N, d))).to(study.device)
    start = float(energy.energy(W0.cpu().numpy().T, 1))
    within = Tolerance(16 * d * EPS * start * N, "16 d roundings of every squared distance")
    for name in ("loewdin", "cayley"):
        rotation = Rotation(d, name, dtype=W0.dtype, device=study.device)
        with torch.no_grad():
            rotation.parameter.add_(torch.from_numpy(rng.standard_normal((d, d)) / 8).to(W0))
        sgd(study, rotation.parameter, lambda: energies(rotation(W0), 1), learning_rate=1.0, steps=steps)  # noqa: B023
        end = float(energies(rotation(W0).detach(), 1))
        kept = measured("energy after minimising it", end, within=within, case=name)
        yield kept.equals(start)
    correction = "OPT keeps the energy of its random start; the minimum is only met asymptotically, where s < d - 1"
    printed = kept.overstatement("OPT minimises the hyperspherical energy", correction=correction)
    yield printed.equals(energy.minimum(N, d, 1))


def _layers_of_figure_10(study: Study, d: int, widths: Array) -> Iterator[Curves]:
    """The least energy a pair of neurons, as descent finds it and where it is known."""
    found = np.array([_descend(study, f"layer {N}", int(N), d, 1, 4)[0].min() for N in widths])
    yield curves("found", widths=widths, energy=found / pairs(widths))
    for name, known in (("simplex", np.arange(2, d + 2)), ("cross-polytope", np.array([2 * d]))):
        least = [energy.minimum(int(N), d, 1) for N in known]
        yield curves(name, widths=known, energy=least / pairs(known))
