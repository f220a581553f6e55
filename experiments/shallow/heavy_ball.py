"""Minnorm's steps are a heavy ball on the dual: the identity, the best steps, and where steps become unstable."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from experiments.methods.minnorm.descent import AlternatingMinnormDescent, SimultaneousMinnormDescent
from experiments.shallow.classifiers import minnorm_classifier
from experiments.shallow.examples import adding_to_one
from experiments.shallow.propagators import PERTURBATION, propagators
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, planted
from theory.core.validation import reject
from theory.minnorm.tuning import Tuning
from theory.shallow import heavy_ball
from theory.shallow.heavy_ball import Steps


@dataclass(frozen=True)
class Ball:
    inputs: int = varies("of each example", 6, low=2, high=30)
    shares: tuple[float, ...] = varies(
        "of the duals in their sum, up to a factor", (0.4, 0.3, 0.2, 0.1), low=0.01, high=100
    )
    condition: float = varies("kappa of the Gram matrix, of the nearest of 200", 8.0, low=2, high=60)
    weight_step: float = varies("A, for the identity", 0.3, low=0.01, high=0.45)
    steps: int = varies("in which the identity is looked at", 100, low=4, high=2000)
    runs: int = varies("starts of these", 16, smoke=3, paper=64, low=1, high=200)
    grid: int = varies("steps A searched for the best", 400, smoke=150, paper=1000, low=50, high=1000)

    def __post_init__(self) -> None:
        if not 2 <= len(self.shares) < self.inputs:
            reject("shares", f"{len(self.shares)} of them", f"2 at least, and fewer than the {self.inputs} inputs")


class Rule(NamedTuple):
    """Minnorm's steps in one order, and what theory says of them."""

    name: str
    kind: type[SimultaneousMinnormDescent]
    modes: Callable[..., tuple[Array, Array]]
    best: Callable[..., Steps]


ALTERNATING = Rule("alternating", AlternatingMinnormDescent, heavy_ball.alternating_modes, heavy_ball.best_alternating)
SIMULTANEOUS = Rule(
    "simultaneous", SimultaneousMinnormDescent, heavy_ball.simultaneous_modes, heavy_ball.best_simultaneous
)


@claim(
    "minnorm.shallow_heavy_ball",
    source="ours (Polyak 1964 for the best alternating steps); the method is Bansal et al. 2018 (reconstruction)",
    source_kind=OURS,
    statement=r"w_{t+1} = (1 - A) w_t + A Z^\top \lambda_t,\ \lambda_{t+1} = \lambda_t + B (1 - Z w_{t+1}),\ "
    r"\ G = Z Z^\top:"
    r"\quad \lambda_{t+1} - \lambda_t = A B (1 - G \lambda_t) + (1 - A)(\lambda_t - \lambda_{t-1});\quad"
    r"\rho_{\text{alt}} = \tfrac{\sqrt\kappa - 1}{\sqrt\kappa + 1},\ "
    r"\rho_{\text{sim}} = \tfrac{2 \kappa - 1}{2 \kappa + 1} \text{ the best contractions; stable iff}"
    r"\ B_{\text{alt}} < \tfrac{4 - 2A}{A g_{\max}},\ B_{\text{sim}} < \tfrac{1}{g_{\max}}",
    hypotheses=(
        "no multiplier is held at 0; 0 < A < 2",
        "simultaneous steps (sim): 1 - Z w_t in the second; the identity is of alternating ones (alt)",
        "rows of Z linearly independent, fewer than columns; g_max / g_min = kappa the extreme eigenvalues of G",
    ),
    theory_side="closed form",
    controls=(
        "friction A in place of 1 - A",
        "gradient one step old in the alternating identity",
        "modes with g 10 % larger",
        "2 % beyond the alternating limit",
        "2 % beyond the simultaneous limit",
        "A = 2 / kappa, B = A / (4 g_min) are the best simultaneous steps",
        "alternating contraction without square roots",
    ),
    parameters=Ball,
)
def minnorm_is_a_heavy_ball_on_the_dual(study: Study, sizes: Ball) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    shares = adding_to_one(sizes.shares)
    candidates = Separable(planted(rng, shares, d=sizes.inputs, margin=0.8, runs=200))
    problem = candidates.run(int(np.argmin(np.abs(candidates.condition - sizes.condition))))
    yield from _identities(study, problem, rng, sizes)
    yield from _modes(study, problem)
    yield from _best_steps(study, problem, sizes.grid)
    yield from _limits(study, problem)


