"""Linear networks, deep or with many classes, end at the hard-margin classifier from any start."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.homogeneous.descent import Margins, descend, log_exponential, log_logistic, network_margins
from experiments.training.batches import outputs, stack
from experiments.training.legacy import extrapolated, extrapolated_at_most, refined
from experiments.training.loop import recording_steps
from experiments.training.refinement import tends_to
from experiments.training.updates import Loss, State
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack
from theory.core.separable import Separable, apply, direction_error, planted
from theory.core.trajectory import Trajectory
from theory.homogeneous import max_margin
from theory.shallow import gradient_flow

SHARES = np.array([0.5, 0.3, 0.2])
WIDTH, CLASSES = 4, 3
AT_INFINITY = (
    "twice the last change of the limit extrapolated in 1 / rho, of order 1 / rho^2 or log(rho) / rho, and eps"
)


@claim(
    "soudry2018.deep_and_multiclass",
    source="Soudry et al. 2018 (JMLR 19), Theorems 3 and 7; Ji & Telgarsky 2019 (ICLR), with the constants worked out",
    statement=r"\rho\,\Big|\frac{w}{\rho} - \frac{\hat w}{|\hat w|}\Big| \to |P \tilde w|,\ \rho = |w|,\quad"
    r" w = W_L \cdots W_1 \text{ or } (w_1, \dots, w_K);\quad"
    r"|N V| \propto \rho^{-1/L},\quad \sigma_2(W_l)^2 \le \sum_{k \ge l} |D_k(0)|_2",
    hypotheses=(
        "separable; exponential, logistic or cross-entropy loss",
        "alpha > 0 on linearly independent support vectors, which span the examples",
        "deep constant: balanced layers",
    ),
    controls=(
        "logistic: the start is forgotten",
        "depth 2: constant 10 % larger",
        "depth 2: start forgotten as 1 / rho",
        "sigma_2 bounded by a tenth",
        "layers aligned 10 % better",
        "cross-entropy: the sum over classes is forgotten",
        "cross-entropy: one class against the rest",
    ),
)
def networks_end_at_the_max_margin(study: Study) -> Iterator[Check | Curves]:
    yield from _logistic(study)
    yield from _deep(study)
    for L in study.pick(smoke=(2,), quick=(1, 2, 3), paper=(1, 2, 3, 4)):
        yield from _unseen(study, L)
    yield from _rank_one(study)
    yield from _sharp(study)
    yield from _cross_entropy(study)


def _logistic(study: Study) -> Iterator[Check | Curves]:
    """One layer, one problem, far-apart starts: the start is in the constant, by its part no example sees."""
    rng = study.rng("logistic")
    starts = study.pick(smoke=4, quick=8, paper=32)
    problem = _settling(planted(rng, SHARES, d=5, margin=0.8, runs=60))
    w0 = 2 * rng.standard_normal((starts, 5))
    margins = _margins(study, problem, starts, 1)
    run = _late(
        study, "logistic", log_logistic(lambda state: -margins(state)), [w0[:, None]], float(_stable(problem, 1))
    )
    rho, error = _approach(problem, run, 1)
    constant = max_margin.approach_constant(problem, w0)
    yield _constant("logistic: rho x direction error", rho, error, constant)
    forgotten = max_margin.approach_constant(problem, 0 * w0)
    yield refuted("logistic: the start is forgotten", _constant("constant", rho, error, forgotten))
    yield curves(approach_size=rho, approach_error=error, approach_constant=constant)


def _deep(study: Study) -> Iterator[Check]:
    """Balanced starts, support that spans the space: one constant, whatever the start and the depth."""
    rng = study.rng("deep")
    problem = _settling(planted(rng, SHARES, d=3, margin=0.8, runs=60))
    starts = study.pick(smoke=3, quick=6, paper=24)
    constant = max_margin.approach_constant(problem, np.zeros((starts, 3)))
    for L in study.pick(smoke=(2,), quick=(2, 3), paper=(2, 3, 4)):
        W = _balanced(problem, rng, starts, L)
        run = _late(
            study, f"deep {L}", log_exponential(_margins(study, problem, starts, L)), W, float(_stable(problem, L))
        )
        rho, error = _approach(problem, run, L)
        yield _constant(f"depth {L}: rho x direction error", rho, error, constant)
        if L == 2:
            check = _constant("constant", rho, error, 1.1 * constant)
            yield refuted("depth 2: constant 10 % larger", check)


def _unseen(study: Study, L: int) -> Iterator[Check | Curves]:
    """The part of the direction that no example sees, along balanced networks of depth L."""
    rng = study.rng("unseen")
    starts = 3
    problem = _settling(planted(rng, SHARES, d=5, margin=0.8, runs=60))
    null = np.eye(5) - np.linalg.pinv(problem.Z) @ problem.Z
    W = _balanced(problem, rng, starts, L)
    loss = log_exponential(_margins(study, problem, starts, L))

    def run(level: str, **schedule: Any) -> Trajectory:
        return descend(study, level, loss, W, **schedule)

    horizon = study.pick(smoke=10.0, quick=15.0, paper=100.0)
    runs = refined(run, f"unseen {L}", learning_rate=0.1, horizon=horizon, records=11)
    measured, size = [], []
    for trained in runs:
        w = _end_to_end(trained, L)
        rho = np.linalg.norm(w, axis=-1)
        measured.append(np.log(np.linalg.norm(w @ null, axis=-1) / rho))
        size.append(rho / rho[0])
    # The size itself depends on the step: the law is judged at each run's own.
    off = [m - np.log(max_margin.unseen(np.exp(m[:1]), s, L)) for m, s in zip(measured, size)]
    name = f"depth {L}: log of the unseen part over its law"
    rounding = 64 * EPS * runs[-1].facts["recorded"][-1]
    if L == 1:
        # A linear classifier keeps the law at every step size: what no example sees is never moved.
        yield equal(name, off[-1], 0.0, tolerance=rounding, because="64 roundings a step")
    else:
        yield from tends_to(name, off, np.zeros_like(off[0]), rounding)
    if L == 2:
        wrong = [m - np.log(max_margin.unseen(np.exp(m[:1]), s, 1)) for m, s in zip(measured, size)]
        check = extrapolated("law", wrong, np.zeros_like(off[0]), rounding)
        yield refuted("depth 2: start forgotten as 1 / rho", check)
    yield curves(**{f"unseen_size_{L}": size[-1], f"unseen_{L}": np.exp(measured[-1])})


def _rank_one(study: Study) -> Iterator[Check]:
    """Random starts of three layers: bounds by the conserved imbalance of the start."""
    rng = study.rng("rank one")
    runs, L = study.pick(smoke=3, quick=8, paper=32), 3
    problem = _settling(planted(rng, SHARES, d=3, margin=0.8, runs=60))
    W = gaussian_stack(rng, (3, WIDTH, WIDTH, 1), 0.5, runs=runs)
    loss = log_exponential(_margins(study, problem, runs, L))

    def run(level: str, **schedule: Any) -> Trajectory:
        return descend(study, level, loss, W, **schedule)

    horizon = study.pick(smoke=30.0, quick=80.0, paper=1000.0)
    trained = refined(run, "rank one", learning_rate=0.2, horizon=horizon, records=11)
    layers = [[np.linalg.svd(each[f"W{l}"], full_matrices=False) for l in range(1, L + 1)] for each in trained]
    for l, bound in enumerate(max_margin.second_singular_bound(W)):
        ratios = [each[l].S[..., 1] ** 2 / bound for each in layers]
        yield extrapolated_at_most(f"layer {l + 1}: sigma_2^2 over its bound", ratios)
        if l == 0:
            check = extrapolated_at_most("ratio", [10 * ratio for ratio in ratios])
            yield refuted("sigma_2 bounded by a tenth", check)
    misaligned = [_misalignments(W, each) for each in layers]
    for l in range(L - 1):
        yield extrapolated_at_most(
            f"layers {l + 1} and {l + 2}: misalignment over its bound", [m[l] for m in misaligned]
        )


def _misalignments(start: Layers, layers: list[Any]) -> list[Array]:
    """1 - <u_l, v_{l+1}>^2 over its bound, of neighbours, from the layers' singular value decompositions."""
    first = np.stack([svd.S[..., 0] for svd in layers], axis=-1)
    second = np.stack([svd.S[..., 1] if svd.S.shape[-1] > 1 else 0 * svd.S[..., 0] for svd in layers], axis=-1)
    bounds = max_margin.misalignment_bound(start, first, second)
    cosines = [(low.U[..., :, 0] * high.Vh[..., 0, :]).sum(-1) for low, high in zip(layers, layers[1:])]
    return [(1 - cosine**2) / bound for cosine, bound in zip(cosines, bounds)]


