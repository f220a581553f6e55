"""Linear networks of any depth end at the hard-margin classifier from any start, their layers at rank one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.homogeneous.approach import SHARES, STEPS, approach, late, settling, stable
from experiments.homogeneous.losses import Margins, log_logistic, loss_of
from experiments.homogeneous.networks import margins_of
from experiments.homogeneous.predictions import Predicted, departing, scaled
from experiments.homogeneous.rules import LogTimeDescent
from experiments.training import Trainee, extrapolated, extrapolated_ratio, recording_steps, tends_to
from experiments.training.batches import layers_of, state_of
from theory.claims import RECONSTRUCTED, Check, Curves, Study, Tolerance, claim, curves, measured, varies
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack
from theory.core.separable import Separable, direction_error, planted
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.homogeneous import max_margin

FAR, LOOSE = 30, "imbalances of a random start add up as they rarely do along training"


@dataclass(frozen=True)
class Sizes:
    """Of the networks, of the margin, and how far they are trained."""

    depths: tuple[int, ...] = varies("of balanced networks, L", (2, 3), smoke=(2,), paper=(2, 3, 4), low=2, high=5)
    unseen_depths: tuple[int, ...] = varies(
        "where the part that no example sees is followed", (1, 2, 3), smoke=(2,), paper=(1, 2, 3, 4), low=1, high=5
    )
    width: int = varies("of the hidden layers", 4, low=4, high=50)
    margin: float = varies("of the problems", 0.8, low=0.5, high=1.5)
    steps: int = STEPS(1600, smoke=800, paper=12_800)
    starts: int = varies("of one layer, far apart", 8, smoke=4, paper=32, low=1, high=100)
    balanced: int = varies("starts of balanced networks", 6, smoke=3, paper=24, low=1, high=100)
    unseen_horizon: float = varies(
        "of the part that is not seen; log t", 15.0, smoke=10.0, paper=100.0, low=5, high=200
    )
    scale: float = varies("rank one: of the random start of three layers", 0.5, low=0.2, high=0.8)
    runs: int = varies("rank one: random starts", 8, paper=32, low=1, high=100)
    horizon: float = varies("rank one: log t", 80.0, smoke=30.0, paper=1000.0, low=10, high=1000)
    angle: float = varies("between neighbouring layers where the bound is an equality", 0.3, low=0.27, high=1)
    learning_rate: float = varies("there; of descent on log Loss", 0.05, smoke=0.1, paper=0.01, low=0.001, high=0.1)

    def __post_init__(self) -> None:
        for name, depths in (("depths", self.depths), ("unseen_depths", self.unseen_depths)):
            if len(set(depths)) < len(depths) or 2 not in depths:
                reject(name, depths, "different ones, 2 among them")


@claim(
    "soudry2018.deep_networks",
    source="Soudry et al. 2018 (JMLR 19), Theorem 3; Ji & Telgarsky 2019 (ICLR), with the constants worked out",
    source_kind=RECONSTRUCTED,
    statement=r"\rho\,\Big|\frac{w}{\rho} - \frac{\hat w}{|\hat w|}\Big| \to |P \tilde w|,\ \rho = |w|,\quad"
    r" w = W_L \cdots W_1;\quad"
    r"|N w| \propto \rho^{1 - 1/L},\quad \sigma_2(W_l)^2 \le \sum_{k \ge l} |D_k(0)|_2,\quad"
    r" 1 - \langle u_l, v_{l+1} \rangle^2 \le \Big(\frac{|D_l(0)|_2}{\sigma_1(W_{l+1})^2 - \sigma_2(W_l)^2}\Big)^2",
    hypotheses=(
        "separable examples z_n; gradient flow of the exponential or the logistic loss; L layers W_l, one output",
        "w_hat = sum_n alpha_n z_n the max-margin classifier, alpha > 0 on linearly independent support vectors, which "
        "span the examples; w~ with z_n . w~ = -log alpha_n on them; P projects orthogonally to w_hat",
        "deep constant and |N w|, the part that no example sees: balanced layers",
        "D_l = W_{l+1}^T W_{l+1} - W_l W_l^T; u_l, v_{l+1} the top left and right singular vectors of neighbours",
        "limits: of 60 random problems the least stiff of those that settle fast",
    ),
    theory_side="law",
    controls=(
        "logistic: the start is forgotten",
        "depth 2: constant 10 % larger",
        "depth 2: start forgotten as 1 / rho",
        "sigma_2 bounded by a tenth",
        "layers aligned 10 % better",
    ),
    parameters=Sizes,
)
def deep_networks_end_at_the_max_margin(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _logistic(study, sizes)
    yield from _deep(study, sizes)
    for L in sizes.unseen_depths:
        yield from _unseen(study, sizes, L)
    yield from _rank_one(study, sizes)
    yield from _sharp(study, sizes)


def _logistic(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    """One layer, one problem, far-apart starts: the start is in the constant, by its part no example sees."""
    rng = study.rng("logistic")
    problem = settling(planted(rng, SHARES, d=5, margin=sizes.margin, runs=60))
    w0 = 2 * rng.standard_normal((sizes.starts, 5))
    margins = _margins(study, problem, [w0[:, None]])
    loss = log_logistic(lambda state: -margins(state))
    rho, error = _approach(problem, late(study, loss, [w0[:, None]], float(stable(problem, 1)), sizes.steps))
    limit, constant = approach(rho, error, "logistic"), max_margin.approach_constant(problem, w0)
    yield limit.equals(constant)
    yield limit.control("logistic: the start is forgotten").equals(max_margin.approach_constant(problem, 0 * w0))
    yield curves("approach", size=rho, error=error, constant=constant)


def _deep(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Balanced starts, support that spans the space: one constant, whatever the start and the depth."""
    rng = study.rng("deep")
    problem = settling(planted(rng, SHARES, d=3, margin=sizes.margin, runs=60))
    starts = sizes.balanced
    constant = max_margin.approach_constant(problem, np.zeros((starts, 3)))
    for L in sizes.depths:
        W = _balanced(problem, rng, starts, L, sizes.width)
        run = late(study, loss_of(_margins(study, problem, W)), W, float(stable(problem, L)), sizes.steps)
        limit = approach(*_approach(problem, run), f"depth {L}")
        yield limit.equals(constant)
        if L == 2:
            yield limit.control("depth 2: constant 10 % larger").equals(1.1 * constant)


