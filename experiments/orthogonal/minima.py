"""The least hyperspherical energy, and how far above it a rotation leaves a layer for ever."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import Rotation, energies
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, equal, misprint, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import energy

KNOWN = ((3, 2, 1), (3, 2, 0), (7, 2, 0), (4, 3, 1), (5, 4, 2), (4, 6, 0), (5, 8, 3), (6, 3, 1), (6, 3, 0), (8, 4, 2))
THOMSON = {5: 6.474691494688, 12: 49.165253057629}  # pairs counted once; proved by Schwartz (2013), Andreev (1996)
LAYER = 8  # inputs of the layers that figure 10 shows


@claim(
    "liu2021.energy_minima",
    source="Liu et al. 2021, abstract: OPT provably minimises the hyperspherical energy",
    statement=r"E_s \ge N(N-1) f_s\!\left(\sqrt{2N/(N-1)}\right),\ \text{attained iff } N \le d+1;\quad"
    r" E_s(R W_0) = E_s(W_0) > \min E_s",
    hypotheses=("R orthogonal", "N = 2 d: the cross-polytope; d = 2: the polygon"),
    controls=(
        "simplex bound attained by more than d + 1 neurons",
        "half-space: a simplex is as good as a frame",
        "as printed: OPT minimises the hyperspherical energy",
    ),
)
def least_energies_are_known(study: Study) -> Iterator[Check | Curves]:
    starts = study.pick(smoke=4, quick=12, paper=48)
    for N, d, s in KNOWN:
        yield from _is_least(study, N, d, s, starts)
    for N, literature in THOMSON.items():
        found = _descend(study, f"Thomson {N}", N, 3, 1, starts)[0].min()
        because = "twelve published decimals, and the gradient the descent stops at"
        yield equal(f"Thomson's problem, N = {N}", found / 2, literature, tolerance=1e-9, because=because)
    crowded = _descend(study, "crowded", 6, 3, 1, starts)[0].min()
    tolerance = 1e3 * EPS * energy.simplex_energy(6, 1)
    attained = equal("six in space", crowded, energy.simplex_energy(6, 1), tolerance=tolerance, because="rounding")
    yield refuted("simplex bound attained by more than d + 1 neurons", attained)
    yield from _half_space(study, starts)
    yield from _kept_not_minimised(study)


def least_energies(W: Tensor, s: float, iterations: int = 2000) -> tuple[Tensor, Tensor]:
    """L-BFGS on the energy from W (runs, N, d), all runs at once: energies (runs,) and directions where it ends."""
    W = (W / W.norm(dim=-1, keepdim=True)).requires_grad_()
    stop = {"max_iter": iterations, "tolerance_grad": 1e-11, "tolerance_change": 0}
    optimizer = torch.optim.LBFGS([W], history_size=30, line_search_fn="strong_wolfe", **stop)

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = energies(W, s).sum()
        total.backward()
        return total

    optimizer.step(closure)
    W = W.detach()
    return energies(W, s), W / W.norm(dim=-1, keepdim=True)


def _descend(study: Study, name: str, N: int, d: int, s: float, starts: int) -> tuple[Array, Array]:
    W = torch.from_numpy(study.rng(name).standard_normal((starts, N, d))).to(study.device)
    E, W = least_energies(W, s)
    return E.cpu().numpy(), W.cpu().numpy()


def _is_least(study: Study, N: int, d: int, s: float, starts: int) -> Iterator[Check]:
    """No random or optimised layer is below the minimum, and the best optimised one is at it."""
    name, least = f"N = {N}, d = {d}, s = {s}", energy.minimum(N, d, s)
    random = energy.energy(study.rng("random", name).standard_normal((2000, d, N)), s)
    found, W = _descend(study, f"minimum {name}", N, d, s, starts)
    best = int(found.argmin())
    slack = 16 * d * EPS * N**2 * max(1.0, abs(least))
    yield at_least(
        f"E - min + 1 at random and optimised, {name}",
        np.append(random, found) - least + 1,
        1,
        slack=slack,
        because="no layer is below the minimum, but for rounding",
    )
    tolerance = slack + _left_over(torch.from_numpy(W[best]).to(study.device), s)
    because = "|gradient|^2 / smallest curvature where the descent stopped, and rounding"
    yield equal(f"least E found, {name}", found[best], least, tolerance=tolerance, because=because)


def _left_over(W: Tensor, s: float) -> float:
    """|g|^2 / lambda, lambda the smallest curvature that no symmetry flattens: twice what a quadratic has left."""
    h, n = 1e-5, W.numel()
    steps = h * torch.eye(n, dtype=W.dtype, device=W.device).view(n, *W.shape)
    around = torch.cat([W[None], W + steps, W - steps]).requires_grad_()
    (gradients,) = torch.autograd.grad(energies(around, s).sum(), around)
    here, ahead, behind = gradients.flatten(1).split([1, n, n])
    hessian = (ahead - behind) / (2 * h)
    curvatures = torch.linalg.eigvalsh((hessian + hessian.mT) / 2)
    # Differences of gradients know a curvature to some h^2; rotations and lengths have none.
    return float(here.square().sum() / curvatures[curvatures > 1e-6 * curvatures.max()].min())


def _half_space(study: Study, starts: int) -> Iterator[Check]:
    N, d, s = 5, 6, 1
    least = energy.half_space_minimum(N, d, s)
    frame = energy.half_space_energy(np.eye(d, N), s)
    slack = 64 * d * EPS * N**2 * least
    yield equal("half-space energy of an orthonormal frame", frame, least, tolerance=slack, because="rounding")
    random = energy.half_space_energy(study.rng("half-space").standard_normal((100 * starts, d, N)), s)
    yield at_least("half-space energy at random", random, least, slack=slack, because="a frame is the best")
    # The vertices of a regular simplex have cosines -1 / (N - 1) instead of 0.
    simplex = np.linalg.cholesky(np.eye(N) * (1 + 1e-9) - 1 / N).T
    value = energy.half_space_energy(simplex, s)
    tight = equal("a simplex", value, least, tolerance=slack, because="a frame is the best")
    yield refuted("half-space: a simplex is as good as a frame", tight)


def _kept_not_minimised(study: Study) -> Iterator[Check | Curves]:
    """OPT of the least energy itself: the most favourable loss there is, and it does not move."""
    N, d = 16, LAYER
    rng = study.rng("layer")
    W0 = torch.from_numpy(rng.standard_normal((N, d))).to(study.device)
    least = energy.minimum(N, d, 1)
    start = float(energy.energy(W0.cpu().numpy().T, 1))
    for name in ("loewdin", "cayley"):
        rotation = Rotation(d, name, dtype=W0.dtype, device=study.device)
        with torch.no_grad():
            rotation.parameter.add_(torch.from_numpy(rng.standard_normal((d, d)) / 8).to(W0))
        optimizer = torch.optim.SGD([rotation.parameter], lr=1.0)
        for _ in range(study.pick(smoke=20, quick=100, paper=400)):
            optimizer.zero_grad()
            energies(rotation(W0), 1).backward()
            optimizer.step()
        end = float(energies(rotation(W0).detach(), 1))
        because = "16 d roundings of every squared distance"
        tolerance = 16 * d * EPS * start * N
        yield equal(f"energy after minimising it by {name}", end, start, tolerance=tolerance, because=because)
    printed = equal("energy after OPT", end, least, tolerance=tolerance, because="the minimum, N = 2 d, is known")
    correction = "OPT keeps the energy of its random start; the minimum is only met asymptotically, where s < d - 1"
    yield misprint("OPT minimises the hyperspherical energy", printed, correction=correction)
    widths = study.pick(smoke=(2, 5, 16), quick=(2, 5, 9, 16, 32, 64), paper=(2, 5, 9, 16, 32, 64, 128))
    found = [_descend(study, f"layer {N}", N, LAYER, 1, 4)[0].min() for N in widths]
    known = [N for N in range(2, 2 * LAYER + 1) if N <= LAYER + 1 or N == 2 * LAYER]
    yield curves(
        least_widths=widths,
        least_energy=found,
        known_widths=known,
        known_minimum=[energy.minimum(N, LAYER, 1) for N in known],
    )