def _sharp(study: Study) -> Iterator[Check]:
    """Starts at which the bounds of rank and alignment are equalities."""
    rng = study.rng("sharp")
    problem = _settling(planted(rng, SHARES, d=5, margin=0.8, runs=60))
    null = np.linalg.svd(problem.Z)[2][-1]
    u, other = np.eye(WIDTH)[:2]
    v = problem.w * problem.margin
    second = 0.6
    W = [(np.outer(u, v) + second * np.outer(other, null))[None], u[None, None]]
    loss = log_exponential(_margins(study, problem, 1, 2))
    steps = 100
    run = descend(study, "sharp", loss, W, learning_rate=0.2, steps=steps, record=recording_steps(steps, 6))
    seen = np.linalg.svd(run["W1"], compute_uv=False)[..., 1] ** 2
    tolerance = 16 * EPS * steps * float(np.square(run["W1"]).sum((-2, -1)).max())
    because = "no example sees the second direction: 16 roundings a step of the squared weights"
    bound = max_margin.second_singular_bound(W)[0]
    yield equal("sharp start: sigma_2^2 is its bound", seen, bound, tolerance=tolerance, because=because)
    turned = np.cos(0.3) * u + np.sin(0.3) * other
    pair = [1.5 * np.outer(u, v)[None], 1.5 * turned[None, None]]
    layers = [np.linalg.svd(layer, full_matrices=False) for layer in pair]
    ratio = _misalignments(pair, layers)[0]
    because = "two layers of rank one and one size: roundings of a sine of 0.3, squared"
    tolerance = 256 * EPS / np.sin(0.3) ** 2
    yield equal("sharp start: misalignment is its bound", ratio, 1.0, tolerance=tolerance, because=because)
    tighter = equal("misalignment", ratio / 0.9**2, 1.0, tolerance=tolerance, because=because)
    yield refuted("layers aligned 10 % better", tighter)


