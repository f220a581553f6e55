"""Groups of components differ by what their normalisers pool, and by nothing else."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from experiments.manifolds.networks import tensor
from experiments.methods.manifolds import GROUPS, FineGrainedStep, Sphere
from theory.claims import RECONSTRUCTED, Check, Measured, Study, Tolerance, claim, measured, rounding
from theory.core.arrays import Array
from theory.manifolds import steps

AGREE = "groupings agree for large gradients"
D, C, A, B = 3, 4, 3, 3
POOLED: dict[str, tuple[tuple[int, ...], int]] = {
    "alone": ((), 1),
    "PI": ((-2,), D),
    "PO": ((-1,), C),
    "PIO": ((-2, -1), D * C),
}  # axes of |G_dc|^2, and how many components they pool


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
)
def groups_differ_by_their_normaliser_alone(study: Study) -> Iterator[Check]:
    runs = study.pick(smoke=20, quick=200, paper=2000)
    w, G = tensor(study, study.rng("kernels").standard_normal((2, runs, D, C, A, B)))
    w = Sphere().project(w)
    G = Sphere().tangent(w, G)
    yield _differing(w, 1e-3 * G).equals(0)
    yield _differing(w, G).control(AGREE).equals(0)
    g = 20.0  # the steps stay shorter than pi
    squares = G.square().sum((-2, -1)).cpu().numpy()
    for group, (axes, count) in POOLED.items():
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
