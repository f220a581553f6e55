"""|W_L ... W_2|^2 where gradient descent ends: known for one output, for orthogonal starts, for small ones."""

from collections.abc import Iterator

import numpy as np

from experiments.deep_linear.convergence import integrated
from experiments.deep_linear.networks import Constraint, ControlledDescent, students
from experiments.training import Trainee, extrapolated, tends_to
from experiments.training.batches import layers_of
from experiments.training.together import copies, refined_together
from theory.claims import Check, Study, Tolerance, measured
from theory.claims.estimates import richardson
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, end_to_end, gaussian_stack
from theory.deep_linear import frozen
from theory.deep_linear.problem import TeacherStudent, conditioned

SINGULAR_VALUES = np.array([1.3, 1.1, 0.9])
D, WIDTH = 8, 4


def one_output(study: Study, rng: np.random.Generator, levels: int) -> Iterator[Check]:
    """Two layers, one output, from any start: an invariant of the flow gives the gain."""
    problem = conditioned(rng, D, SINGULAR_VALUES, np.array([1.4]), K=1, draws=3)
    W = gaussian_stack(rng, [D, WIDTH, 1], 0.5, runs=3)
    last = [layers[1] for layers in _refined_ends(study, problem, W, levels)]

    def invariant(C: Array) -> list[Array]:
        return [np.linalg.norm(W2, axis=(-2, -1)) ** 4 - (W2 @ C @ W2.mT)[..., 0, 0] for W2 in last]

    squared = (problem.minimum_norm_solution**2).sum((-2, -1))[None]
    yield from tends_to("|W_2|^4 - W_2 C W_2^T", invariant(frozen.two_layer_invariant(problem, W)), squared, 1e-9)
    whole = invariant(W[1].mT @ W[1] - W[0] @ W[0].mT)
    yield extrapolated("all of W_1", whole, 1e-9).control("imbalance of all of W_1").equals(squared)


def orthogonal_start(study: Study, rng: np.random.Generator, levels: int) -> Iterator[Check]:
    """Two layers, any outputs: rows of [W_2; B^T] orthogonal, each of squared norm kappa; W_1 Q Gaussian."""
    kappa, problem = 0.7, conditioned(rng, D, SINGULAR_VALUES, np.array([1.5, 0.8]), K=2, draws=3)
    draws, size, h = len(problem.X), problem.K + problem.n, 7
    frame = np.sqrt(kappa) * np.linalg.qr(rng.standard_normal((draws, h, size)))[0].mT
    free = rng.standard_normal((draws, h, problem.d)) @ problem.unseen
    W = [frame[:, problem.K :].mT @ problem.basis.mT + free, frame[:, : problem.K]]
    gains = [frozen.output_gain(layers) for layers in _refined_ends(study, problem, W, levels)]
    solution = problem.minimum_norm_solution
    predicted = lambda k: frozen.gain_from_orthogonal_start(solution, k * kappa)[None]  # noqa: E731
    yield from tends_to("gain from an orthogonal start", gains, predicted, 1e-9)
    wrong = extrapolated("gain from an orthogonal start", gains, 1e-9)
    yield wrong.control("kappa 10 % larger").equals(predicted(1.1))
    # At rest a solver's error is noise of the size of its tolerance: at a single time two may agree by chance.
    flow, within = integrated(lambda tolerance: _gain_of_flow(problem, W, np.linspace(4, 40, 10), tolerance))
    solved = measured("gain from an orthogonal start, flow integrated", flow[-1], within=within)
    yield solved.supporting().equals(predicted(1)[0])


def _refined_ends(study: Study, problem: TeacherStudent, W: Layers, levels: int) -> list[list[Array]]:
    """The last layers (1, runs, ...) of trainings long enough to fit the labels to rounding, at eta, eta / 2, ..."""
    return [[layer[-1:] for layer in layers] for layers in _refined(study, problem, W, 24.0, levels)]