def _cross_entropy(study: Study) -> Iterator[Check]:
    """Linear classifiers of three classes: the hard-margin problem is that of Crammer & Singer."""
    rng = study.rng("cross-entropy")
    X, labels, problem = _classes(rng, study.pick(smoke=3, quick=6, paper=24))
    runs = len(X)
    W = 0.5 * rng.standard_normal((runs, CLASSES, X.shape[-1]))
    exponents = _class_exponents(study, X, labels)
    run = _late(study, "cross-entropy", log_logistic(exponents), [W], _stable(problem, 1))
    w = run["W1"].reshape(-1, runs, W[0].size)
    rho, error = np.linalg.norm(w, axis=-1), direction_error(problem, w)
    constant, forgotten = (
        np.array([float(max_margin.approach_constant(problem.run(i), start)) for i, start in enumerate(starts)])
        for starts in (W.reshape(runs, -1), np.zeros_like(w[0]))
    )
    yield _constant("cross-entropy: rho x direction error", rho, error, constant)
    check = _constant("constant", rho, error, forgotten)
    yield refuted("cross-entropy: the sum over classes is forgotten", check)
    tolerance = 16 * EPS * run.facts["recorded"][-1] * np.abs(run["W1"]).max()
    because = "the gradients of the classes add up to 0: 16 roundings a step"
    total, kept = run["W1"].sum(-2), W.sum(-2)
    yield equal("cross-entropy: sum of the classes' weights", total, kept, tolerance=tolerance, because=because)
    V = w / rho[..., None]
    yield _at_infinity("cross-entropy: direction", V, problem.w * problem.margin[:, None], 64 * EPS)
    apart = np.stack([_one_against_the_rest(x, y) for x, y in zip(X, labels)])
    yield refuted("cross-entropy: one class against the rest", _at_infinity("direction", V, apart, 64 * EPS))


def _classes(rng: np.random.Generator, runs: int) -> tuple[Array, Array, Separable]:
    """Examples of three classes in the plane whose support spans all a classifier can tell apart."""
    X = rng.standard_normal((60 * runs, 9, 2))
    teacher = rng.standard_normal((60 * runs, CLASSES, 2))
    labels = (X @ teacher.mT).argmax(-1)
    X = X + 0.3 * np.take_along_axis(teacher, labels[..., None], axis=1)
    fitting = [i for i in range(len(X)) if _fits(X[i], labels[i], teacher[i])]
    problem = Separable(max_margin.crammer_singer(X[fitting], labels[fitting], CLASSES))
    slack = np.where(problem.support, np.inf, apply(problem.Z, problem.w) - 1).min(-1)
    span = (CLASSES - 1) * X.shape[-1]
    good = (problem.support.sum(-1) == span) & (slack > 0.3) & (gradient_flow.relaxation_rate(problem) > 0.3)
    least_stiff = np.argsort(np.where(good, _stiffness(problem), np.inf))[:runs]
    chosen = np.array(fitting)[least_stiff]
    return X[chosen], labels[chosen], Separable(problem.Z[least_stiff])


def _fits(X: Array, labels: Array, teacher: Array) -> bool:
    """All classes are there, and the teacher separates what was moved towards its class."""
    rows = max_margin.crammer_singer(X, labels, CLASSES)
    return len(np.unique(labels)) == CLASSES and float((rows @ teacher.ravel()).min()) > 0.1


