"""Norms of the layers and convolutions that kernels of norm 1 make: all norms are torch's."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.manifolds.networks import SPACES, tensor
from experiments.manifolds.norms import TORCH_NORMS, drawn_points
from theory.claims import RECONSTRUCTED, Check, Curves, Study, claim, curves, measured, rounding, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.manifolds import norms

LARGEST = 10**8  # weights of all layers that are drawn


@dataclass(frozen=True)
class Sizes:
    """Of random layers, and how many are drawn."""

    inputs: int = varies("C, channels", 4, low=1, high=32)
    outputs: int = varies("D, channels", 6, low=1, high=32)
    rows: int = varies("A of a kernel", 5, low=2, high=16)
    columns: int = varies("B of a kernel", 3, low=1, high=16)
    draws: int = varies("layers", 2000, smoke=200, paper=20_000, low=10, high=20_000)
    kernels: int = varies("that are convolved", 400, smoke=100, paper=4000, low=10, high=10_000)

    def __post_init__(self) -> None:
        if self.inputs * self.outputs < 2:
            reject("outputs", self.outputs, "two kernels at least, inputs times outputs")
        numbers = self.inputs * self.outputs * self.rows * self.columns * self.draws
        if numbers > LARGEST:
            reject("draws", self.draws, f"at most {LARGEST:.0e} weights in all, not {numbers:.2g}")


@claim(
    "ozay2019.layer_norms",
    source="Ozay 2019 (norms of layers and groups); derived: what bounds on kernels say of a layer, and what not",
    source_kind=RECONSTRUCTED,
    statement=r"W = (w_{dc}):\quad |W|_2 \le (CD)^{1/2} \max |w_{dc}|_2,\quad |W|_F = (CD)^{1/2} |w|_F;\quad"
    r" \max_{|x| = 1} |k * x| = \max_\xi |\hat k(\xi)|_2,\quad |k * x| \le (AB)^{1/2} |k|_2 |x|",
    hypotheses=(
        "W a layer of blocks w_dc (A, B) from C input to D output channels",
        "k * x the circular convolution of stride 1 with a kernel k (A, B), k^ its Fourier transform",
    ),
    theory_side="bound",
    controls=(
        "kernels of norm 1 make a layer of norm 1",
        "the norm of a kernel is that of its convolution",
        "a convolution's bound 10 % smaller",
        "a layer's bound 10 % smaller",
    ),
    parameters=Sizes,
)
def a_bound_on_kernels_is_none_on_the_layer(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _blocks(study, sizes)
    yield from _convolutions(study, sizes.kernels)


def _blocks(study: Study, sizes: Sizes) -> Iterator[Check]:
    C, D, A, B, draws = sizes.inputs, sizes.outputs, sizes.rows, sizes.columns, sizes.draws
    within = rounding(100 * C * D * A * B, of="a norm, a hundred an entry")
    w = SPACES["sphere"].project(tensor(study, study.rng("layers").standard_normal((draws, D, C, A, B))))
    # Equal kernels of rank one attain every bound.
    w[0] = torch.einsum("a,b->ab", w[0, 0, 0, :, 0], w[0, 0, 0, 0])
    w = SPACES["sphere"].project(w)
    frobenius = measured("Frobenius norm of unit kernels", _norm("Frobenius", _layer(w)), within=within, axes=("draw",))
    yield frobenius.equals(norms.layer_frobenius(C, D, 1.0))
    spectral = measured("spectral norm of a layer", _norm("spectral", _layer(w)), within=within, axes=("draw",))
    yield spectral.at_most(norms.layer_spectral_bound(C, D, 1.0) * _norm("spectral", w).max((-2, -1)))
    rank_one = tensor(study, norms.extreme_points("sphere", 4, 2)[-1]).expand(D, C, 4, 2)
    attained = measured("equal kernels attain it", _norm("spectral", _layer(rank_one)), within=within)
    bound = norms.layer_spectral_bound(C, D, 1.0)
    yield attained.equals(bound)
    yield attained.control("a layer's bound 10 % smaller").equals(0.9 * bound)
    yield spectral.control("kernels of norm 1 make a layer of norm 1").at_most(1)
    for name, dim, count in (("input", -4, C), ("output", -3, D)):
        group = w / w.square().sum((dim, -2, -1), keepdim=True).sqrt()
        # |W|_2 <= |W|_F, `count` groups of Frobenius norm 1.
        one = f"one sphere for each {name} channel"
        spectral = measured(one, _norm("spectral", _layer(group)), within=within, axes=("draw",))
        yield spectral.at_most(norms.layer_spectral_bound(count, 1, 1.0))


def _convolutions(study: Study, draws: int) -> Iterator[Check | Curves]:
    side = 6
    within = rounding(100 * side**2 * 3, of="a norm, a hundred a pixel")
    several = SPACES["Stiefel"].project(tensor(study, study.rng("channels").standard_normal((20, 2, 3, 4, 2))))
    flat = _with_draws(study, "sphere", np.full((3, 2), 6**-0.5), draws)
    identity = _with_draws(study, "Stiefel", np.eye(3), draws)
    for case, kernels in (("3 to 2 channels", several), ("a flat kernel", flat), ("the identity kernel", identity)):
        found = _operator_norm(kernels, side)
        exact = measured("conv2d against transfer function", found, within=within, case=case, axes=("kernel",))
        yield exact.equals(norms.convolution_norm(kernels.cpu().numpy(), side))
        if kernels is several:
            continue
        bound = norms.convolution_bound(*kernels.shape[-2:], 1.0) * _norm("spectral", kernels)[:, 0, 0]
        norm = measured("norm of a convolution", found, within=within, case=case, axes=("kernel",))
        yield norm.at_most(bound)
        attained = measured("the bound is attained", found[0], within=within, case=case)
        yield attained.equals(bound[0])
    yield attained.control("a convolution's bound 10 % smaller").equals(0.9 * bound[0])
    yield norm.control("the norm of a kernel is that of its convolution").equals(1)
    yield curves(convolution_norms=found)


def _with_draws(study: Study, manifold: norms.Manifold, kernel: Array, count: int) -> Tensor:
    """The kernel, and random ones of its manifold, all of one input and one output channel."""
    draws = drawn_points(study, manifold, *kernel.shape, count)
    return torch.cat([tensor(study, kernel[None]), draws])[:, None, None]


def _norm(name: str, w: Tensor) -> Array:
    return TORCH_NORMS[name](w).cpu().numpy()


def _layer(w: Tensor) -> Tensor:
    """Kernels (..., D, C, A, B) as the blocks of one matrix (..., D A, C B)."""
    D, C, A, B = w.shape[-4:]
    return w.transpose(-3, -2).reshape(*w.shape[:-4], D * A, C * B)


def _operator_norm(w: Tensor, side: int) -> Array:
    """Norm (runs,) of torch's convolution with kernels (runs, D, C, A, B), all unit images put through."""
    C, (A, B) = w.shape[2], w.shape[-2:]
    images = torch.eye(C * side**2, dtype=w.dtype, device=w.device).reshape(-1, C, side, side)
    padded = functional.pad(images, (0, B - 1, 0, A - 1), mode="circular")
    matrices = torch.stack([functional.conv2d(padded, kernels).flatten(1) for kernels in w])
    return torch.linalg.matrix_norm(matrices, 2).cpu().numpy()
