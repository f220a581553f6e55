"""The matrix Riccati equation of whitened data, solved, against training refined by halves."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from experiments.imbalance.networks import trained_coordinates
from experiments.imbalance.solved import Refinement, not_whitened, refined, whitened
from experiments.training import extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, curves, varies
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import reject
from theory.imbalance import closed_forms
from theory.imbalance.problem import Network, coordinates, gaussian

SHAPES = ((5, 3, 3), (5, 3, 4), (3, 5, 4), (4, 3, 9), (2, 3, 2))  # (r, m, h), one after the other


@dataclass(frozen=True)
class Eigenspaces(Refinement):
    """Starts in one eigenspace each, and their training."""

    eigenvalues: tuple[float, ...] = varies(
        "of the imbalance, a start each", (0.0, 0.7, -0.6, 0.5, 1.1), smoke=(0.0, 0.7, -0.6, 0.5), low=-20, high=20
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.eigenvalues) > 10 or not any(abs(lam) >= 0.1 for lam in self.eigenvalues):
            reject("eigenvalues", self.eigenvalues, "at most ten, one of them of size 0.1 at least")


@claim(
    "imbalance.riccati_solution",
    source="Fukumizu 1998 for balanced starts; every start whose rows lie in one eigenspace of the imbalance: ours",
    source_kind=OURS,
    statement=r"Z_0 \Lambda = \lambda Z_0 \;\Rightarrow\; Z Z^\top(t) = e^{F t} Z_0 \Big(I + Z_0^\top \int_0^t"
    r" e^{2 F s} ds\, Z_0\Big)^{-1} Z_0^\top e^{F t},\quad F = \begin{pmatrix} -\lambda/2 & \tilde y^\top \\"
    r" \tilde y & \lambda/2 \end{pmatrix}",
    hypotheses=(
        "gradient flow of Z = [V; U1] from Z_0",
        "whitened data, X = W Phi1^T; y~ = W^T Y",
        "rows of Z_0 in one eigenspace of the imbalance Lambda = U1^T U1 - V^T V",
    ),
    theory_side="closed form",
    controls=(
        "eigenvalue 5 % larger",
        "targets 5 % larger",
        "several eigenvalues, 0 in their place",
        "several eigenvalues, their mean in their place",
        "balanced start, data that are not whitened",
    ),
    parameters=Eigenspaces,
)
def one_eigenspace_is_solved(study: Study, sizes: Eigenspaces) -> Iterator[Check | Curves]:
    starts = list(zip(sizes.eigenvalues, cycle(SHAPES)))
    for number, (lam, shape) in enumerate(starts):
        yield from _one_eigenspace(study, sizes, shape, lam, number)
    yield from _wrong_constants(study, sizes, *next((shape, lam) for lam, shape in starts if abs(lam) >= 0.1))
    yield from _other_eigenspaces(study, sizes)


def _one_eigenspace(
    study: Study, sizes: Eigenspaces, shape: tuple[int, int, int], lam: float, number: int
) -> Iterator[Check]:
    problem, network = _start(study, shape, lam)
    t, grams = _trained_grams(study, problem, network, sizes)

    def solved(rate: float) -> Array:
        return closed_forms.riccati_solution(problem, network, rate * t)[:, None]

    r, m, h = shape
    again = "" if number < len(SHAPES) else ", again"
    yield from tends_to("Z Z^T", grams, solved, case=f"r={r}, m={m}, h={h}, eigenvalue {lam:g}{again}")


def _wrong_constants(
    study: Study, sizes: Eigenspaces, shape: tuple[int, int, int], lam: float
) -> Iterator[Check | Curves]:
    problem, network = _start(study, shape, lam)
    t, grams = _trained_grams(study, problem, network, sizes)
    gram, Z = extrapolated("Z Z^T", grams), coordinates(problem, network)[0]
    larger = closed_forms.riccati_gram(problem.targets, 1.05 * lam, Z, t)
    yield gram.control("eigenvalue 5 % larger").equals(larger[:, None])
    larger = closed_forms.riccati_gram(1.05 * problem.targets, lam, Z, t)
    yield gram.control("targets 5 % larger").equals(larger[:, None])
    solved = closed_forms.riccati_solution(problem, network, t)
    yield curves(t=t, trained=gram.value[:, 0], solved=solved)


def _start(study: Study, shape: tuple[int, int, int], lam: float) -> tuple[Regression, Network]:
    r, m, h = shape
    problem = whitened(study, r, m)
    return problem, closed_forms.homogeneous(problem, lam, h, study.rng("eigenspace", r, m, h))


def _other_eigenspaces(study: Study, sizes: Eigenspaces) -> Iterator[Check]:
    rng = study.rng("other")
    problem = whitened(study, 3, 2)
    network = gaussian(problem, 8, rng, scales=(0.5, 0.5))
    t, grams = _trained_grams(study, problem, network, sizes)
    gram, Z = extrapolated("Z Z^T", grams), coordinates(problem, network)[0]
    for words, lam in (("0", 0.0), ("their mean", closed_forms.mean_imbalance(problem, Z))):
        predicted = closed_forms.riccati_gram(problem.targets, lam, Z, t)[:, None]
        yield gram.control(f"several eigenvalues, {words} in their place").equals(predicted)
    problem = not_whitened(rng)
    balanced = closed_forms.homogeneous(problem, 0.0, 3, rng)
    t, grams = _trained_grams(study, problem, balanced, sizes)
    # The linear part of the equation is right with S y~ for y~; its quadratic part is what whitening is needed for.
    linear = problem.S[:, None] * problem.targets
    predicted = closed_forms.riccati_gram(linear, 0.0, coordinates(problem, balanced)[0], t)[:, None]
    yield extrapolated("Z Z^T", grams).control("balanced start, data that are not whitened").equals(predicted)


def _trained_grams(
    study: Study, problem: Regression, network: Network, sizes: Eigenspaces
) -> tuple[Array, list[Array]]:
    """Times, and Z Z^T (T, runs, m + r, m + r) at each learning rate, coarse to fine."""
    runs = refined(study, problem, network, sizes)
    states = (trained_coordinates(problem, run) for run in runs)
    return runs[0].t, [Z @ Z.mT for Z in states]