def _class_exponents(study: Study, X: Array, labels: Array) -> Margins:
    """a_n = log sum_{k != y} e^{f_k - f_y}, so that cross-entropy is sum_n log(1 + e^{a_n})."""
    inputs = torch.tensor(X, dtype=torch.float64, device=study.device)
    own = torch.nn.functional.one_hot(torch.tensor(labels, device=study.device), CLASSES).bool()
    network = stack([X.shape[-1], CLASSES])

    def exponents(state: State) -> Tensor:
        f = outputs(network, state, inputs)
        others = f.masked_fill(own, -torch.inf)
        return torch.logsumexp(others, -1) - f.masked_fill(~own, 0).sum(-1)

    return exponents


def _one_against_the_rest(X: Array, labels: Array) -> Array:
    """Unit direction of the K least-squares classifiers of one class against the others, flattened."""
    W = np.linalg.lstsq(X, np.eye(CLASSES)[labels] - 1 / CLASSES, rcond=None)[0].T
    return W.ravel() / np.linalg.norm(W)


def _settling(Z: Array) -> Separable:
    """The least stiff of random examples that settle fast."""
    candidates = Separable(Z)
    stiffness = np.where(gradient_flow.relaxation_rate(candidates) > 0.5, _stiffness(candidates), np.inf)
    return candidates.run(int(np.argmin(stiffness)))


def _stiffness(problem: Separable) -> Array:
    """Largest eigenvalue of Z^T (diag p - p p^T) Z over the squared margin, p = alpha / sum alpha: across the direction
    the curvature of log Loss, and along it the squared gradient."""
    p = problem.duals / problem.duals.sum(-1, keepdims=True)
    centred = problem.Z - (p[..., None] * problem.Z).sum(-2, keepdims=True)
    return np.linalg.norm(np.sqrt(p)[..., None] * centred, ord=2, axis=(-2, -1)) ** 2 / problem.margin**2


def _stable(problem: Separable, L: int) -> Array:
    """Half the largest stable step of `LogTimeDescent` late, at most that of stiffness 1: a step moves w by the rate
    times rho^(2 - 2/L) / (1 + |grad log Loss|^2), and |grad log Loss|^2 = L rho^(2 - 2/L) margin^2."""
    if L == 1:
        return (1 + problem.margin**-2) / np.maximum(_stiffness(problem), 1)
    return np.minimum(L / _stiffness(problem), 1)


def _balanced(problem: Separable, rng: np.random.Generator, starts: int, L: int) -> list[Array]:
    """W_l = u_l u_{l-1}^T of unit vectors, u_0 a random direction on the side of the max-margin one: from the other
    side a deep network first shrinks, to the saddle at 0, and may stay there for the whole run."""
    d = problem.Z.shape[-1]
    v = problem.w * problem.margin + 0.5 * rng.standard_normal((starts, d)) / np.sqrt(d)
    v *= np.sign(v @ problem.w)[:, None]
    hidden = [rng.standard_normal((starts, 1, WIDTH)) for _ in range(L - 1)]
    units = [u / np.linalg.norm(u, axis=-1, keepdims=True) for u in (v[:, None], *hidden, np.ones((starts, 1, 1)))]
    return [after.mT * before for before, after in zip(units, units[1:])]


def _margins(study: Study, problem: Separable, runs: int, L: int) -> Margins:
    Z = np.broadcast_to(problem.Z, (runs, *problem.Z.shape)).copy()
    return network_margins(stack([Z.shape[-1], *[WIDTH] * (L - 1), 1]), Z, np.ones(Z.shape[:-1]), study.device)


def _late(study: Study, name: str, loss: Loss, W: Layers, learning_rate: float | Array) -> Trajectory:
    """Trained far, recorded at sizes each about twice the one before. The limits hold at any stable step size."""
    steps = study.pick(smoke=800, quick=1600, paper=12800)
    record = [steps // k for k in (8, 4, 2, 1)]
    return descend(study, name, loss, W, learning_rate=learning_rate, steps=steps, record=record)


def _approach(problem: Separable, run: Trajectory, L: int) -> tuple[Array, Array]:
    w = _end_to_end(run, L)
    return np.linalg.norm(w, axis=-1), direction_error(problem, w)


def _end_to_end(run: Trajectory, L: int) -> Array:
    return end_to_end([run[f"W{l}"] for l in range(1, L + 1)])[..., 0, :]


def _constant(name: str, rho: Array, error: Array, predicted: Array) -> Check:
    """rho x direction error; the error is a difference of unit vectors."""
    return _at_infinity(name, rho * error, predicted, 64 * EPS * float(rho.max()))


def _at_infinity(name: str, values: Array, predicted: Array, rounding: float) -> Check:
    """Limit of values (4, runs, ...) at sizes rho, 2 rho, 4 rho, 8 rho: the first power of 1 / rho is removed."""
    limits = 2 * values[1:] - values[:-1]
    tolerance = 2 * np.abs(limits[-1] - limits[-2]).max() + rounding
    return equal(name, limits[-1], predicted, tolerance=tolerance, because=AT_INFINITY)
