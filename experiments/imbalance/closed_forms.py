"""The solved dynamics of whitened data against training: one mode, decoupled modes, and the matrix Riccati equation.

Training is gradient descent, the solutions are the flow's: so each training is refined, eta, eta/2, eta/4, ..., and
what it tends to is compared, with the error that the extrapolation itself reports.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from experiments.imbalance.networks import squared_loss, train_network, weights
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent, Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.estimates import richardson
from theory.claims.legacy import refuted
from theory.claims.study import Study
from theory.core.arrays import Array
from theory.core.regression import Regression, random_regression
from theory.core.trajectory import Trajectory
from theory.imbalance import closed_forms, dynamics
from theory.imbalance.problem import Network, coordinates, gaussian

HORIZON = 3.0
RECORDS = 16


@claim(
    "imbalance.scalar_solution",
    source="Min et al. 2021, equation 14, solved (ours)",
    statement=r"p' = \sqrt{c^2 + 4 p^2}\,(y - p),\quad \frac{w - w_+}{w - w_-} = \frac{w_0 - w_+}{w_0 - w_-} e^{-s t},"
    r"\quad p = \tfrac{c}{4}\left(w - \tfrac1w\right),\ w_\pm = \tfrac{2y \pm s}{c},\ s = \sqrt{c^2 + 4 y^2}",
    hypotheses=("gradient flow", "whitened data", "r = m = 1, or decoupled modes", "any width"),
    controls=(
        "c 10 % larger",
        "the target 10 % larger",
        "time 10 % faster",
        "the rate at p = 0, 2 c, at every moment",
        "the constant of the rate 1.8 in place of 2",
        "coupled modes",
        "data that are not whitened",
    ),
)
def one_mode_is_solved(study: Study) -> Iterator[Check | Curves]:
    for h in study.pick(smoke=(1, 8), quick=(1, 2, 32), paper=(1, 2, 32, 500)):
        yield from _one_mode(study, h)
    yield from _wrong_constants(study)
    for r, m in ((3, 2), (2, 3)):
        yield from _decoupled_modes(study, r, m)
    yield from _broken_hypotheses(study)


@claim(
    "imbalance.riccati_solution",
    source="Fukumizu 1998 for balanced starts; every start whose rows lie in one eigenspace of the imbalance: ours",
    statement=r"Z_0 \Lambda = \lambda Z_0 \;\Rightarrow\; Z Z^\top(t) = e^{F t} Z_0 \Big(I + Z_0^\top \int_0^t"
    r" e^{2 F s} ds\, Z_0\Big)^{-1} Z_0^\top e^{F t},\quad F = \begin{pmatrix} -\lambda/2 & \tilde y^\top \\"
    r" \tilde y & \lambda/2 \end{pmatrix}",
    hypotheses=("gradient flow", "whitened data", "rows of Z in one eigenspace of the imbalance"),
    controls=(
        "eigenvalue 10 % larger",
        "targets 10 % larger",
        "several eigenvalues, 0 in their place",
        "several eigenvalues, their mean in their place",
        "balanced start, data that are not whitened",
    ),
)
def one_eigenspace_is_solved(study: Study) -> Iterator[Check | Curves]:
    shapes = ((5, 3, 3, 0.0), (5, 3, 4, 0.7), (3, 5, 4, -0.6), (4, 3, 9, 0.5), (2, 3, 2, 1.1))
    for r, m, h, lam in study.pick(smoke=shapes[:4], quick=shapes, paper=shapes):
        yield from _one_eigenspace(study, r, m, h, lam)
    yield from _other_eigenspaces(study)


def _one_mode(study: Study, h: int) -> Iterator[Check | Curves]:
    """Many Gaussian starts of width h: the product, the norm and the rate along the whole path."""
    problem, network, runs = _scalar_runs(study, h)
    u, v, start = _scalar_start(problem, network)
    c = closed_forms.scalar_level(u, v)
    t = runs[0].t
    p = closed_forms.scalar_solution(problem.targets.item(), c, start, t)
    products = [_product(problem, run)[..., 0, 0] for run in runs]
    norms = [(_state(problem, run) ** 2).sum((-2, -1)) for run in runs]
    yield from tends_to(f"h={h}: p", products, p)
    yield from tends_to(f"h={h}: |u|^2 + |v|^2", norms, closed_forms.squared_norm(c, p))
    yield from tends_to(f"h={h}: -L'/L", [run["rate"] for run in runs], closed_forms.scalar_rate(c, p))
    trained = {f"trained_{h}": richardson(products)[0], f"solved_{h}": p, f"c_{h}": c}
    yield curves(**trained, **{f"t_{h}": t, f"y_{h}": problem.targets.item()})


def _wrong_constants(study: Study) -> Iterator[Check]:
    """The checks of `_one_mode` once more, each with one constant changed."""
    problem, network, runs = _scalar_runs(study, 8)
    u, v, start = _scalar_start(problem, network)
    c, y, t = closed_forms.scalar_level(u, v), problem.targets.item(), runs[0].t
    p = closed_forms.scalar_solution(y, c, start, t)
    products, rates = [_product(problem, run)[..., 0, 0] for run in runs], [run["rate"] for run in runs]
    changed = {
        "c 10 % larger": closed_forms.scalar_solution(y, 1.1 * c, start, t),
        "the target 10 % larger": closed_forms.scalar_solution(1.1 * y, c, start, t),
        "time 10 % faster": closed_forms.scalar_solution(y, c, start, 1.1 * t),
    }
    for name, predicted in changed.items():
        yield refuted(name, extrapolated("p", products, predicted))
    broadcast = np.broadcast_to(2 * c, p.shape)
    yield refuted("the rate at p = 0, 2 c, at every moment", extrapolated("-L'/L", rates, broadcast))
    smaller = 0.9 * closed_forms.scalar_rate(c, p)
    yield refuted("the constant of the rate 1.8 in place of 2", extrapolated("-L'/L", rates, smaller))


def _decoupled_modes(study: Study, r: int, m: int) -> Iterator[Check]:
    problem = _whitened(study, r, m)
    network = closed_forms.decoupled(problem, r + m + 3, study.rng("decoupled", r, m), runs=4)
    runs = _refine(study, f"decoupled {r} {m}", problem, network)
    predicted = closed_forms.decoupled_solution(problem, network, runs[0].t)
    yield from tends_to(f"r={r}, m={m}, decoupled modes: U1 V^T", [_product(problem, run) for run in runs], predicted)


def _broken_hypotheses(study: Study) -> Iterator[Check]:
    rng = study.rng("broken")
    whitened = _whitened(study, 3, 2)
    start = closed_forms.decoupled(whitened, 8, rng, runs=4)
    noise = gaussian(whitened, 8, rng, scales=(0.1, 0.1), runs=4)
    coupled = Network(start.U + noise.U, start.V + noise.V)
    yield refuted("coupled modes", _mode_by_mode(study, "coupled", whitened, coupled))
    coloured = random_regression(rng, D=4, n=3, m=2, singular_values=np.array([1.2, 1.0, 0.8]))
    decoupled = closed_forms.decoupled(coloured, 8, rng, runs=4)
    yield refuted("data that are not whitened", _mode_by_mode(study, "coloured", coloured, decoupled))


def _mode_by_mode(study: Study, name: str, problem: Regression, network: Network) -> Check:
    """The check of `_decoupled_modes`, whatever the hypotheses."""
    runs = _refine(study, name, problem, network)
    predicted = closed_forms.modes(problem, coordinates(problem, network)).product(runs[0].t)
    return extrapolated(name, [_product(problem, run) for run in runs], predicted)


def _one_eigenspace(study: Study, r: int, m: int, h: int, lam: float) -> Iterator[Check | Curves]:
    label = f"r={r}, m={m}, h={h}, eigenvalue {lam:g}"
    problem = _whitened(study, r, m)
    network = closed_forms.homogeneous(problem, lam, h, study.rng("eigenspace", r, m, h))
    runs = _refine(study, label, problem, network)
    grams = [_gram(problem, run) for run in runs]
    predicted = closed_forms.riccati_solution(problem, network, runs[0].t)
    yield from tends_to(f"{label}: Z Z^T", grams, predicted[:, None])
    if (r, m) == (5, 3) and lam > 0:
        Z, t = coordinates(problem, network)[0], runs[0].t
        larger = closed_forms.riccati_gram(problem.targets, 1.1 * lam, Z, t)
        yield refuted("eigenvalue 10 % larger", extrapolated(label, grams, larger[:, None]))
        larger = closed_forms.riccati_gram(1.1 * problem.targets, lam, Z, t)
        yield refuted("targets 10 % larger", extrapolated(label, grams, larger[:, None]))
        yield curves(t=t, trained=richardson(grams)[0][:, 0], solved=predicted)


def _other_eigenspaces(study: Study) -> Iterator[Check]:
    rng = study.rng("other")
    problem = _whitened(study, 3, 2)
    network = gaussian(problem, 8, rng, scales=(0.5, 0.5))
    grams, t = _trained_grams(study, "several eigenvalues", problem, network)
    Z = coordinates(problem, network)[0]
    for word, lam in (("0", 0.0), ("their mean", closed_forms.mean_imbalance(problem, Z))):
        predicted = closed_forms.riccati_gram(problem.targets, lam, Z, t)[:, None]
        yield refuted(f"several eigenvalues, {word} in their place", extrapolated("Z Z^T", grams, predicted))
    coloured = random_regression(rng, D=4, n=3, m=2, singular_values=np.array([1.2, 1.0, 0.8]))
    balanced = closed_forms.homogeneous(coloured, 0.0, 3, rng)
    grams, t = _trained_grams(study, "coloured", coloured, balanced)
    # The linear part of the equation is right with S y~ for y~; its quadratic part is what whitening is needed for.
    linear = coloured.S[:, None] * coloured.targets
    predicted = closed_forms.riccati_gram(linear, 0.0, coordinates(coloured, balanced)[0], t)[:, None]
    yield refuted("balanced start, data that are not whitened", extrapolated("Z Z^T", grams, predicted))


def refine(
    study: Study,
    name: str,
    problem: Regression,
    network: Network,
    *,
    learning_rate: float,
    horizon: float,
    records: int,
    levels: int,
) -> list[Trajectory]:
    """Training by autograd's gradient, refined: weights, and the rate -L'/L (of the loss itself, so L* should be 0)."""
    loss = squared_loss(problem, study.device)

    def descend(level: str, **schedule: Any) -> Trajectory:
        return train_network(
            study,
            level,
            problem,
            network,
            observe=lambda state: {**weights(state), "rate": _rate(loss, state)},
            update=GradientDescent(loss),
            **schedule,
        )

    return refined(descend, name, learning_rate=learning_rate, horizon=horizon, records=records, levels=levels)


def _refine(study: Study, name: str, problem: Regression, network: Network) -> list[Trajectory]:
    return refine(
        study,
        name,
        problem,
        network,
        learning_rate=study.pick(smoke=0.03, quick=0.015, paper=0.0075),
        horizon=HORIZON,
        records=RECORDS,
        levels=study.pick(smoke=3, quick=4, paper=4),
    )


def _scalar_runs(study: Study, h: int) -> tuple[Regression, Network, list[Trajectory]]:
    """One whitened mode with L* = 0, and Gaussian starts of one size whatever the width."""
    rng = study.rng("one mode", h)
    problem = random_regression(rng, D=3, n=1, m=1, singular_values=np.ones(1))
    scale = 0.8 / np.sqrt(h)
    network = gaussian(problem, h, rng, scales=(scale, scale), runs=study.pick(smoke=4, quick=16, paper=64))
    return problem, network, _refine(study, f"one mode {h}", problem, network)


def _scalar_start(problem: Regression, network: Network) -> tuple[Array, Array, Array]:
    V, U1 = dynamics.split(problem, coordinates(problem, network))
    u, v = U1[:, 0], V[:, 0]
    return u, v, (u * v).sum(-1)


def _whitened(study: Study, r: int, m: int) -> Regression:
    return random_regression(study.rng("whitened", r, m), D=r + 1, n=r, m=m, singular_values=np.ones(r))


def _trained_grams(study: Study, name: str, problem: Regression, network: Network) -> tuple[list[Array], Array]:
    runs = _refine(study, name, problem, network)
    return [_gram(problem, run) for run in runs], runs[0].t


def _state(problem: Regression, run: Trajectory) -> Array:
    return coordinates(problem, Network(run["U"], run["V"]))


def _product(problem: Regression, run: Trajectory) -> Array:
    V, U1 = dynamics.split(problem, _state(problem, run))
    return U1 @ V.mT


def _gram(problem: Regression, run: Trajectory) -> Array:
    Z = _state(problem, run)
    return Z @ Z.mT


def _rate(loss: Loss, state: State) -> torch.Tensor:
    """-L'/L = |grad L|^2 / L, the gradient by autograd."""
    gradient = GradientDescent(loss)
    gradient.begin(state)
    losses, gradients = gradient.evaluate(state)
    return sum(g.square().flatten(1).sum(1) for g in gradients) / losses