def small_starts(study: Study, L: int, strengths: Array, *, draws: int, scales: Array, levels: int) -> Iterator[Check]:
    """As the start of all layers shrinks every mode becomes balanced: the gain tends to its law.

    Imbalances are of order scale^2, and the directions they are seen along turn by order scale while the modes are
    learned: the gain is a series in the scale, from its square on. The last correction vanishes where its two leading
    terms cancel (it is below what is left on one draw in three); the one before it, without the finest scale, would
    shrink by 2^4 and more if the first term led, and a quarter of it stands for the terms after that.
    """
    rng, case, K = study.rng("small", L), f"depth {L}", len(strengths)
    problem = conditioned(rng, D, SINGULAR_VALUES, strengths, K=K, draws=draws)
    one = gaussian_stack(rng, [D, *[WIDTH] * (L - 1), K], 1.0, runs=draws)
    W = [np.concatenate([scale * layer for scale in scales]) for layer in one]
    many = copies_of(problem, len(scales))
    runs = _refined(study, many, W, _fitted_by(many, W), levels)
    gains, off = richardson([frozen.output_gain([layer[-1] for layer in layers]) for layers in runs])
    by_scale = np.split(gains, len(scales))
    (limit, error), (_, before) = (richardson(values, order=2) for values in (by_scale, by_scale[:-1]))
    # Extrapolation to scale 0 multiplies what the gains are off by by less than 3.
    because = "last two Richardson corrections in the scale and the last in the learning rate"
    within = Tolerance(max(error.max(), before.max() / 4) + 3 * off.max(), because)
    gain = measured("gain from small starts", limit, within=within, case=case, axes=("run",))
    yield gain.equals(frozen.gain_from_small_start(problem.minimum_norm_solution, L))
    if L == 3:
        fewer = frozen.gain_from_small_start(problem.minimum_norm_solution, L - 1)
        yield gain.control("gain of one layer less").equals(fewer)


def _refined(study: Study, problem: TeacherStudent, W: Layers, horizon: float, levels: int) -> list[list[Array]]:
    """The layers (1, runs, ...) at the horizon of trainings at 0.08, or a little less, and at half of it, and so on."""
    steps = round(horizon / 0.08)
    trainee = fused(study, copies_of(problem, levels), [copies(layer, levels) for layer in W])
    runs = refined_together(trainee, learning_rate=horizon / steps, record=[steps], levels=levels)
    return [layers_of(run.arrays) for run in runs]


def copies_of(problem: TeacherStudent, many: int) -> TeacherStudent:
    """All of its draws, and all again."""
    return TeacherStudent(*(copies(array, many) for array in (problem.X, problem.teacher, problem.noise)))


def _fitted_by(problem: TeacherStudent, W: Layers) -> float:
    """When the flow has fitted the labels of every run to 1e-9: small starts leave 0 after a time that varies.

    From 1e-5 on, where the solver's own error does not show, the slowest of these modes takes 28 more.
    """
    t, left = 16.0, np.inf
    while left > 1e-5:
        t *= 1.5
        layers = frozen.seen_flow(problem, W, np.array([t]), relative_tolerance=1e-7)[1]
        left = np.abs(end_to_end(layers) * problem.singular_values[:, None, :] - problem.targets).max()
    return t + 30


def _gain_of_flow(problem: TeacherStudent, W: Layers, t: Array, relative_tolerance: float) -> Array:
    """Gains (T, runs) at the times t (T,)."""
    _, layers = frozen.seen_flow(problem, W, t, relative_tolerance=relative_tolerance)
    return frozen.output_gain(layers)


def fused(study: Study, problem: TeacherStudent, W: Layers) -> Trainee:
    """Gradient descent, fused; `minnorm.deep_test_error` checks it against autograd."""
    return students(study, Constraint(problem, W, study.device), W, ControlledDescent(problem))