def _identities(study: Study, problem: Separable, rng: np.random.Generator, sizes: Ball) -> Iterator[Check]:
    G, (n, d) = problem.Z @ problem.Z.T, problem.Z.shape
    runs, steps = sizes.runs, sizes.steps
    A, B = sizes.weight_step, 0.2 / np.trace(G)
    w = problem.w + 0.1 * rng.standard_normal((runs, d))
    multipliers = problem.duals * rng.uniform(0.9, 1.1, (runs, n))
    paths = {}
    for rule in (ALTERNATING, SIMULTANEOUS):
        trainee = minnorm_classifier(study, problem.Z, Tuning(A, B), w, multipliers, rule.kind)
        run = trainee.train(learning_rate=1.0, steps=steps, record=range(steps + 1))
        paths[rule.name] = run["multipliers"]
    # A step of a multiplier is a product with Z of a vector that is itself one with Z^T: n + d roundings.
    size = 1 + np.abs(G).sum(1).max() * np.abs(paths["alternating"]).max()
    within = rounding(4 * (n + d), size, of="a step: two products with Z")
    before, now, after = (paths["alternating"][k : steps - 1 + k] for k in range(3))
    name, axes = "next difference", ("step", "run", "example")
    difference = measured(name, after - now, within=within, case="alternating", axes=axes)
    yield difference.equals(lambda k: heavy_ball.next_difference(G, before, now, A, k * B))
    stale = A * B * (1 - before @ G) + (1 - A) * (now - before)
    yield difference.control("gradient one step old in the alternating identity").equals(stale)
    slippery = heavy_ball.next_difference(G, before, now, 1 - A, A * B / (1 - A))
    yield difference.control("friction A in place of 1 - A").equals(slippery)
    before, now, after = (paths["simultaneous"][k : steps - 1 + k] for k in range(3))
    name = "next difference, its gradient one step old"
    difference = measured(name, after - now, within=within, case="simultaneous", axes=axes)
    yield difference.equals(A * B * (1 - before @ G) + (1 - A) * (now - before))


def _modes(study: Study, problem: Separable) -> Iterator[Check]:
    """Determinant and trace of each mode's 2 x 2 block of the trained step's Jacobian."""
    U, sigma, Vt = np.linalg.svd(problem.Z)
    k, d = sigma.size, len(Vt)
    A, B = 0.4, float(0.7 / problem.gram_range[1])
    basis = np.zeros((k, 2, d + len(U)))
    basis[:, 0, :d], basis[:, 1, d:] = Vt[:k], U.T
    for rule in (ALTERNATING, SIMULTANEOUS):
        blocks = basis @ propagators(study, problem, A, B, kind=rule.kind) @ basis.mT
        found = np.array([np.linalg.det(blocks), np.trace(blocks, axis1=-2, axis2=-1)])
        name, axes = "determinant and trace", ("quantity", "mode")
        block = measured(name, found, within=_of_a_jacobian(problem), case=rule.name, axes=axes)
        yield block.equals(partial(_modes_of, rule, sigma**2, A, B))
        if rule is ALTERNATING:
            yield block.control("modes with g 10 % larger").equals(_modes_of(rule, sigma**2, A, B, 1.1))


def _modes_of(rule: Rule, g: Array, A: float, B: float, k: float) -> Array:
    return np.array(rule.modes(k * g, A, B))


