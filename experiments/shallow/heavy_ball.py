"""Minnorm's steps are a heavy ball on the dual: the identity, the best steps, and where steps become unstable."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import AlternatingMinnorm, SimultaneousMinnorm, train_minnorm
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.separable import Separable, planted
from theory.shallow import heavy_ball
from theory.shallow.heavy_ball import Steps

SHARES = np.array([0.4, 0.3, 0.2, 0.1])
PERTURBATION = 1e-3
ROUNDED = "each entry of a step's Jacobian is the ten roundings of a state over the perturbation"
RULES = {"alternating": AlternatingMinnorm, "simultaneous": SimultaneousMinnorm}
MODES = {"alternating": heavy_ball.alternating_modes, "simultaneous": heavy_ball.simultaneous_modes}
BEST = {"alternating": heavy_ball.best_alternating, "simultaneous": heavy_ball.best_simultaneous}


@claim(
    "minnorm.shallow_heavy_ball",
    source="ours (Polyak 1964 for the best alternating steps); the method is Bansal et al. 2018 (reconstruction)",
    statement=r"\lambda_{t+1} - \lambda_t = A B (1 - G \lambda_t) + (1 - A)(\lambda_t - \lambda_{t-1});\quad"
    r"\rho_{\text{alt}} = \tfrac{\sqrt\kappa - 1}{\sqrt\kappa + 1},\ "
    r"\rho_{\text{sim}} = \tfrac{2 \kappa - 1}{2 \kappa + 1}",
    hypotheses=("no multiplier is held at 0", "linearly independent support vectors", "d > |S|"),
    controls=(
        "friction A in place of 1 - A",
        "gradient one step old in the alternating identity",
        "modes with B 10 % larger",
        "2 % beyond the alternating limit",
        "2 % beyond the simultaneous limit",
        "A = 2 / kappa, B = A / (4 g_min) are the best simultaneous steps",
        "alternating contraction without square roots",
    ),
)
def minnorm_is_a_heavy_ball_on_the_dual(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    candidates = Separable(planted(rng, SHARES, d=6, margin=0.8, runs=200))
    problem = candidates.run(int(np.argmin(np.abs(candidates.condition - 8))))
    yield from _identities(study, problem, rng)
    yield from _modes(study, problem)
    yield from _best_steps(study, problem)
    yield from _limits(study, problem)


def _identities(study: Study, problem: Separable, rng: np.random.Generator) -> Iterator[Check]:
    G = problem.Z @ problem.Z.T
    runs, steps = study.pick(smoke=3, quick=16, paper=64), 100
    A, B = 0.3, 0.2 / np.trace(G)
    w = problem.w + 0.1 * rng.standard_normal((runs, problem.w.size))
    alpha = problem.duals * rng.uniform(0.9, 1.1, (runs, problem.duals.size))
    multipliers = {}
    for name in RULES:
        rule = RULES[name](problem.Z, A, B, study.device)
        run = train_minnorm(study, name, rule, w, alpha, learning_rate=1.0, steps=steps, record=list(range(steps + 1)))
        multipliers[name] = run["multipliers"]
    # A step of a multiplier is a product with Z of a vector that is itself one with Z^T: n + d roundings.
    n, d = problem.Z.shape
    size = 1 + np.abs(G).sum(1).max() * np.abs(multipliers["alternating"]).max()
    tolerance = 4 * (n + d) * EPS * size
    because = "4 (n + d) roundings of a step"
    lam = multipliers["alternating"]
    difference = lam[2:] - lam[1:-1]
    predicted = heavy_ball.next_difference(G, lam[:-2], lam[1:-1], A, B)
    yield equal("alternating: next difference", difference, predicted, tolerance=tolerance, because=because)
    old_gradient = A * B * (1 - lam[:-2] @ G) + (1 - A) * (lam[1:-1] - lam[:-2])
    wrong = equal("next difference", difference, old_gradient, tolerance=tolerance, because=because)
    yield refuted("gradient one step old in the alternating identity", wrong)
    slippery = heavy_ball.next_difference(G, lam[:-2], lam[1:-1], 1 - A, A * B / (1 - A))
    wrong = equal("next difference", difference, slippery, tolerance=tolerance, because=because)
    yield refuted("friction A in place of 1 - A", wrong)
    lam = multipliers["simultaneous"]
    predicted = A * B * (1 - lam[:-2] @ G) + (1 - A) * (lam[1:-1] - lam[:-2])
    name = "simultaneous: next difference, its gradient one step old"
    yield equal(name, lam[2:] - lam[1:-1], predicted, tolerance=tolerance, because=because)


def _modes(study: Study, problem: Separable) -> Iterator[Check]:
    """Determinant and trace of each mode's 2 x 2 block of the trained step's Jacobian."""
    U, sigma, Vt = np.linalg.svd(problem.Z)
    k = sigma.size
    A, B = 0.4, float(0.7 / problem.gram_range[1])
    tolerance = problem.w.size**2 * 10 * EPS / PERTURBATION
    for name in RULES:
        jacobian = _jacobian(study, f"modes {name}", problem, RULES[name](problem.Z, A, B, study.device))
        basis = np.zeros((k, 2, jacobian.shape[0]))
        basis[:, 0, : Vt.shape[0]], basis[:, 1, Vt.shape[0] :] = Vt[:k], U.T
        blocks = basis @ jacobian @ basis.mT
        measured = np.array([np.linalg.det(blocks), np.trace(blocks, axis1=-2, axis2=-1)])
        predicted = np.array(MODES[name](sigma**2, A, B))
        yield equal(f"{name}: determinant and trace", measured, predicted, tolerance=tolerance, because=ROUNDED)
        if name == "alternating":
            larger = np.array(MODES[name](sigma**2, A, 1.1 * B))
            wrong = equal("determinant and trace", measured, larger, tolerance=tolerance, because=ROUNDED)
            yield refuted("modes with B 10 % larger", wrong)


def _best_steps(study: Study, problem: Separable) -> Iterator[Check | Curves]:
    g, kappa = np.linalg.svd(problem.Z, compute_uv=False) ** 2, float(problem.condition)
    scans = {}
    for name in RULES:
        best: Steps = BEST[name](*problem.gram_range)
        rule = RULES[name](problem.Z, float(best.A), float(best.B), study.device)
        jacobian = _jacobian(study, f"best {name}", problem, rule)
        measured = np.abs(np.linalg.eigvals(jacobian)).max()
        # The slowest modes sit on a double eigenvalue, which splits by the square root of a rounding.
        tolerance = np.sqrt(problem.w.size**2 * 10 * EPS / PERTURBATION)
        because = "square root of the Jacobian's rounding: the extreme modes are double eigenvalues"
        label = f"{name}: contraction at the best steps"
        yield equal(label, measured, best.contraction, tolerance=tolerance, because=because)
        if name == "alternating":
            wrong = (kappa - 1) / (kappa + 1)
            claimed = equal("contraction", measured, wrong, tolerance=tolerance, because=because)
            yield refuted("alternating contraction without square roots", claimed)
        size = study.pick(smoke=150, quick=400, paper=1000)
        A = np.concatenate([[float(best.A)], np.linspace(0.01, 1.99, size)])
        B = np.concatenate([[float(best.B)], np.geomspace(1e-3, 4, 2 * size) / g[0]])
        modes = heavy_ball.radius(*MODES[name](g, A[:, None, None], B[None, :, None])).max(-1)
        scans[name] = np.maximum(modes, np.abs(1 - A[:, None]))
        yield _nothing_is_better(f"{name}: what other steps gain on the best", scans[name], float(best.contraction))
    claimed = _nothing_is_better("gain", scans["simultaneous"], np.sqrt(1 - 1 / kappa))
    yield refuted("A = 2 / kappa, B = A / (4 g_min) are the best simultaneous steps", claimed)
    kappas = np.geomspace(1.5, 1e4, 60)
    yield curves(
        kappas=kappas,
        alternating=heavy_ball.best_alternating(np.ones(60), kappas).contraction,
        simultaneous=heavy_ball.best_simultaneous(np.ones(60), kappas).contraction,
    )


def _nothing_is_better(name: str, scan: Array, best: float) -> Check:
    gain = np.maximum(best - scan, 0).max()
    because = "a scan over A and B; square root of the rounding at a double eigenvalue"
    return equal(name, gain, 0, tolerance=4 * np.sqrt(EPS), because=because)


def _limits(study: Study, problem: Separable) -> Iterator[Check]:
    """Training 2 % below and 2 % beyond the stability limits, from near the solution."""
    A = 0.6
    g_max = problem.gram_range[1]
    limits = {
        "alternating": heavy_ball.alternating_limit(g_max, A),
        "simultaneous": heavy_ball.simultaneous_limit(g_max),
    }
    for name, limit in limits.items():
        for factor in (0.98, 1.02):
            rule = RULES[name](problem.Z, A, float(factor * limit), study.device)
            jacobian = _jacobian(study, f"{name} {factor}", problem, rule)
            size = np.linalg.norm(np.linalg.matrix_power(jacobian, 4000), ord=2)
            decayed = equal(
                f"{name}: 4000 steps at {factor} of the limit",
                min(size, 1e300),
                0.0,
                tolerance=1e-3,
                because="the slowest mode, 2 % inside the limit, contracts by more than 0.3 % a step",
            )
            yield decayed if factor < 1 else refuted(f"2 % beyond the {name} limit", decayed)


def _jacobian(study: Study, name: str, problem: Separable, rule: SimultaneousMinnorm) -> Array:
    """Of one trained step at the solution: the step is affine there, so differences are exact."""
    d = problem.w.size
    start = np.concatenate([problem.w, problem.duals])
    starts = start + PERTURBATION * np.vstack([np.zeros(start.size), np.eye(start.size)])
    run = train_minnorm(study, name, rule, starts[:, :d], starts[:, d:], learning_rate=1.0, steps=1, record=[1])
    ends = np.concatenate([run["w"][-1], run["multipliers"][-1]], axis=-1)
    return (ends[1:] - ends[0]).T / PERTURBATION
