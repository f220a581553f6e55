"""A rotation that all neurons of a layer share keeps their cosines, hence every hyperspherical energy."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.methods.orthogonal.parametrisations import energies, orthogonalise
from experiments.orthogonal.layers import energy_rounding, sgd
from experiments.orthogonal.maps import EXACT, random_map
from theory.claims import RECONSTRUCTED, Check, Curves, Measured, Study, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.orthogonal import energy

POWERS = (0, 1, 2)


@dataclass(frozen=True)
class Sizes:
    """Of random layers that are rotated; the one that is trained is small."""

    inputs: int = varies("d of a layer", 16, low=2, high=64)
    neurons: int = varies("N of a layer", 32, low=2, high=128)
    runs: int = varies("layers", 64, smoke=8, paper=512, low=1, high=600)
    steps: int = varies("of the training", 100, smoke=20, paper=400, low=2, high=2000)


@claim(
    "liu2021.energy_invariance",
    source="Liu et al. 2021, orthogonal over-parameterised training: what it keeps",
    source_kind=RECONSTRUCTED,
    statement=r"R \in O(d) \Rightarrow (R W)^\top R W = W^\top W,\quad E_s(R W) = E_s(W)",
    hypotheses=("one orthogonal R for all neurons of a layer, the columns of W", "E_s their hyperspherical energy"),
    theory_side="identity",
    controls=(
        "coordinates scaled instead of rotated",
        "neurons mixed by an orthogonal matrix: energy",
        "the same network without OPT: cosines",
        "OPT keeps the neurons where they were",
    ),
    parameters=Sizes,
)
def rotations_keep_the_energy(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    d, N, runs = sizes.inputs, sizes.neurons, sizes.runs
    rng = study.rng("networks")
    W = torch.from_numpy(rng.standard_normal((runs, N, d))).to(study.device)
    before = W.cpu().numpy().mT
    for name in EXACT:
        rotated = W @ random_map(rng, name, runs, d, W).mT
        for s in POWERS:
            yield _energy(f"E_{s}", before, rotated, s, case=f"R by {name}").equals(energy.energy(before, s))
            both, doubled = np.concatenate([before, -before], -1), torch.cat([rotated, -rotated], -2)
            kept = _energy(f"E_{s} of the half-space", both, doubled, s, case=f"R by {name}")
            yield kept.equals(energy.half_space_energy(before, s))
        yield _same_spectrum(W, rotated, case=f"R by {name}")
    start = energy.energy(before, 1)
    scaled = W * torch.linspace(0.8, 1.2, d, dtype=W.dtype, device=study.device)
    yield _energy("E_1", before, scaled, 1).control("coordinates scaled instead of rotated").equals(start)
    mixed = random_map(rng, "gram_schmidt", runs, N, W) @ W
    yield _same_spectrum(W, mixed, case="neurons mixed by an orthogonal matrix")
    yield _energy("E_1", before, mixed, 1).control("neurons mixed by an orthogonal matrix: energy").equals(start)
    yield from _in_training(study, sizes.steps)


def _energy(name: str, before: Array, after: Tensor, s: float, case: str = "") -> Measured:
    """Energy of `after` (runs, N, d) in torch, to be held against that of `before` (runs, d, N) in numpy."""
    return measured(name, energies(after, s).cpu().numpy(), within=energy_rounding(before, s), case=case, axes=("run",))


def _same_spectrum(before: Tensor, after: Tensor, case: str) -> Check:
    old, new = (torch.linalg.svdvals(W).cpu().numpy() for W in (before, after))
    within = rounding(4 * sum(before.shape[-2:]), float(old.max()), of="the largest singular value, 4 (d + N)")
    return measured("singular values", new, within=within, case=case, axes=("run",)).equals(old)


def _in_training(study: Study, steps: int) -> Iterator[Check]:
    # 8 inputs: products of 8 terms in the map, the rotation and the Gram matrix.
    within = rounding(64, of="cosines, 8 for each input: the map starts anew from W0 at each step, nothing adds up")
    plain, _ = _train(study, None, steps)
    moved = []
    for name in EXACT:
        drift, distance = _train(study, name, steps)
        yield measured("cosines after training", drift, within=within, case=name).equals(0, against=plain)
        moved.append(distance)
    yield measured("cosines", plain, within=within).control("the same network without OPT: cosines").equals(0)
    least = measured("least distance that weights moved", min(moved), within=within)
    yield least.control("OPT keeps the neurons where they were").equals(0)


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
    loss = lambda: (torch.relu(layer(inputs)) @ head / 12 - targets).square().mean()  # noqa: E731
    sgd(study, trained, loss, learning_rate=0.1, steps=steps)
    start, end = (weight.detach().cpu().numpy().T for weight in (W, layer.weight))
    drift = np.abs(energy.cosines(end) - energy.cosines(start)).max()
    return float(drift), float(np.linalg.norm(end - start) / np.linalg.norm(start))
