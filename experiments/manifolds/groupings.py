"""Groups of components differ by what their normalisers pool, and by nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from experiments.manifolds.networks import tensor
from experiments.methods.manifolds import GROUPS, FineGrainedStep, Sphere
from theory.claims import RECONSTRUCTED, Check, Measured, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import Array
from theory.manifolds import steps

AGREE = "groupings agree for large gradients"
POOLED: dict[str, tuple[int, ...]] = {"alone": (), "PI": (-2,), "PO": (-1,), "PIO": (-2, -1)}  # axes of |G_dc|^2


@dataclass(frozen=True)
class Sizes:
    """Of random kernels and gradients."""

    inputs: int = varies("C, channels", 4, low=2, high=32)
    outputs: int = varies("D, channels", 3, low=2, high=32)
    side: int = varies("of the kernels, which are square", 3, low=2, high=16)
    runs: int = varies("layers", 200, smoke=20, paper=2000, low=1, high=2000)


@claim(
    "ozay2019.groupings",
    source="Ozay 2019 (PI, PO and PIO; what they group is our reading)",
    source_kind=RECONSTRUCTED,
    statement=r"\text{a step } -g\, G_{dc} / \mathfrak{g}(R):\quad R_{\mathrm{PI}, c}^2 = \sum_d |G_{dc}|^2,\quad"
    r" R_{\mathrm{PO}, d}^2 = \sum_c |G_{dc}|^2,\quad R_{\mathrm{PIO}}^2 = \sum_{dc} |G_{dc}|^2;\quad"
    r" \mathfrak{g} = 1 \text{ in all where } R \text{ is small}",
    hypotheses=(
        "G_dc the Riemannian gradient of the kernel from input c to output d",
        "all components are of one manifold",
    ),
    theory_side="identity",
    controls=(AGREE, "inputs and outputs exchanged"),
    parameters=Sizes,
)
def groups_differ_by_their_normaliser_alone(study: Study, sizes: Sizes) -> Iterator[Check]:
    shape = sizes.runs, sizes.outputs, sizes.inputs, sizes.side, sizes.side
    w, G = tensor(study, study.rng("kernels").standard_normal((2, *shape)))
    w = Sphere().project(w)
    G = Sphere().tangent(w, G)
    # Where R (2 rho + R) is below 1 for all components together: R and rho grow as the root of their number.
    small = 1e-3 * 36 / (sizes.outputs * sizes.inputs * sizes.side)
    yield _differing(w, small * G).equals(0)
    yield _differing(w, G).control(AGREE).equals(0)
    g = 20.0  # the steps stay shorter than pi
    squares = G.square().sum((-2, -1)).cpu().numpy()
    for group, axes in POOLED.items():
        count = int(np.prod([squares.shape[axis] for axis in axes]))  # of the components that are pooled
        R = np.sqrt(squares.sum(axes, keepdims=True) if axes else squares)
        # The constant is that of R: how much of the other components' gradients a group pools.
        predicted = lambda k: g * np.sqrt(squares) / steps.normaliser(k * R, np.pi * np.sqrt(count), 1.0)  # noqa: B023, E731
        yield _lengths(w, G, g, group).equals(predicted)
        if group == "PI":
            yield _lengths(w, G, g, "PO").control("inputs and outputs exchanged").equals(predicted)


def _differing(w: Tensor, G: Tensor) -> Measured:
    """Entries of the steps by any grouping that are not, bit for bit, those of PIO."""
    after = {group: FineGrainedStep(Sphere(), grouping=group)(w, G, 0.5) for group in GROUPS}
    count = sum(int((after["PIO"] != after[group]).sum()) for group in GROUPS)
    within = Tolerance(0.4, "gfrak = 1 exactly; whole numbers")
    return measured("entries that differ", count, within=within, case="small gradients")


def _lengths(w: Tensor, G: Tensor, g: float, group: str) -> Measured:
    lengths: Array = Sphere().distance(w, FineGrainedStep(Sphere(), grouping=group)(w, G, g)).cpu().numpy()
    within = rounding(1e3, of="a length below pi")
    return measured("length of each step", lengths, within=within, case=group, axes=("run", "output", "input"))
