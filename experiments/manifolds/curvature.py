"""Curvature measured three ways: from how the tangent space turns, as an extreme over planes, and by small circles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp

from experiments.manifolds.networks import SPACES, tensor, unit
from experiments.methods.manifolds import Manifold, Oblique, Sphere
from experiments.training import State, Trainee
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.manifolds import curvature, norms

CANONICAL = "greatest curvature of the canonical metric"


class Case(NamedTuple):
    """A manifold of matrices (A, B), and the formula for its sectional curvature."""

    manifold: norms.Manifold
    A: int
    B: int
    formula: Callable[[Array, Array], Array]

    def __str__(self) -> str:
        return f"{self.manifold} {self.A} x {self.B}"

    @property
    def space(self) -> Manifold:
        return SPACES[self.manifold]

    @property
    def against(self) -> float | None:
        """Where the manifold is flat, the curvature that the unit sphere's checks measure: the scale of resolution."""
        return 1.0 if curvature.curvature_range(self.manifold, self.A, self.B) == (0, 0) else None

    def curvature(self, w: Tensor, X: Tensor, Y: Tensor) -> Array:
        """Predicted; rotations are left-invariant, and their formula is one at I."""
        vectors = (w.mT @ X, w.mT @ Y) if self.formula is curvature.rotations else (X, Y)
        return self.formula(*(vector.cpu().numpy() for vector in vectors))

    def planes(self, study: Study, name: str, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Points, and two tangent vectors at each."""
        w, X, Y = tensor(study, study.rng(self, name).standard_normal((3, count, self.A, self.B)))
        w = self.space.project(w)
        return w, self.space.tangent(w, X), self.space.tangent(w, Y)


CASES = (
    Case("sphere", 3, 2, lambda X, Y: np.ones(len(X))),
    Case("oblique", 4, 3, curvature.oblique),
    Case("oblique", 2, 2, curvature.oblique),
    Case("Stiefel", 4, 1, curvature.stiefel),
    Case("Stiefel", 4, 2, curvature.stiefel),
    Case("Stiefel", 6, 3, curvature.stiefel),
    Case("Stiefel", 3, 2, curvature.stiefel),
    Case("Stiefel", 4, 3, curvature.stiefel),
    Case("Stiefel", 3, 3, curvature.rotations),
    Case("Stiefel", 4, 4, curvature.rotations),
)


@dataclass(frozen=True)
class Sizes:
    """Of what is drawn on each manifold, and how long its extremes are searched for."""

    planes: int = varies("for Gauss' equation", 2000, smoke=200, paper=20_000, low=10, high=50_000)
    circles: int = varies("whose length is taken", 100, smoke=20, paper=1000, low=2, high=2000)
    steps: int = varies("of the search for the extremes", 150, smoke=80, paper=1000, low=80, high=3000)


@claim(
    "ozay2019.curvature",
    source="Ozay 2019 (sectional curvature of weight manifolds); oblique: derived; Stiefel: Zimmermann & Stoye 2024",
    source_kind=RECONSTRUCTED,
    statement=r"\text{sectional curvature } K = 1 \text{ (sphere)},\quad 0 \le K \le 1 \text{ (oblique)},\quad"
    r" -\tfrac{1}{2} \le K \le 1 \text{ (Stiefel)},\quad 0 \le K \le \tfrac{1}{4} \text{ (rotations)};\quad"
    r" \text{injectivity radius } \pi,\ \pi,\ \pi,\ \pi \sqrt{2}",
    hypotheses=("the metric of the embedding", "ranges attained: oblique A > 2, B > 1; Stiefel A > B + 1, B > 1"),
    theory_side="bound",
    controls=(
        "oblique: curvature 1 in every plane",
        "Stiefel: no plane of negative curvature",
        f"Stiefel: {CANONICAL}",
        "injectivity radius 10 % smaller",
    ),
    parameters=Sizes,
)
def curvature_is_known_on_every_manifold(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    for case in CASES:
        yield from _formula(study, case, sizes.planes)
        yield from _extremes(study, case, sizes.steps)
        yield _circles(study, case, sizes.circles)
    yield from _closed_geodesics(study)
    yield from _logarithms(study)


def _formula(study: Study, case: Case, planes: int) -> Iterator[Check | Curves]:
    """In random planes, whose curvatures figure as a histogram."""
    w, X, Y = case.planes(study, "formula", planes)
    found, predicted = sectional(case.space, w, X, Y).cpu().numpy(), case.curvature(w, X, Y)
    squares = (X.square().sum((-2, -1)) * Y.square().sum((-2, -1))).cpu().numpy()
    thinness = squares / curvature.gram(X.cpu().numpy(), Y.cpu().numpy())
    within = rounding(100 * case.A * case.B, thinness, of="what the plane's area is made of, a hundred an entry")
    gauss = measured("Gauss' equation", found, within=within, case=str(case), axes=("plane",))
    yield gauss.equals(predicted, against=case.against)
    yield curves(str(case), curvatures=found)
    if str(case) == "oblique 4 x 3":
        yield gauss.control("oblique: curvature 1 in every plane").equals(1)


def _extremes(study: Study, case: Case, steps: int) -> Iterator[Check]:
    """Descent and ascent over planes at one point: isometries take any point of a manifold to any other."""
    found, gained = _search(study, case, steps)
    wrong = {"least": ("no plane of negative curvature", 0.0), "greatest": (CANONICAL, 1.25)}
    for end, value, gain, predicted in zip(wrong, found, gained, curvature.curvature_range(*case[:3])):
        within = Tolerance(gain, "as much as the last half of the run gained") + rounding(1e3, of="a curvature")
        found_end = measured(f"{end} curvature", value, within=within, case=str(case))
        # An end at 0 is held against the curvature of the unit sphere.
        yield found_end.equals(predicted, against=None if predicted else 1.0)
        if str(case) == "Stiefel 4 x 2":
            control, other = wrong[end]
            yield found_end.control(f"Stiefel: {control}").equals(other)


def _search(study: Study, case: Case, steps: int) -> tuple[Array, Array]:
    """Least and greatest curvature found, half of the runs each, and what the last half of the steps gained."""
    runs = 24
    w, X, Y = case.planes(study, "search", runs)
    at = w[:1].expand_as(w).clone()
    sign = tensor(study, np.repeat([1.0, -1.0], runs // 2))

    def loss(state: State) -> Tensor:
        return sign * sectional(case.space, at, *_frame(*(case.space.tangent(at, state[each]) for each in "XY")))

    trainee = Trainee(study, loss, {"X": X, "Y": Y}, observe=lambda state: {"loss": loss(state)})
    run = trainee.train(learning_rate=0.5, steps=steps, record=[steps // 2, steps])
    half, end = run["loss"].reshape(2, 2, -1).min(-1)
    return np.array([end[0], -end[1]]), np.abs(half - end)


def _circles(study: Study, case: Case, count: int) -> Check:
    """A geodesic circle of radius r is 2 pi r (1 - K r^2 / 6 + O(r^4)) long."""
    w, X, Y = case.planes(study, "circles", count)
    X, Y = _frame(X, Y)
    radii = (0.4, 0.2, 0.1, 0.05)
    values = [6 * (1 - _circumference(case.space, w, X, Y, r) / (2 * np.pi * r)) / r**2 for r in radii]
    # The next terms are of order r^4, r^6, ...: richardson's in r^2.
    limit, error = richardson(values, ratio=4)
    within = Tolerance(error.max(), "largest of the last Richardson corrections")
    within += rounding(600, 1 / radii[-1] ** 3, of="a point over r^3")
    circles = measured("circles", limit, within=within, case=str(case), axes=("plane",))
    return circles.equals(case.curvature(w, X, Y), against=case.against)


def _circumference(manifold: Manifold, w: Tensor, X: Tensor, Y: Tensor, r: float, points: int = 32) -> Array:
    """Length of the closed curve, its velocity from the Fourier series through the points."""
    angle = 2 * torch.pi * torch.arange(points, dtype=w.dtype, device=w.device).reshape(-1, 1, 1, 1) / points
    curve = manifold.exponential(w.expand(points, *w.shape), r * (angle.cos() * X + angle.sin() * Y))
    frequency = torch.fft.fftfreq(points, 1 / points, dtype=w.dtype, device=w.device).reshape(-1, 1, 1, 1)
    velocity = torch.fft.ifft(1j * frequency * torch.fft.fft(curve, dim=0), dim=0).real
    return 2 * np.pi * velocity.square().sum((-2, -1)).sqrt().mean(0).cpu().numpy()


def _closed_geodesics(study: Study) -> Iterator[Check]:
    """Two geodesics meet at the injectivity radius, forth and back along a shortest closed one, and not before it."""
    ends, shorter = [], []
    for manifold, A, B in (("sphere", 4, 2), ("oblique", 4, 2), ("Stiefel", 4, 2), ("Stiefel", 4, 4)):
        w, v = tensor(study, np.eye(A, B)), tensor(study, np.zeros((A, B)))
        v[2, 0] = 1.0
        if A == B:
            v[0, 2] = -1.0
        w, v = SPACES[manifold].project(w), unit(v)
        forth_and_back = tensor(study, np.array([1.0, -1.0])).reshape(2, 1, 1)
        for share, found in ((1.0, ends), (0.9, shorter)):
            way = share * curvature.injectivity_radius(manifold, A, B) * forth_and_back * v
            ahead, behind = SPACES[manifold].exponential(w.expand(2, A, B), way)
            found.append((ahead - behind).norm().item())
    within = rounding(100, 4, of="a point and its way")
    yield measured("geodesics meet at the injectivity radius", ends, within=within, axes=("manifold",)).equals(
        0, against=min(shorter)
    )
    early = measured("geodesics meet", shorter, within=within, axes=("manifold",))
    yield early.control("injectivity radius 10 % smaller").equals(0)


def _logarithms(study: Study) -> Iterator[Check]:
    """Within the injectivity radius, on products of spheres, the logarithm undoes the exponential map."""
    for manifold, A, B in ((Sphere(), 4, 2), (Oblique(), 4, 2)):
        name = type(manifold).__name__.lower()
        w, X, _ = Case(name, A, B, curvature.oblique).planes(study, "logarithm", 100)
        v = 0.99 * curvature.injectivity_radius(name, A, B) * unit(X)
        back = manifold.logarithm(w, manifold.exponential(w, v)).cpu().numpy()
        # Near the antipode the way back magnifies rounding by 1 / (0.01 pi).
        within = rounding(1e5, of="a velocity below 4, magnified near the antipode")
        yield measured("logarithm", back, within=within, case=name, axes=("draw",)).equals(v.cpu().numpy())


def sectional(manifold: Manifold, w: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Gauss' equation, whose second fundamental form II(X, Y) is how the projection of Y changes along X."""
    left, right = torch.stack([X, Y, X]), torch.stack([X, Y, Y])
    points = w.expand_as(left).clone()
    along_X, along_Y, between = jvp(lambda w: manifold.tangent(w, right), (points,), (left,))[1]
    gram = _inner(X, X) * _inner(Y, Y) - _inner(X, Y) ** 2
    return (_inner(along_X, along_Y) - _inner(between, between)) / gram


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((-2, -1))


def _frame(X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """Two orthonormal vectors of the same plane."""
    X = unit(X)
    return X, unit(Y - X * (X * Y).sum((-2, -1), keepdim=True))