def _unseen(study: Study, sizes: Sizes, L: int) -> Iterator[Check | Curves]:
    """The part of the direction that no example sees, along balanced networks of depth L."""
    rng = study.rng("unseen")
    problem = settling(planted(rng, SHARES, d=5, margin=sizes.margin, runs=60))
    null = np.eye(5) - np.linalg.pinv(problem.Z) @ problem.Z
    trainee = _trainee(study, problem, _balanced(problem, rng, 3, L, sizes.width))
    runs = trainee.refine(learning_rate=0.1, horizon=sizes.unseen_horizon, records=11)
    ends = [end_to_end(layers_of(run.arrays))[..., 0, :] for run in runs]
    rho = [np.linalg.norm(w, axis=-1) for w in ends]
    seen = [np.log(np.linalg.norm(w @ null, axis=-1) / size) for w, size in zip(ends, rho)]
    growth = [size / size[0] for size in rho]
    # The size itself depends on the step: the law is judged at each run's own.
    off, wrong = (
        [m - np.log(max_margin.unseen(np.exp(m[:1]), grown, depth)) for m, grown in zip(seen, growth)]
        for depth in (L, 1)
    )
    law = np.log(max_margin.unseen(np.ones_like(growth[-1]), growth[-1], L))
    name, case = "log of the unseen part over its law", f"depth {L}"
    rounding = 64 * EPS * runs[-1].facts["recorded"][-1]
    if L == 1:
        # A linear classifier keeps the law at every step size: what no example sees is never moved.
        within = Tolerance(rounding, "64 roundings a step")
        yield measured(name, off[-1], within=within, case=case, axes=("t", "run")).equals(departing(law))
    else:
        yield from tends_to(name, off, departing(law), rounding, case=case)
    if L == 2:
        yield extrapolated("law", wrong, rounding).control("depth 2: start forgotten as 1 / rho").equals(0.0)
    yield curves(case, growth=growth[-1], unseen=np.exp(seen[-1]))


