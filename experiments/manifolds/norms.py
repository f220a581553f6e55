"""Norms of points of the weight manifolds, and of the layers and convolutions made of them: all norms are torch's."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.methods.manifolds.descent import FineGrainedUpdate, RiemannianStep
from experiments.methods.manifolds.spaces import Manifold, Oblique, Sphere, Stiefel
from experiments.training.loop import train
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.manifolds import norms

SPACES: dict[norms.Manifold, Manifold] = {"sphere": Sphere(), "oblique": Oblique(), "Stiefel": Stiefel()}
TORCH_NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "Frobenius": torch.linalg.matrix_norm,
    "spectral": lambda w: torch.linalg.matrix_norm(w, 2),
    "(2,1)": lambda w: torch.linalg.vector_norm(w, dim=-2).sum(-1),
    "nuclear": lambda w: torch.linalg.matrix_norm(w, "nuc"),
    "column l1": lambda w: torch.linalg.matrix_norm(w, 1),
    "row l1": lambda w: torch.linalg.matrix_norm(w, torch.inf),
    "entrywise l1": lambda w: w.abs().sum((-2, -1)),
}
SIZES = ((2, 1), (2, 2), (4, 2), (4, 4), (8, 4))  # where every end of every range is attained
SHOWN = (8, 4)  # in figure 12


@claim(
    "ozay2019.norm_ranges",
    source="Ozay 2019 (abstract: weights reparameterised so that all norms are at most 1); ranges and scales derived",
    statement=r"\gamma |w| \le 1 \text{ in Frobenius, spectral, (2,1) and nuclear norm}:\quad"
    r" \gamma = B^{-1/2} \text{ (sphere)},\ B^{-1} \text{ (oblique, Stiefel)};\quad"
    r" \text{e.g. } |w|_2 \in [B^{-1/2}, 1],\ [1, B^{1/2}],\ \{1\}",
    hypotheses=("w (A, B), A >= B", "sphere, oblique or Stiefel manifold"),
    controls=(
        "sphere: a scale 10 % larger",
        "oblique: a scale 10 % larger",
        "Stiefel: a scale 10 % larger",
        "one scale for all manifolds",
        "sums of moduli as large on Stiefel for every size",
    ),
)
def every_norm_has_a_known_range(study: Study) -> Iterator[Check | Curves]:
    for manifold in norms.MANIFOLDS:
        yield from _ends(study, manifold)
        yield from _inside(study, manifold)
        yield from _scales(study, manifold)
    oblique = _tensor(study, norms.extreme_points("oblique", *SHOWN))
    because = "definition of the scale"
    too_large = norms.scale("sphere", *SHOWN) * TORCH_NORMS["nuclear"](oblique).cpu().numpy()
    yield refuted("one scale for all manifolds", at_most("norm", too_large, 1, because=because, slack=1e3 * EPS))
    yield from _signs_are_rare(study)


def _ends(study: Study, manifold: norms.Manifold) -> Iterator[Check]:
    """At the extreme points, the least and the greatest of each norm are the ends of its range."""
    for name in norms.NORMS:
        found, exact = [], []
        for A, B in SIZES:
            values = TORCH_NORMS[name](_tensor(study, norms.extreme_points(manifold, A, B))).cpu().numpy()
            found.append((values.min(), values.max()))
            exact.append(norms.ranges(manifold, A, B)[name])
        because = "a hundred roundings of the largest norm, A sqrt(B) <= 32"
        yield equal(f"{manifold}: ends of {name}", found, exact, tolerance=100 * 32 * EPS, because=because)


def _inside(study: Study, manifold: norms.Manifold) -> Iterator[Check | Curves]:
    """Points from flat to sparse, of sizes that attain no end too: no norm leaves its range."""
    draws = study.pick(smoke=500, quick=4000, paper=40_000)
    for A, B in ((5, 3), (7, 7), SHOWN):
        w = _points(study, manifold, A, B, draws)
        ends = norms.ranges(manifold, A, B)
        values = np.array([TORCH_NORMS[name](w).cpu().numpy() for name in ends])
        low, high = np.array(list(ends.values())).T[..., None]
        slack, because = 100 * A * B * EPS, "Cauchy-Schwarz; slack is a hundred roundings an entry"
        label = f"{manifold} {A} x {B}: norms over their"
        yield at_most(f"{label} greatest", values / high, 1, because=because, slack=slack)
        yield at_least(f"{label} least", values / low, 1, because=because, slack=slack)
    yield from _shown(study, manifold, w[:: len(w) // 100])


def _shown(study: Study, manifold: norms.Manifold, drawn: Tensor) -> Iterator[Curves]:
    """Figure 12: ranges (norms, 2), the least and the greatest found, and some drawn points."""
    extreme = _tensor(study, norms.extreme_points(manifold, *SHOWN))
    values = np.array([TORCH_NORMS[name](extreme).cpu().numpy() for name in norms.MATRIX_NORMS])
    ends = norms.ranges(manifold, *SHOWN)
    yield curves(
        **{
            f"{manifold} range": [ends[name] for name in norms.MATRIX_NORMS],
            f"{manifold} found": np.stack([values.min(-1), values.max(-1)], axis=-1),
            f"{manifold} drawn": [TORCH_NORMS[name](drawn).cpu().numpy() for name in norms.MATRIX_NORMS],
            f"{manifold} scale": norms.scale(manifold, *SHOWN),
        }
    )


def _scales(study: Study, manifold: norms.Manifold) -> Iterator[Check]:
    A, B = SHOWN
    w = _tensor(study, norms.extreme_points(manifold, A, B))
    largest = max(TORCH_NORMS[name](w).max().item() for name in norms.MATRIX_NORMS)
    gamma, because = norms.scale(manifold, A, B), "a hundred roundings of a largest norm of B"
    tolerance = 100 * B * EPS
    yield equal(f"{manifold}: largest norm, scaled", gamma * largest, 1, tolerance=tolerance, because=because)
    larger = equal("largest norm, scaled", 1.1 * gamma * largest, 1, tolerance=tolerance, because=because)
    yield refuted(f"{manifold}: a scale 10 % larger", larger)
    two = ("Frobenius", "spectral")
    largest = max(TORCH_NORMS[name](w).max().item() for name in two)
    scaled = norms.scale(manifold, A, B, two) * largest
    yield equal(f"{manifold}: scaled for two norms", scaled, 1, tolerance=tolerance, because=because)


def _signs_are_rare(study: Study) -> Iterator[Check]:
    """The greatest entrywise l1 on Stiefel, B sqrt(A), needs orthogonal columns of signs. Ascent on 3 x 3, where there
    are none, ends at 5 (Banica, Collins & Schlenker 2011), below 3 sqrt(3)."""
    runs, steps = 64, study.pick(smoke=300, quick=600, paper=2000)
    start = SPACES["Stiefel"].project(_tensor(study, study.rng("signs").standard_normal((runs, 3, 3))))
    loss = lambda state: -TORCH_NORMS["entrywise l1"](state["w"])  # noqa: E731
    rule = FineGrainedUpdate(loss, {"w": RiemannianStep(Stiefel(), "retraction")}, a=10, q=1)
    schedule = {"learning_rate": 2.0, "steps": steps, "record": [steps]}
    found = -train(loss, {"w": start}, update=rule, **schedule, **study.training("signs"))["loss"].min()
    # An ascent by steps g_t crosses the ridges of |w|_1, where it is within 3^(3/2) g_t of the greatest.
    slack = 3 * np.sqrt(3) * 2.0 / (steps + 10)
    because = "the last step times the largest slope"
    yield equal("3 x 3 Stiefel: greatest entrywise l1", found, 5, tolerance=slack, because=because)
    bound = norms.ranges("Stiefel", 3, 3)["entrywise l1"][1]
    attained = equal("greatest entrywise l1", found, bound, tolerance=slack, because=because)
    yield refuted("sums of moduli as large on Stiefel for every size", attained)


@claim(
    "ozay2019.layer_norms",
    source="Ozay 2019 (norms of layers and groups); derived: what bounds on kernels say of a layer, and what not",
    statement=r"|W|_2 \le (CD)^{1/2} \max |w_{dc}|_2,\quad |W|_F = (CD)^{1/2} |w|_F;\quad"
    r" |\mathrm{conv}(k)| = \max_\xi |\hat k(\xi)| \le (AB)^{1/2} |k|_2",
    hypotheses=("C input and D output channels, kernels (A, B)", "circular convolution of stride 1"),
    controls=(
        "kernels of norm 1 make a layer of norm 1",
        "the norm of a kernel is that of its convolution",
        "a convolution's bound 10 % smaller",
        "a layer's bound 10 % smaller",
    ),
)
def a_bound_on_kernels_is_none_on_the_layer(study: Study) -> Iterator[Check | Curves]:
    yield from _blocks(study)
    yield from _convolutions(study)


def _blocks(study: Study) -> Iterator[Check]:
    C, D, A, B, draws = 4, 6, 5, 3, study.pick(smoke=200, quick=2000, paper=20_000)
    because = "a hundred roundings an entry"
    slack = 100 * C * D * A * B * EPS
    w = SPACES["sphere"].project(_tensor(study, study.rng("layers").standard_normal((draws, D, C, A, B))))
    frobenius, spectral = (TORCH_NORMS[name](_layer(w)).cpu().numpy() for name in ("Frobenius", "spectral"))
    exact = norms.layer_frobenius(C, D, 1.0)
    yield equal("Frobenius norm of unit kernels", frobenius, exact, tolerance=slack, because=because)
    largest = TORCH_NORMS["spectral"](w).amax((-2, -1)).cpu().numpy()
    bound = norms.layer_spectral_bound(C, D, 1.0) * largest
    yield at_most("spectral norm of a layer", spectral, bound, because="norm of a block matrix", slack=slack)
    rank_one = _tensor(study, norms.extreme_points("sphere", 4, 2)[-1]).expand(D, C, 4, 2)
    attained = TORCH_NORMS["spectral"](_layer(rank_one)).item()
    bound = norms.layer_spectral_bound(C, D, 1.0)
    yield equal("equal kernels attain it", attained, bound, tolerance=slack, because=because)
    smaller = equal("spectral norm", attained, 0.9 * bound, tolerance=slack, because=because)
    yield refuted("a layer's bound 10 % smaller", smaller)
    unit = at_most("spectral norm of a layer", spectral, 1, because="the bound of each kernel", slack=slack)
    yield refuted("kernels of norm 1 make a layer of norm 1", unit)
    for name, dim, count in (("input", -4, C), ("output", -3, D)):
        group = w / w.square().sum((dim, -2, -1), keepdim=True).sqrt()
        spectral = TORCH_NORMS["spectral"](_layer(group)).cpu().numpy()
        because = f"|W|_2 <= |W|_F, {count} groups of Frobenius norm 1"
        label = f"one sphere for each {name} channel"
        yield at_most(label, spectral, norms.layer_spectral_bound(count, 1, 1.0), because=because, slack=slack)


def _convolutions(study: Study) -> Iterator[Check | Curves]:
    side, draws = 6, study.pick(smoke=100, quick=400, paper=4000)
    drawn = _points(study, "Stiefel", 3, 3, draws)[:, None, None]
    because = "a hundred roundings a pixel"
    slack = 100 * side**2 * 3 * EPS
    w = torch.cat([_tensor(study, np.eye(3)[None, None, None]), drawn])
    several = SPACES["Stiefel"].project(_tensor(study, study.rng("channels").standard_normal((20, 2, 3, 3, 3))))
    measured = _operator_norm(w, side)
    between = _operator_norm(several, side)
    for name, kernels, exact in (("one channel", w, measured), ("3 to 2 channels", several, between)):
        predicted = norms.convolution_norm(kernels.cpu().numpy(), side)
        yield equal(f"{name}: conv2d against transfer function", exact, predicted, tolerance=slack, because=because)
    bound = norms.convolution_bound(3, 3, 1.0)
    yield at_most("norm of a convolution", measured, bound, because="transfer function a^H k b", slack=slack)
    yield equal("the identity kernel attains it", measured[0], bound, tolerance=slack, because=because)
    smaller = equal("norm of a convolution", measured[0], 0.9 * bound, tolerance=slack, because=because)
    yield refuted("a convolution's bound 10 % smaller", smaller)
    same = equal("norm of a convolution", measured, 1, tolerance=slack, because=because)
    yield refuted("the norm of a kernel is that of its convolution", same)
    yield curves(convolution_norms=measured)


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


def _points(study: Study, manifold: norms.Manifold, A: int, B: int, draws: int) -> Tensor:
    """Projected |x|^power sign x: nearly signs, normal, nearly sparse."""
    x = study.rng(manifold, A, B).standard_normal((3, draws // 3 + 1, A, B))
    shaped = np.sign(x) * np.abs(x) ** np.array([0.05, 1, 8]).reshape(3, 1, 1, 1)
    return SPACES[manifold].project(_tensor(study, shaped.reshape(-1, A, B)))


def _tensor(study: Study, array: Array) -> Tensor:
    return torch.tensor(np.asarray(array), dtype=torch.float64, device=study.device)
