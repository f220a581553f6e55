"""Curvature measured three ways: from how the tangent space turns, as an extreme over planes, and by small circles."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import jvp

from experiments.manifolds.norms import SPACES
from experiments.methods.manifolds.spaces import Manifold, Oblique, Sphere
from experiments.training.loop import train
from experiments.training.updates import State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
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


@claim(
    "ozay2019.curvature",
    source="Ozay 2019 (sectional curvature of weight manifolds); oblique: derived; Stiefel: Zimmermann & Stoye 2024",
    statement=r"K = 1 \text{ (sphere)},\quad 0 \le K \le 1 \text{ (oblique)},\quad"
    r" -\tfrac{1}{2} \le K \le 1 \text{ (Stiefel)},\quad 0 \le K \le \tfrac{1}{4} \text{ (rotations)};"
    r"\quad \mathrm{inj} = \pi,\ \pi, \pi, \pi \sqrt{2}",
    hypotheses=("the metric of the embedding", "ranges attained: oblique A > 2, B > 1; Stiefel A > B + 1, B > 1"),
    controls=(
        "oblique: curvature 1 in every plane",
        "Stiefel: no plane of negative curvature",
        f"Stiefel: {CANONICAL}",
        "injectivity radius 10 % smaller",
    ),
)
def curvature_is_known_on_every_manifold(study: Study) -> Iterator[Check | Curves]:
    for case in CASES:
        yield from _formula(study, case)
        yield from _extremes(study, case)
        yield from _circles(study, case)
    yield from _closed_geodesics(study)


def _formula(study: Study, case: Case) -> Iterator[Check | Curves]:
    """In random planes, whose curvatures figure as a histogram."""
    w, X, Y = _planes(study, case, "formula", study.pick(smoke=200, quick=2000, paper=20_000))
    measured = sectional(SPACES[case.manifold], w, X, Y).cpu().numpy()
    X, Y = (_at_identity(case, w, each) for each in (X, Y))
    thinness = (X**2).sum((-2, -1)) * (Y**2).sum((-2, -1)) / curvature.gram(X, Y)
    tolerance = 100 * case.A * case.B * EPS * thinness
    because = "a hundred roundings an entry of what the plane's area is made of"
    yield equal(f"{case}: Gauss' equation", measured, case.formula(X, Y), tolerance=tolerance, because=because)
    yield curves(**{f"curvatures {case}": measured})
    if str(case) == "oblique 4 x 3":
        one = equal("curvature", measured, 1, tolerance=tolerance, because=because)
        yield refuted("oblique: curvature 1 in every plane", one)


def _extremes(study: Study, case: Case) -> Iterator[Check]:
    """Descent and ascent over planes at one point: isometries take any point of a manifold to any other."""
    found, gained = _search(study, case)
    ends = curvature.curvature_range(case.manifold, case.A, case.B)
    because = "as much as the last half of the run gained, and a thousand roundings"
    yield equal(f"{case}: range of curvature", found, ends, tolerance=gained + 1e3 * EPS, because=because)
    if str(case) == "Stiefel 4 x 2":
        for name, i, wrong in (("no plane of negative curvature", 0, 0.0), (CANONICAL, 1, 1.25)):
            other = equal("end of the range", found[i], wrong, tolerance=gained[i] + 1e3 * EPS, because=because)
            yield refuted(f"Stiefel: {name}", other)


def _search(study: Study, case: Case) -> tuple[Array, Array]:
    """Least and greatest curvature found, half of the runs each, and what the last half of the steps gained."""
    runs, steps = 24, study.pick(smoke=80, quick=150, paper=1000)
    manifold = SPACES[case.manifold]
    w, X, Y = _planes(study, case, "search", runs)
    at = w[:1].expand_as(w).clone()
    sign = torch.tensor([1.0, -1.0], dtype=w.dtype, device=w.device).repeat_interleave(runs // 2)

    def loss(state: State) -> Tensor:
        return sign * sectional(manifold, at, *_frame(*(manifold.tangent(at, state[each]) for each in "XY")))

    schedule = {"learning_rate": 0.5, "steps": steps, "record": [steps // 2, steps]}
    half, end = train(loss, {"X": X, "Y": Y}, **schedule, **study.training(str(case)))["loss"].reshape(2, 2, -1).min(-1)
    return np.array([end[0], -end[1]]), np.abs(half - end)


def _circles(study: Study, case: Case) -> Iterator[Check]:
    """A geodesic circle of radius r is 2 pi r (1 - K r^2 / 6 + O(r^4)) long."""
    w, X, Y = _planes(study, case, "circles", study.pick(smoke=20, quick=100, paper=1000))
    X, Y = _frame(X, Y)
    radii = (0.4, 0.2, 0.1, 0.05)
    values = [6 * (1 - _circumference(SPACES[case.manifold], w, X, Y, r) / (2 * np.pi * r)) / r**2 for r in radii]
    # The next terms are of order r^4, r^6, ...: richardson's in r^2.
    limit, error = richardson(values, ratio=4)
    exact = case.formula(*(_at_identity(case, w, each) for each in (X, Y)))
    tolerance = error.max() + 6 * 100 * EPS / radii[-1] ** 3
    because = "largest of the last Richardson corrections, and a hundred roundings of a point over r^3"
    yield equal(f"{case}: circles", limit, exact, tolerance=tolerance, because=because)


def _circumference(manifold: Manifold, w: Tensor, X: Tensor, Y: Tensor, r: float, points: int = 32) -> Array:
    """Length of the closed curve, its velocity from the Fourier series through the points."""
    angle = 2 * torch.pi * torch.arange(points, dtype=w.dtype, device=w.device).reshape(-1, 1, 1, 1) / points
    curve = manifold.exponential(w.expand(points, *w.shape), r * (angle.cos() * X + angle.sin() * Y))
    frequency = torch.fft.fftfreq(points, 1 / points, dtype=w.dtype, device=w.device).reshape(-1, 1, 1, 1)
    velocity = torch.fft.ifft(1j * frequency * torch.fft.fft(curve, dim=0), dim=0).real
    return 2 * np.pi * velocity.square().sum((-2, -1)).sqrt().mean(0).cpu().numpy()


def _closed_geodesics(study: Study) -> Iterator[Check]:
    """At the injectivity radius two geodesics meet: forth and back along a shortest closed one. Before it, on products
    of spheres, the logarithm undoes the exponential map."""
    ends, shorter, because = [], [], "a hundred roundings"
    for manifold, A, B in (("sphere", 4, 2), ("oblique", 4, 2), ("Stiefel", 4, 2), ("Stiefel", 4, 4)):
        w = torch.eye(A, B, dtype=torch.float64, device=study.device)
        v = torch.zeros_like(w)
        v[2, 0] = 1.0
        if A == B:
            v[0, 2] = -1.0
        w, v = SPACES[manifold].project(w), _unit(v)
        forth_and_back = torch.tensor([1.0, -1.0], dtype=w.dtype, device=w.device).reshape(2, 1, 1)
        for share, found in ((1.0, ends), (0.9, shorter)):
            way = share * curvature.injectivity_radius(manifold, A, B) * forth_and_back * v
            ahead, behind = SPACES[manifold].exponential(w.expand(2, A, B), way)
            found.append((ahead - behind).norm().item())
    yield equal("geodesics meet at the injectivity radius", ends, 0, tolerance=100 * EPS * 4, because=because)
    early = equal("geodesics meet", shorter, 0, tolerance=100 * EPS * 4, because=because)
    yield refuted("injectivity radius 10 % smaller", early)
    for manifold, A, B in ((Sphere(), 4, 2), (Oblique(), 4, 2)):
        name = type(manifold).__name__.lower()
        w, X, _ = _planes(study, Case(name, A, B, curvature.oblique), "logarithm", 100)
        v = 0.99 * curvature.injectivity_radius(name, A, B) * _unit(X)
        back = manifold.logarithm(w, manifold.exponential(w, v))
        # Near the antipode the way back magnifies rounding by 1 / (0.01 pi).
        yield equal(f"{name}: logarithm", back.cpu().numpy(), v.cpu().numpy(), tolerance=1e5 * EPS, because=because)


def sectional(manifold: Manifold, w: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Gauss' equation, whose second fundamental form II(X, Y) is how the projection of Y changes along X."""

    left, right = torch.stack([X, Y, X]), torch.stack([X, Y, Y])
    points = w.expand_as(left).clone()
    along_X, along_Y, between = jvp(lambda w: manifold.tangent(w, right), (points,), (left,))[1]

    def inner(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((-2, -1))

    gram = inner(X, X) * inner(Y, Y) - inner(X, Y) ** 2
    return (inner(along_X, along_Y) - inner(between, between)) / gram


def _planes(study: Study, case: Case, name: str, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points, and two tangent vectors at each."""
    normal = study.rng(case, name).standard_normal((3, count, case.A, case.B))
    w, X, Y = torch.tensor(normal, device=study.device)
    w = SPACES[case.manifold].project(w)
    return w, SPACES[case.manifold].tangent(w, X), SPACES[case.manifold].tangent(w, Y)


def _at_identity(case: Case, w: Tensor, X: Tensor) -> Array:
    """Rotations are left-invariant, and their formula is one at I."""
    return (w.mT @ X if case.formula is curvature.rotations else X).cpu().numpy()


def _frame(X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """Two orthonormal vectors of the same plane."""
    X = _unit(X)
    return X, _unit(Y - X * (X * Y).sum((-2, -1), keepdim=True))


def _unit(X: Tensor) -> Tensor:
    return X / X.square().sum((-2, -1), keepdim=True).sqrt()
