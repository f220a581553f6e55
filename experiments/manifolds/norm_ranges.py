"""Norms of points of the weight manifolds, and the scale that makes them at most 1: all norms are torch's."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from experiments.manifolds.networks import SPACES, on_manifolds, tensor
from experiments.manifolds.norms import TORCH_NORMS, drawn_points
from experiments.methods.manifolds import RiemannianStep, Stiefel
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
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.manifolds import norms
from theory.manifolds.schedules import Schedule

SIZES = ((2, 1), (2, 2), (4, 2), (4, 4))  # where every end of every range is attained


@dataclass(frozen=True)
class Sizes:
    """Of the kernels that figure 12 shows, at which every end of every range is attained; and of the draws."""

    rows: int = varies("A of the kernels, a power of 2", 8, low=2, high=64)
    columns: int = varies("B of them, a divisor of A", 4, low=2, high=32)
    draws: int = varies("points of each manifold and size", 4000, smoke=500, paper=40_000, low=300, high=10**5)
    steps: int = varies("of the ascent to the greatest sum of moduli", 600, smoke=300, paper=2000, low=300, high=5000)

    def __post_init__(self) -> None:
        if self.rows & (self.rows - 1):
            reject("rows", self.rows, "a power of 2")
        if self.rows % self.columns:
            reject("columns", self.columns, f"a divisor of the {self.rows} rows")

    @property
    def shown(self) -> tuple[int, int]:
        """A and B."""
        return self.rows, self.columns


@claim(
    "ozay2019.norm_ranges",
    source="Ozay 2019, abstract (weights reparameterised so that all norms are at most 1); ranges and scales derived",
    source_kind=AS_THE_ABSTRACT_SAYS,
    statement=r"\gamma |w| \le 1 \text{ in Frobenius, spectral, (2,1) and nuclear norm}:\quad"
    r" \gamma = B^{-1/2} \text{ (sphere)},\ B^{-1} \text{ (oblique, Stiefel)};\quad"
    r" \text{e.g. } |w|_2 \in [B^{-1/2}, 1],\ [1, B^{1/2}],\ \{1\}",
    hypotheses=("w (A, B), A >= B", "sphere, oblique or Stiefel manifold"),
    theory_side="bound",
    controls=(
        "sphere: a scale 10 % larger",
        "oblique: a scale 10 % larger",
        "Stiefel: a scale 10 % larger",
        "one scale for all manifolds",
        "sums of moduli as large on Stiefel for every size",
    ),
    parameters=Sizes,
)
def every_norm_has_a_known_range(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    shown = sizes.shown
    for manifold in norms.MANIFOLDS:
        yield from _ends(study, manifold, shown)
        yield from _inside(study, manifold, shown, sizes.draws)
        yield from _scales(study, manifold, *shown)
    nuclear = TORCH_NORMS["nuclear"](_extreme(study, "oblique", *shown)).cpu().numpy()
    scaled = measured("norm, scaled", norms.scale("sphere", *shown) * nuclear, within=rounding(1e3, of="a norm of 1"))
    yield scaled.control("one scale for all manifolds").at_most(1)
    yield from _signs_are_rare(study, sizes.steps)


def _extreme(study: Study, manifold: norms.Manifold, A: int, B: int) -> Tensor:
    return tensor(study, norms.extreme_points(manifold, A, B))


def _values(w: Tensor, names: tuple[str, ...]) -> Array:
    """Norms (names, points)."""
    return np.array([TORCH_NORMS[name](w).cpu().numpy() for name in names])


def _ends(study: Study, manifold: norms.Manifold, shown: tuple[int, int]) -> Iterator[Check]:
    """At the extreme points, the least and the greatest of each norm are the ends of its range."""
    sizes = *SIZES, shown
    values = [_values(_extreme(study, manifold, A, B), norms.NORMS) for A, B in sizes]
    found = np.stack([[each.min(-1), each.max(-1)] for each in values], axis=-1)
    largest = max(A * B for A, B in sizes)
    within = rounding(100, largest, of=f"the largest norm, at most A B = {largest}")
    for i, name in enumerate(norms.NORMS):
        ends = measured(f"ends of {name}", found[:, i].T, within=within, case=manifold, axes=("size", "end"))
        yield ends.equals([norms.ranges(manifold, A, B)[name] for A, B in sizes])


def _inside(study: Study, manifold: norms.Manifold, shown: tuple[int, int], draws: int) -> Iterator[Check | Curves]:
    """Points from flat to sparse, of sizes that attain no end too: no norm leaves its range."""
    for A, B in ((5, 3), (7, 7), shown):
        w = drawn_points(study, manifold, A, B, draws)
        values, ends = _values(w, norms.NORMS), norms.ranges(manifold, A, B)
        low, high = np.array([ends[name] for name in norms.NORMS]).T[..., None]
        within = rounding(100 * A * B, of="a ratio, a hundred an entry; Cauchy-Schwarz")
        where = {"within": within, "case": f"{manifold} {A} x {B}", "axes": ("norm", "point")}
        yield measured("norms over their greatest", values / high, **where).at_most(1)
        yield measured("norms over their least", values / low, **where).at_least(1)
    yield _shown(study, manifold, w[:: len(w) // 100], shown)


def _shown(study: Study, manifold: norms.Manifold, drawn: Tensor, size: tuple[int, int]) -> Curves:
    """Figure 12: ranges (norms, 2), the least and the greatest found, and some drawn points; the same, scaled."""
    extreme, points = (_values(w, norms.MATRIX_NORMS) for w in (_extreme(study, manifold, *size), drawn))
    found = np.stack([extreme.min(-1), extreme.max(-1)], axis=-1)
    ends = norms.ranges(manifold, *size)
    exact, scale = np.array([ends[name] for name in norms.MATRIX_NORMS]), norms.scale(manifold, *size)
    scaled = {"scaled_range": scale * exact, "scaled_found": scale * found, "scaled_drawn": scale * points}
    return curves(manifold, range=exact, found=found, drawn=points, **scaled)


def _scales(study: Study, manifold: norms.Manifold, A: int, B: int) -> Iterator[Check]:
    w, within = _extreme(study, manifold, A, B), rounding(100 * B, of="a largest norm of B")
    largest = norms.scale(manifold, A, B) * _values(w, norms.MATRIX_NORMS).max()
    yield measured("largest norm, scaled", largest, within=within, case=manifold).equals(1.0)
    larger = measured("largest norm, scaled", 1.1 * largest, within=within)
    yield larger.control(f"{manifold}: a scale 10 % larger").equals(1)
    two = ("Frobenius", "spectral")
    scaled = norms.scale(manifold, A, B, two) * _values(w, two).max()
    yield measured("scaled for two norms", scaled, within=within, case=manifold).equals(1.0)


def _signs_are_rare(study: Study, steps: int) -> Iterator[Check]:
    """The greatest entrywise l1 on Stiefel, B sqrt(A), needs orthogonal columns of signs. Ascent on 3 x 3, where there
    are none, ends at 5 (Banica, Collins & Schlenker 2011), below 3 sqrt(3)."""
    runs, schedule = 64, Schedule(2.0, 10, 1)
    start = SPACES["Stiefel"].project(tensor(study, study.rng("signs").standard_normal((runs, 3, 3))))
    ascent = lambda state: -TORCH_NORMS["entrywise l1"](state["w"])  # noqa: E731
    moves = {"w": RiemannianStep(Stiefel(), "retraction")}
    trainee = on_manifolds(study, ascent, moves, {"w": start}, schedule=schedule)
    end = trainee.train(learning_rate=schedule.c, steps=steps, record=[steps])["w"][-1]
    found = TORCH_NORMS["entrywise l1"](tensor(study, end)).max().item()
    # An ascent by steps g_t crosses the ridges of |w|_1, where it is within 3^(3/2) g_t of the greatest.
    within = Tolerance(3 * np.sqrt(3) * 2.0 / (steps + 10), "the last step times the largest slope")
    greatest = measured("greatest entrywise l1", found, within=within, case="3 x 3 Stiefel")
    yield greatest.equals(5.0)
    attained = greatest.control("sums of moduli as large on Stiefel for every size")
    yield attained.equals(norms.ranges("Stiefel", 3, 3)["entrywise l1"][1])
