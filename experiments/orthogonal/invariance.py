"""A rotation that all neurons of a layer share keeps their cosines, hence every hyperspherical energy."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from experiments.methods.orthogonal.parametrisations import MAPS, Rotation, energies, orthogonalise
from theory.claims import Check, Curves, claim
from theory.claims.legacy import at_least, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import energy

EXACT = tuple(name for name in MAPS if name != "free")
POWERS = (0, 1, 2)


@claim(
    "liu2021.energy_invariance",
    source="Liu et al. 2021, orthogonal over-parameterised training: what it keeps",
    statement=r"R \in O(d) \Rightarrow (R W)^\top R W = W^\top W,\quad E_s(R W) = E_s(W)",
    hypotheses=("one orthogonal R for all neurons of a layer",),
    controls=(
        "coordinates scaled instead of rotated",
        "neurons mixed by an orthogonal matrix: energy",
        "the same network without OPT: cosines",
    ),
)
def rotations_keep_the_energy(study: Study) -> Iterator[Check | Curves]:
    d, N, runs = 16, 32, study.pick(smoke=8, quick=64, paper=512)
    rng = study.rng("networks")
    W = torch.from_numpy(rng.standard_normal((runs, N, d))).to(study.device)
    for name in EXACT:
        R = Rotation(d, name, dtype=W.dtype, device=study.device).map(random_parameter(rng, name, runs, d, W))
        yield from _unchanged(f"R by {name}", W, W @ R.mT)
        yield _same_spectrum(f"singular values, R by {name}", W, W @ R.mT)
    scaled = W * torch.linspace(0.8, 1.2, d, dtype=W.dtype, device=study.device)
    yield refuted("coordinates scaled instead of rotated", _same_energy("scaled", W, scaled, 1))
    mixing = Rotation(N, "gram_schmidt", dtype=W.dtype, device=study.device).map(
        random_parameter(rng, "gram_schmidt", runs, N, W)
    )
    yield _same_spectrum("singular values, neurons mixed by an orthogonal matrix", W, mixing @ W)
    yield refuted("neurons mixed by an orthogonal matrix: energy", _same_energy("mixed", W, mixing @ W, 1))
    yield from _in_training(study)


def _unchanged(name: str, before: Tensor, after: Tensor) -> Iterator[Check]:
    for s in POWERS:
        yield _same_energy(f"E_{s}, {name}", before, after, s)
        both = [torch.cat([W, -W], dim=-2) for W in (before, after)]
        yield _same_energy(f"E_{s} of the half-space, {name}", *both, s)


def _same_energy(name: str, before: Tensor, after: Tensor, s: float) -> Check:
    """Energy of `after` in torch against that of `before` in numpy."""
    columns = before.cpu().numpy().mT
    because = "16 d roundings of each squared distance, through the derivative of the kernel"
    measured = energies(after, s).cpu().numpy()
    return equal(name, measured, energy.energy(columns, s), tolerance=rounding(columns, s), because=because)


def rounding(W: Array, s: float) -> Array:
    """What 16 d roundings of a squared distance cost E_s: |df_s / dz^2| = c z^-(s+2), c = s/2 (1/2 at s = 0)."""
    slope = 0.5 if s == 0 else s / 2
    return 16 * W.shape[-2] * EPS * slope * energy.energy(W, s + 2)


def _same_spectrum(name: str, before: Tensor, after: Tensor) -> Check:
    old, new = (torch.linalg.svdvals(W).cpu().numpy() for W in (before, after))
    tolerance = 4 * sum(before.shape[-2:]) * EPS * float(old.max())
    return equal(name, new, old, tolerance=tolerance, because="4 (d + N) roundings of the largest singular value")


def random_parameter(rng: np.random.Generator, name: str, runs: int, d: int, like: Tensor) -> Tensor:
    """P (runs, d, d) with normal entries; torch's Householder map keeps signs on its diagonal."""
    P = rng.standard_normal((runs, d, d))
    if name == "householder":
        P = np.tril(P, -1) - np.eye(d)
    return torch.from_numpy(P).to(like)


def _in_training(study: Study) -> Iterator[Check]:
    steps = study.pick(smoke=20, quick=100, paper=400)
    for name in EXACT:
        drift, moved = _train(study, name, steps)
        tolerance = 64 * EPS  # 8 inputs: products of 8 terms in the map, the rotation and the Gram matrix
        because = "8 d roundings: the map starts anew from W0 at each step, nothing adds up"
        yield equal(f"cosines after training by {name}", drift, 0, tolerance=tolerance, because=because)
        yield at_least(f"distance the weights moved by {name}", moved, 0.01, because="far above rounding: it trained")
    plain = equal("cosines", _train(study, None, steps)[0], 0, tolerance=64 * EPS, because="the same tolerance")
    yield refuted("the same network without OPT: cosines", plain)


def _train(study: Study, name: str | None, steps: int) -> tuple[float, float]:
    """Largest change of a cosine and relative change of the weights, of a layer trained with OPT or without."""
    rng = study.rng("training")
    sizes = ((64, 8), (12, 8), (12,))
    inputs, W, head = (torch.from_numpy(rng.standard_normal(size)).to(study.device) for size in sizes)
    layer = nn.Linear(8, 12, bias=False, dtype=W.dtype, device=study.device)
    with torch.no_grad():
        layer.weight.copy_(W)
    trained = layer.weight if name is None else orthogonalise(layer, name).parameter
    targets = inputs.prod(-1).sign()
    optimizer = torch.optim.SGD([trained], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        (torch.relu(layer(inputs)) @ head / 12 - targets).square().mean().backward()
        optimizer.step()
    start, end = (weight.detach().cpu().numpy().T for weight in (W, layer.weight))
    drift = np.abs(energy.cosines(end) - energy.cosines(start)).max()
    return float(drift), float(np.linalg.norm(end - start) / np.linalg.norm(start))