def _best_steps(study: Study, problem: Separable, grid: int) -> Iterator[Check | Curves]:
    g, kappa = np.linalg.svd(problem.Z, compute_uv=False) ** 2, float(problem.condition)
    because = "square root of the Jacobian's rounding: the extreme modes are double eigenvalues"
    within = Tolerance(np.sqrt(_of_a_jacobian(problem).value), because)
    for rule in (ALTERNATING, SIMULTANEOUS):
        A, B, best = (float(number) for number in rule.best(*problem.gram_range))
        radius = _radius(study, problem, rule, A, B)
        contraction = measured("contraction at the best steps", radius, within=within, case=rule.name)
        yield contraction.equals(best)
        if rule is ALTERNATING:
            linear = (kappa - 1) / (kappa + 1)
            yield contraction.control("alternating contraction without square roots").equals(linear)
        fastest = _fastest(rule, g, grid)
        within = Tolerance(4 * np.sqrt(EPS), "square root of the rounding at a double eigenvalue")
        fastest = measured("fastest of a search over A and B", fastest, within=within, case=rule.name)
        yield fastest.at_least(best)
    wrong = "A = 2 / kappa, B = A / (4 g_min) are the best simultaneous steps"
    yield fastest.control(wrong).at_least(np.sqrt(1 - 1 / kappa))
    kappas = np.geomspace(1.5, 1e4, 60)
    yield curves(
        kappas=kappas,
        alternating=heavy_ball.best_alternating(np.ones(60), kappas).contraction,
        simultaneous=heavy_ball.best_simultaneous(np.ones(60), kappas).contraction,
    )


def _fastest(rule: Rule, g: Array, size: int) -> float:
    """The least radius of any steps: on a grid, and from there by a search that knows no formula."""

    def slowest(A: Array, B: Array) -> Array:
        return np.maximum(heavy_ball.radius(*rule.modes(g, A[..., None], B[..., None])).max(-1), np.abs(1 - A))

    A, B = np.meshgrid(np.linspace(0.01, 1.99, size), np.geomspace(1e-3, 4, 2 * size) / g[0])
    first = np.unravel_index(np.argmin(slowest(A, B)), A.shape)
    options = {"xatol": 1e-13, "fatol": 1e-13, "maxiter": 4000}
    start = np.array([A[first], B[first]])
    for _ in range(4):  # a simplex may collapse on the crease where two modes are equally slow
        start = minimize(lambda steps: float(slowest(*steps)), start, method="Nelder-Mead", options=options).x
    return float(slowest(*start))


def _limits(study: Study, problem: Separable) -> Iterator[Check]:
    """The trained step's spectral radius at the limits of stability, where it is 1, and 2 % beyond them."""
    A, g = 0.6, np.linalg.svd(problem.Z, compute_uv=False) ** 2
    for rule, limit in (
        (ALTERNATING, heavy_ball.alternating_limit(g[0], A)),
        (SIMULTANEOUS, heavy_ball.simultaneous_limit(g[0])),
    ):
        at_limit, beyond = (_radius(study, problem, rule, A, float(factor * limit)) for factor in (1.0, 1.02))
        within, name = _of_a_jacobian(problem), "spectral radius at the limit of stability"
        yield measured(name, at_limit, within=within, case=rule.name).equals(partial(_where, rule, g, A, limit))
        beyond = measured("spectral radius", beyond, within=within, case=rule.name)
        yield beyond.control(f"2 % beyond the {rule.name} limit").at_most(1.0)


def _radius(study: Study, problem: Separable, rule: Rule, A: float, B: float) -> float:
    return float(np.abs(np.linalg.eigvals(propagators(study, problem, A, B, kind=rule.kind))).max())


def _where(rule: Rule, g: Array, A: float, limit: Array, k: float) -> float:
    """The radius at this B, if the limit were k times as large; 1 at the limit."""
    return 1.0 if k == 1 else float(heavy_ball.radius(*rule.modes(g, A, limit / k)).max())


def _of_a_jacobian(problem: Separable) -> Tolerance:
    """Of determinants, traces and eigenvalues: d^2 entries, each a state's ten roundings over the perturbation."""
    of = "a state over the perturbation: ten in each entry of a step's Jacobian"
    return rounding(10 * problem.w.size**2, 1 / PERTURBATION, of=of)
