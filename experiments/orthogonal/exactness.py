"""How orthogonal each map makes R, in which component of O(d), and what it cannot reach."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from experiments.methods.orthogonal import published
from experiments.methods.orthogonal.parametrisations import GramSchmidt, Loewdin, Rotation
from experiments.orthogonal.invariance import EXACT, random_parameter
from theory.claims import Check, Curves, claim
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import maps

CONDITIONS = (1e2, 1e4, 1e6)
Map = Callable[[Tensor], Tensor]
FACTORISATIONS: dict[str, tuple[Map, int]] = {  # with the power of the condition that its orthogonality loses
    "classical Gram-Schmidt, published": (published.classical_gram_schmidt, 2),
    "modified Gram-Schmidt": (published.modified_gram_schmidt, 1),
    "Householder, published": (published.householder_reflections, 0),
    "Gram-Schmidt": (GramSchmidt(), 0),
    "Loewdin": (Loewdin(), 0),
}


@claim(
    "liu2021.orthogonal_maps",
    source="Liu et al. 2021, unrolled orthogonalisation, orthogonal parameterisation; Bjorck 1967, Giraud et al. 2005",
    statement=r"\|R R^\top - I\| \le c\,\kappa(P)^q \epsilon;"
    r"\quad \det R = \mathrm{sign}\det P,\ (-1)^{d-1}\ \text{or}\ +1",
    hypotheses=("P invertible",),
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


def of_condition(rng: np.random.Generator, runs: int, d: int, condition: float) -> Array:
    """Matrices (runs, d, d) whose singular values fall geometrically from 1 to 1 / condition."""
    U, V = (np.linalg.qr(rng.standard_normal((runs, d, d)))[0] for _ in range(2))
    return U * np.geomspace(1, 1 / condition, d) @ V


def _orthogonality(study: Study) -> Iterator[Check | Curves]:
    d, runs = 16, study.pick(smoke=8, quick=64, paper=256)
    defects = {name: [] for name in FACTORISATIONS}
    for condition in CONDITIONS:
        P = torch.from_numpy(of_condition(study.rng("condition", condition), runs, d, condition)).to(study.device)
        for name, (map, power) in FACTORISATIONS.items():
            lost = maps.defect(map(P).cpu().numpy())
            defects[name].append(lost.max())
            because = "d^2 roundings, each lost to the bound's power of the condition"
            bound = d**2 * EPS * condition**power
            yield at_most(f"{name}, condition {condition:g}", lost, bound, because=because)
    because = "a bound that is one power of the condition lower"
    bound = d**2 * EPS * CONDITIONS[-1]
    lost = defects["classical Gram-Schmidt, published"][-1]
    yield refuted("classical Gram-Schmidt loses only cond(P)", at_most("as modified", lost, bound, because=because))
    lost = defects["modified Gram-Schmidt"][-1]
    exact = at_most("as reflections", lost, d**2 * EPS, because=because)
    yield refuted("modified Gram-Schmidt loses nothing", exact)
    rng = study.rng("torch's own")
    for name in EXACT:
        P = random_parameter(rng, name, runs, d, P)
        lost = maps.defect(Rotation(d, name, dtype=P.dtype, device=P.device).map(P).detach().cpu().numpy())
        because = "d^2 roundings of entries no larger than 1; the exponential's squarings, about |A|, at most d, times"
        yield at_most(f"{name}, normal P", lost, d**2 * EPS * (d if name == "matrix_exp" else 1), because=because)


def _components(study: Study) -> Iterator[Check]:
    runs = study.pick(smoke=40, quick=200, paper=1000)
    for d in (5, 6):
        P = torch.from_numpy(study.rng("component", d).standard_normal((runs, d, d))).to(study.device)
        sign = torch.linalg.det(P).sign().cpu().numpy()
        always = torch.ones(runs).numpy()
        reflected = (-1.0) ** (d - 1) * always
        expected = {
            "Gram-Schmidt": (GramSchmidt(), sign),
            "Loewdin": (Loewdin(), sign),
            "Householder, published": (published.householder_reflections, reflected),
            "Cayley, published": (published.cayley, always),
            "Cayley, torch": (Rotation(d, "cayley", dtype=P.dtype, device=P.device).map, always),
            "matrix exponential, torch": (Rotation(d, "matrix_exp", dtype=P.dtype, device=P.device).map, always),
        }
        tolerance = 1e-6  # a determinant of an orthogonal matrix is -1 or 1
        because = "the two values are 2 apart; the worst draw's rounding is far below"
        for name, (map, determinant) in expected.items():
            measured = torch.linalg.det(map(P)).detach().cpu().numpy()
            yield equal(f"det of {name}, d = {d}", measured, determinant, tolerance=tolerance, because=because)
    measured = torch.linalg.det(published.householder_reflections(P)).cpu().numpy()
    wrong = equal("det of Householder", measured, sign, tolerance=tolerance, because=because)
    yield refuted("Householder has the sign of det P", wrong)


def _equivalences(study: Study) -> Iterator[Check]:
    d, runs, condition = 6, study.pick(smoke=20, quick=100, paper=500), 20.0
    P = of_condition(study.rng("equivalence"), runs, d, condition)
    tensor = torch.from_numpy(P).to(study.device)
    tolerance = d**2 * condition**2 * EPS
    because = "d^2 roundings, amplified by the square of the condition, 20"
    rows = published.classical_gram_schmidt(tensor).cpu().numpy()
    yield equal("rows: published and by QR", rows, maps.gram_schmidt(P), tolerance=tolerance, because=because)
    measured = GramSchmidt()(tensor).cpu().numpy()
    yield equal("Gram-Schmidt: torch and published", measured, rows, tolerance=tolerance, because=because)
    reflected = published.householder_reflections(tensor).cpu().numpy()
    factor = maps.householder(P)
    yield equal("Householder: published and by QR", reflected, factor, tolerance=tolerance, because=because)
    columns = maps.gram_schmidt(P.mT).mT
    same = equal("all columns", reflected, columns, tolerance=tolerance, because=because)
    yield refuted("Householder is Gram-Schmidt, last sign included", same)
    nearest = maps.distance_to_orthogonal(P)
    R = Loewdin()(tensor).cpu().numpy()
    reference = np.stack([scipy.linalg.polar(each)[0] for each in P])
    yield equal("Loewdin: torch and scipy's polar factor", R, reference, tolerance=tolerance, because=because)
    distance = np.linalg.norm(P - R, axis=(-2, -1))
    yield equal("|P - R| of Loewdin", distance, nearest, tolerance=tolerance, because=because)
    for name, other in (("Gram-Schmidt", rows), ("Householder", reflected)):
        further = np.linalg.norm(P - other, axis=(-2, -1))
        yield at_least(f"|P - R| of {name}", further, nearest, because="no orthogonal matrix is nearer")
    further = np.linalg.norm(P - rows, axis=(-2, -1))
    wrong = equal("|P - R| of Gram-Schmidt", further, nearest, tolerance=tolerance, because=because)
    yield refuted("Gram-Schmidt gives the nearest orthogonal matrix", wrong)


def _out_of_reach(study: Study) -> Iterator[Check | Curves]:
    """Cayley's R keeps a known distance from every matrix with an eigenvalue -1."""
    d, runs = 6, study.pick(smoke=20, quick=100, paper=500)
    P = torch.from_numpy(study.rng("reach").standard_normal((runs, d, d))).to(study.device)
    identity = torch.eye(d).to(P)
    A = {"published": P.triu() - P.triu().mT, "torch's": (P.tril() - P.tril().mT) / 2}
    R = {"published": published.cayley(P), "torch's": Rotation(d, "cayley", dtype=P.dtype, device=P.device).map(P)}
    because = "d^2 roundings of a matrix whose entries are at most 2"
    for name in A:
        nearest = maps.nearest_to_reflection(A[name].cpu().numpy())
        measured = torch.linalg.svdvals(identity + R[name].detach())[:, -1].cpu().numpy()
        yield equal(f"{name} Cayley: |I + R| at least", measured, nearest, tolerance=2 * d**2 * EPS, because=because)
    doubled = maps.nearest_to_reflection(2 * A["torch's"].cpu().numpy())
    wrong = equal("torch's with A in place of A / 2", measured, doubled, tolerance=2 * d**2 * EPS, because=because)
    yield refuted("torch's Cayley at twice its distance", wrong)