def _rank_one(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Random starts of three layers: bounds by the conserved imbalance of the start."""
    rng = study.rng("rank one")
    problem = settling(planted(rng, SHARES, d=3, margin=sizes.margin, runs=60))
    W = gaussian_stack(rng, (3, sizes.width, sizes.width, 1), sizes.scale, runs=sizes.runs)
    trained = _trainee(study, problem, W).refine(learning_rate=0.2, horizon=sizes.horizon, records=11)
    layers = [[np.linalg.svd(W_l, full_matrices=False) for W_l in layers_of(run.arrays)] for run in trained]
    for l, bound in enumerate(max_margin.second_singular_bound(W)):
        ratios = [each[l].S[..., 1] ** 2 / bound for each in layers]
        below = extrapolated_ratio("sigma_2^2 over its bound", ratios, case=f"layer {l + 1}")
        yield below.within_factor(FAR, because=LOOSE).at_most(scaled(1.0))
        if l == 0:
            tenth = extrapolated_ratio("ratio", [10 * ratio for ratio in ratios])
            yield tenth.control("sigma_2 bounded by a tenth").at_most(1.0)
    misaligned = [_misalignments(W, each) for each in layers]
    for l in range(len(W) - 1):
        ratios, case = np.stack([each[l] for each in misaligned]), f"layers {l + 1} and {l + 2}"
        told = ~np.isnan(ratios).any(0)  # at each of the step sizes: only then is the last a limit of the others
        below = extrapolated_ratio("misalignment over its bound", list(np.where(told, ratios, 0.0)), case=case)
        yield below.within_factor(FAR, because=LOOSE).at_most(scaled(1.0))


def _misalignments(start: Layers, layers: list[Any]) -> list[Array]:
    """1 - <u_l, v_{l+1}>^2 over its bound, of neighbours, from the layers' singular value decompositions; NaN where the
    bound says nothing."""
    first = np.stack([svd.S[..., 0] for svd in layers], axis=-1)
    second = np.stack([svd.S[..., 1] if svd.S.shape[-1] > 1 else 0 * svd.S[..., 0] for svd in layers], axis=-1)
    bounds = max_margin.misalignment_bound(start, first, second)
    cosines = [(low.U[..., :, 0] * high.Vh[..., 0, :]).sum(-1) for low, high in zip(layers, layers[1:])]
    return [np.where(bound < 1, (1 - cosine**2) / bound, np.nan) for cosine, bound in zip(cosines, bounds)]


def _sharp(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Starts at which the bounds of rank and alignment are equalities."""
    rng = study.rng("sharp")
    problem = settling(planted(rng, SHARES, d=5, margin=sizes.margin, runs=60))
    null = np.linalg.svd(problem.Z)[2][-1]
    u, other = np.eye(sizes.width)[:2]
    v = problem.w * problem.margin
    W = [np.outer(u, v) + 0.9 * np.outer(other, null), np.outer(u, u) + 0.6 * np.outer(other, other), u[None]]
    W = [layer[None] for layer in W]
    steps = 100
    run = _trainee(study, problem, W).train(learning_rate=0.2, steps=steps, record=recording_steps(steps, 6))
    because = "no example sees the second direction: 16 roundings a step of the squared weights"
    for l, bound in enumerate(max_margin.second_singular_bound(W), start=1):
        seen = np.linalg.svd(run[f"W{l}"], compute_uv=False)[..., 1] ** 2
        within = Tolerance(16 * EPS * steps * float(np.square(run[f"W{l}"]).sum((-2, -1)).max()), because)
        yield measured("sigma_2^2 is its bound", seen, within=within, case=f"sharp start, layer {l}").equals(bound)
    yield from _misaligned_as_much_as_can_be(study, sizes)


def _misaligned_as_much_as_can_be(study: Study, sizes: Sizes) -> Iterator[Check]:
    """Where the sine theorem is an equality, or nearly one."""
    angle, width = sizes.angle, sizes.width
    # The same two sizes in the plane that one layer is turned in, with other second and third ones beside it.
    alike = _turned(angle, (1.5, 0.6, 0.4), (1.5, 0.6, 0.8))
    within = Tolerance(256 * EPS / np.sin(angle) ** 2, "roundings of the sine of the angle, squared")
    sharp = measured("misalignment over its bound", alike, within=within, case=f"layers turned by {angle:g}")
    yield sharp.equals(1.0)
    tighter = measured("misalignment", alike / 0.9**2, within=within)
    yield tighter.control("layers aligned 10 % better").equals(1.0)
    # Found by random search among layers of sizes that all differ: nearly at right angles.
    unlike = _turned(1.4626, (1.1641, 0.2925), (0.8576, 0.8501))
    nearly = measured("misalignment over its bound", unlike, within=within, case="layers of unlike sizes")
    yield nearly.at_most(1.0)
    # Trained: two layers of rank one and of one size, by examples whose gradient stays along one direction.
    Z = planted(study.rng("turned"), np.full(3, 1 / 3), d=4, margin=0.7, spread=0.7)
    v, (u, aside) = Z[0].mean(0) / 0.7, np.eye(width)[:2]
    turned = np.cos(angle) * u + np.sin(angle) * aside
    pair = [1.5 * np.outer(u, v)[None], 1.5 * turned[None, None]]
    loss = loss_of(margins_of(pair, Z, study.device))
    runs = Trainee(study, loss, state_of(pair), LogTimeDescent(loss)).refine(
        learning_rate=sizes.learning_rate, horizon=4.0, records=9
    )
    svds = [[np.linalg.svd(layer[1:], full_matrices=False) for layer in layers_of(run.arrays)] for run in runs]
    logs = [np.log(_misalignments(pair, each)[0]) / 2 for each in svds]
    sine: Predicted = lambda k: np.full(logs[0].shape, np.log(k))  # noqa: E731
    yield from tends_to(
        "log of the sine over its bound", logs, sine, 1e3 * EPS / np.sin(angle) ** 2, case="trained at equality"
    )


def _turned(angle: float, lower: tuple[float, ...], upper: tuple[float, ...]) -> Array:
    """Misalignment over its bound of two layers with these singular values, the lower turned by an angle in the plane
    of its first two."""
    turn = np.eye(len(lower))
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    W = [(turn @ np.diag(lower))[None], np.diag(upper)[None]]
    return _misalignments(W, [np.linalg.svd(layer, full_matrices=False) for layer in W])[0]


def _balanced(problem: Separable, rng: np.random.Generator, starts: int, L: int, width: int) -> list[Array]:
    """W_l = u_l u_{l-1}^T of unit vectors, u_0 a random direction on the side of the max-margin one: from the other
    side a deep network first shrinks, to the saddle at 0, and may stay there for the whole run."""
    d = problem.Z.shape[-1]
    v = problem.w * problem.margin + 0.5 * rng.standard_normal((starts, d)) / np.sqrt(d)
    v *= np.sign(v @ problem.w)[:, None]
    hidden = [rng.standard_normal((starts, 1, width)) for _ in range(L - 1)]
    units = [u / np.linalg.norm(u, axis=-1, keepdims=True) for u in (v[:, None], *hidden, np.ones((starts, 1, 1)))]
    return [after.mT * before for before, after in zip(units, units[1:])]


def _margins(study: Study, problem: Separable, W: Layers) -> Margins:
    return margins_of(W, np.broadcast_to(problem.Z, (len(W[0]), *problem.Z.shape)), study.device)


def _trainee(study: Study, problem: Separable, W: Layers) -> Trainee:
    loss = loss_of(_margins(study, problem, W))
    return Trainee(study, loss, state_of(W), LogTimeDescent(loss))


def _approach(problem: Separable, run: Trajectory) -> tuple[Array, Array]:
    """rho and the direction error of the end-to-end map."""
    w = end_to_end(layers_of(run.arrays))[..., 0, :]
    return np.linalg.norm(w, axis=-1), direction_error(problem, w)
