"""How orthogonal each map makes R, in which component of O(d), and what it cannot reach."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from experiments.methods.orthogonal.parametrisations import GramSchmidt, Loewdin
from experiments.orthogonal import published_maps
from experiments.orthogonal.maps import EXACT, Map, exact_map, of_condition, random_map
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    exactly,
    measured,
    rounding,
    slope,
    varies,
)
from theory.claims.estimates import loglog_slope
from theory.core.arrays import EPS, Array
from theory.orthogonal import maps

CONDITIONS = np.geomspace(1e2, 1e6, 5)
FACTORISATIONS: dict[str, tuple[Map, int]] = {  # with the power of the condition that its orthogonality loses
    "classical Gram-Schmidt, published": (published_maps.classical_gram_schmidt, 2),
    "modified Gram-Schmidt": (published_maps.modified_gram_schmidt, 1),
    "Householder, published": (published_maps.householder_reflections, 0),
    "Gram-Schmidt": (GramSchmidt(), 0),
    "Loewdin": (Loewdin(), 0),
}


@dataclass(frozen=True)
class Sizes:
    """Of the matrices that the maps make orthogonal."""

    inputs: int = varies("d of those of large condition", 16, low=4, high=32)
    runs: int = varies("of each condition, and normal ones for each map", 400, smoke=64, paper=1000, low=20, high=2000)
    signs: int = varies("of which the determinant is looked at", 200, smoke=40, paper=1000, low=10, high=5000)
    draws: int = varies("for which maps are compared", 100, smoke=20, paper=500, low=5, high=2000)
    condition: float = varies("of these", 20.0, low=1.5, high=1000)


@claim(
    "liu2021.orthogonal_maps",
    source="Liu et al. 2021, unrolled orthogonalisation, orthogonal parameterisation; Bjorck 1967, Giraud et al. 2005",
    source_kind=RECONSTRUCTED,
    statement=r"\|R R^\top - I\| \sim \kappa(P)^q \epsilon,\ q = 2, 1\ \text{or}\ 0;"
    r"\quad \det R = \mathrm{sign}\det P,\ (-1)^{d-1}\ \text{or}\ +1;"
    r"\quad |P - R|_F \text{ least for Loewdin};"
    r"\quad \sigma_{\min}(I + R) = 2 / \sqrt{1 + |A|^2} \text{ for Cayley}",
    hypotheses=(
        "P (d, d) invertible, of condition kappa, rounded to epsilon; R made of it by a map, Cayley's of A skew",
        "q: classical Gram-Schmidt 2, modified 1, reflections and Loewdin 0, where two singular values are small",
    ),
    theory_side="bound",
    controls=(
        "classical Gram-Schmidt loses only cond(P)",
        "modified Gram-Schmidt loses nothing",
        "Householder has the sign of det P",
        "Householder is Gram-Schmidt, last sign included",
        "Gram-Schmidt gives the nearest orthogonal matrix",
        "torch's Cayley at twice its distance",
    ),
    parameters=Sizes,
)
def maps_are_orthogonal_where_they_are_defined(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _orthogonality(study, sizes.inputs, sizes.runs)
    yield from _components(study, sizes.signs)
    yield from _equivalences(study, sizes.draws, sizes.condition)
    yield from _out_of_reach(study, sizes.draws)


def _orthogonality(study: Study, d: int, runs: int) -> Iterator[Check]:
    rng = study.rng("condition")
    U, V = (np.linalg.qr(rng.standard_normal((runs, d, d)))[0] for _ in range(2))
    small = np.where(np.arange(d) < d - 2, 1.0, 1 / CONDITIONS[:, None, None])  # one is enough for the power 1 only
    P = torch.from_numpy(U * small[:, None] @ V).to(study.device)
    slopes = {}
    for name, (map, power) in FACTORISATIONS.items():
        defect = maps.defect(map(P).cpu().numpy())
        slopes[name] = slope("power of the condition", loglog_slope(CONDITIONS, defect), case=name)
        yield slopes[name].equals(power, against=float(max(power, 1)))
        bound = d**2 * EPS * CONDITIONS[:, None] ** power
        within = exactly("d^2 roundings, each lost to that power: an empirical constant")
        loss = measured("|R R^T - I|", defect, within=within, case=name, axes=("condition", "run"))
        yield loss.supporting().at_most(bound)
    classical, modified = (slopes[name] for name in list(FACTORISATIONS)[:2])
    yield classical.control("classical Gram-Schmidt loses only cond(P)").equals(1)
    yield modified.control("modified Gram-Schmidt loses nothing").equals(0)
    within = exactly("d^2 roundings of entries no larger than 1")
    for name in EXACT:
        defect = maps.defect(random_map(rng, name, runs, d, P).detach().cpu().numpy())
        loss = measured("|R R^T - I|", defect, within=within, case=f"{name}, normal P", axes=("run",))
        yield loss.supporting().at_most(d**2 * EPS)


def _components(study: Study, runs: int) -> Iterator[Check]:
    # A determinant of an orthogonal matrix is -1 or 1.
    within = Tolerance(1e-6, "the two values are 2 apart; the worst draw's rounding is far below")
    for d in (5, 6):
        P = torch.from_numpy(study.rng("component", d).standard_normal((runs, d, d))).to(study.device)
        sign, always = torch.linalg.det(P).sign().cpu().numpy(), np.ones(runs)
        expected: dict[str, tuple[Map, Array]] = {
            "Gram-Schmidt": (GramSchmidt(), sign),
            "Loewdin": (Loewdin(), sign),
            "Householder, published": (published_maps.householder_reflections, (-1.0) ** (d - 1) * always),
            "Cayley, published": (published_maps.cayley, always),
            "Cayley, torch": (exact_map("cayley", d, P), always),
            "matrix exponential, torch": (exact_map("matrix_exp", d, P), always),
        }
        found = {}
        for name, (map, determinant) in expected.items():
            value = torch.linalg.det(map(P)).detach().cpu().numpy()
            found[name] = measured("det R", value, within=within, case=f"{name}, d = {d}", axes=("run",))
            yield found[name].equals(determinant)
    yield found["Householder, published"].control("Householder has the sign of det P").equals(sign)


def _equivalences(study: Study, runs: int, condition: float) -> Iterator[Check]:
    d = 6
    P = of_condition(study.rng("equivalence"), runs, d, condition)
    tensor = torch.from_numpy(P).to(study.device)
    within = rounding(d**2, condition**2, of="R, amplified by the square of the condition")
    published = published_maps.classical_gram_schmidt, published_maps.householder_reflections
    rows, reflected, by_qr, R = (map(tensor).cpu().numpy() for map in (*published, GramSchmidt(), Loewdin()))
    yield measured("rows: published and by QR", rows, within=within).equals(maps.gram_schmidt(P))
    yield measured("Gram-Schmidt: torch and published", by_qr, within=within).equals(rows)
    by_columns = measured("Householder: published and by QR", reflected, within=within)
    yield by_columns.equals(maps.householder(P))
    last = by_columns.control("Householder is Gram-Schmidt, last sign included")
    yield last.equals(maps.gram_schmidt(P.mT).mT)
    reference = np.stack([scipy.linalg.polar(each)[0] for each in P])
    yield measured("Loewdin: torch and scipy's polar factor", R, within=within).equals(reference)
    nearest, distance = maps.distance_to_orthogonal(P), lambda R: np.linalg.norm(P - R, axis=(-2, -1))
    yield measured("|P - R|", distance(R), within=within, case="Loewdin").equals(nearest)
    yield from _no_other_is_nearer(study, tensor)
    wrong = measured("|P - R|", distance(rows), within=within, case="Gram-Schmidt")
    yield wrong.control("Gram-Schmidt gives the nearest orthogonal matrix").equals(nearest)


def _no_other_is_nearer(study: Study, P: torch.Tensor) -> Iterator[Check]:
    """Any P (runs, d, d); one whose rows (columns) are nearly orthogonal, where the other maps are about as good."""
    d, rng = P.shape[-1], study.rng("nearly")
    Q = torch.from_numpy(np.linalg.qr(rng.standard_normal((d, d)))[0]).to(P)
    Q[:, 0] *= -torch.linalg.det(Q)  # Householder's maps of six columns have the determinant -1
    lengths = torch.linspace(0.5, 1.5, d).to(P)
    noise = 1e-3 * torch.from_numpy(rng.standard_normal((d, d))).to(P)
    for name, map, near in (
        ("Gram-Schmidt", GramSchmidt(), lengths[:, None] * Q),
        ("Householder", published_maps.householder_reflections, Q * lengths),
    ):
        points = torch.cat([P, (near + noise)[None]])
        distance = torch.linalg.matrix_norm(points - map(points)).cpu().numpy()
        within = exactly("no orthogonal matrix is nearer")
        further = measured("|P - R|", distance, within=within, case=name, axes=("run",))
        yield further.at_least(maps.distance_to_orthogonal(points.cpu().numpy()))


def _out_of_reach(study: Study, runs: int) -> Iterator[Check]:
    """Cayley's R keeps a known distance from every matrix with an eigenvalue -1."""
    d = 6
    P = torch.from_numpy(study.rng("reach").standard_normal((runs, d, d))).to(study.device)
    within = rounding(2 * d**2, of="a matrix whose entries are at most 2")
    for name, map, A in (
        ("published", published_maps.cayley, P.triu() - P.triu().mT),
        ("torch's", exact_map("cayley", d, P), (P.tril() - P.tril().mT) / 2),
    ):
        least = torch.linalg.svdvals(torch.eye(d).to(P) + map(P).detach())[:, -1].cpu().numpy()
        apart = measured("|I + R| at least", least, within=within, case=f"{name} Cayley", axes=("run",))
        yield apart.equals(maps.nearest_to_reflection(A.cpu().numpy()))
    doubled = maps.nearest_to_reflection(2 * A.cpu().numpy())
    yield apart.control("torch's Cayley at twice its distance").equals(doubled)
