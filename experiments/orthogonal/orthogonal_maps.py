"""How orthogonal each map makes R, in which component of O(d), and what it cannot reach."""

from collections.abc import Iterator

import numpy as np
import scipy.linalg
import torch

from experiments.methods.orthogonal.parametrisations import GramSchmidt, Loewdin
from experiments.orthogonal import published_maps
from experiments.orthogonal.maps import EXACT, Map, exact_map, of_condition, random_map
from theory.claims import Check, Curves, Study, Tolerance, claim, exactly, measured, rounding
from theory.core.arrays import EPS, Array
from theory.orthogonal import maps

CONDITIONS = (1e2, 1e4, 1e6)
FACTORISATIONS: dict[str, tuple[Map, int]] = {  # with the power of the condition that its orthogonality loses
    "classical Gram-Schmidt, published": (published_maps.classical_gram_schmidt, 2),
    "modified Gram-Schmidt": (published_maps.modified_gram_schmidt, 1),
    "Householder, published": (published_maps.householder_reflections, 0),
    "Gram-Schmidt": (GramSchmidt(), 0),
    "Loewdin": (Loewdin(), 0),
}


@claim(
    "liu2021.orthogonal_maps",
    source="Liu et al. 2021, unrolled orthogonalisation, orthogonal parameterisation; Bjorck 1967, Giraud et al. 2005",
    statement=r"\|R R^\top - I\| \le c\,\kappa(P)^q \epsilon;"
    r"\quad \det R = \mathrm{sign}\det P,\ (-1)^{d-1}\ \text{or}\ +1",
    hypotheses=("P invertible",),
    theory_side="bound",
    controls=(
        "classical Gram-Schmidt loses only cond(P)",
        "modified Gram-Schmidt loses nothing",
        "Householder has the sign of det P",
        "Householder is Gram-Schmidt, last sign included",
        "Gram-Schmidt gives the nearest orthogonal matrix",
        "torch's Cayley at twice its distance",
    ),
)
def maps_are_orthogonal_where_they_are_defined(study: Study) -> Iterator[Check | Curves]:
    yield from _orthogonality(study)
    yield from _components(study)
    yield from _equivalences(study)
    yield from _out_of_reach(study)


def _orthogonality(study: Study) -> Iterator[Check]:
    d, runs = 16, study.pick(smoke=8, quick=64, paper=256)
    within = exactly("d^2 roundings, each lost to the bound's power of the condition")
    for condition in CONDITIONS:
        P = torch.from_numpy(of_condition(study.rng("condition", condition), runs, d, condition)).to(study.device)
        lost = {name: maps.defect(map(P).cpu().numpy()) for name, (map, _) in FACTORISATIONS.items()}
        for name, (_, power) in FACTORISATIONS.items():
            case, bound = f"{name}, condition {condition:g}", d**2 * EPS * condition**power
            yield measured("|R R^T - I|", lost[name], within=within, case=case, axes=("run",)).at_most(bound)
    # Bounds of one power less, at the worst condition.
    for name, power, control in (
        ("classical Gram-Schmidt, published", 1, "classical Gram-Schmidt loses only cond(P)"),
        ("modified Gram-Schmidt", 0, "modified Gram-Schmidt loses nothing"),
    ):
        defect = measured("|R R^T - I|", lost[name].max(), within=within, case=name)
        yield defect.control(control).at_most(d**2 * EPS * condition**power)
    rng = study.rng("torch's own")
    within = exactly("d^2 roundings of entries no larger than 1; times d for the exponential, which squares |A| times")
    for name in EXACT:
        defect = maps.defect(random_map(rng, name, runs, d, P).detach().cpu().numpy())
        bound = d**2 * EPS * (d if name == "matrix_exp" else 1)
        yield measured("|R R^T - I|", defect, within=within, case=f"{name}, normal P").at_most(bound)


def _components(study: Study) -> Iterator[Check]:
    runs = study.pick(smoke=40, quick=200, paper=1000)
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


def _equivalences(study: Study) -> Iterator[Check]:
    d, runs, condition = 6, study.pick(smoke=20, quick=100, paper=500), 20.0
    P = of_condition(study.rng("equivalence"), runs, d, condition)
    tensor = torch.from_numpy(P).to(study.device)
    within = rounding(d**2, condition**2, of="R, amplified by the square of the condition, 20")
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
    further = exactly("no orthogonal matrix is nearer")
    for name, other in (("Gram-Schmidt", rows), ("Householder", reflected)):
        yield measured("|P - R|", distance(other), within=further, case=name).at_least(nearest)
    wrong = measured("|P - R|", distance(rows), within=within, case="Gram-Schmidt")
    yield wrong.control("Gram-Schmidt gives the nearest orthogonal matrix").equals(nearest)


def _out_of_reach(study: Study) -> Iterator[Check]:
    """Cayley's R keeps a known distance from every matrix with an eigenvalue -1."""
    d, runs = 6, study.pick(smoke=20, quick=100, paper=500)
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
