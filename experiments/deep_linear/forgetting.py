"""Minnorm at any depth forgets: what the examples do not show at the rate a, imbalances at 2 a, both step by step."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from experiments.deep_linear.networks import by_descent, by_minnorm, by_weight_decay
from experiments.methods.minnorm import Equality, Minnorm
from experiments.training import Trainee, extrapolated, tends_to
from experiments.training.batches import layers_of
from theory.claims import RECONSTRUCTED, Check, Curves, Study, claim, curves, measured, rounding
from theory.claims.study import Training
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, gaussian_stack, imbalances
from theory.core.trajectory import Trajectory
from theory.deep_linear import minnorm
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

SHAPE = Ensemble(d=6, n=3, K=2)
HIDDEN = 5
STEP = 0.02
# A row of W_1 Q is a sum of d products and moves by a sum of n K more; each costs half an ulp of the row.
ROW = SHAPE.d + SHAPE.n * SHAPE.K + 4


@claim(
    "minnorm.deep_forgetting",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    source_kind=RECONSTRUCTED,
    statement=r"W_1(t) Q = e^{-a t} W_1(0) Q,\quad D_l(t) = e^{-2 a t} D_l(0),\ D_l = W_{l+1}^\top W_{l+1} - W_l"
    r" W_l^\top;\quad W_1^{+} Q = (1 - \eta a) W_1 Q\ \text{a step}",
    hypotheses=(
        "Minnorm on W_L ... W_1 at rates a (weights), b (multipliers) and augmentation c, learning rate eta",
        "W_1^+: W_1 after a step",
        "plain gradient steps",
        "any depth, width, start, multipliers, b and c",
        "Q projects off the examples",
    ),
    theory_side="closed form",
    controls=(
        "subspace: rate 10 % larger",
        "imbalance: at the rate of the subspace",
        "factor a step 10 % nearer 1",
        "what the examples show is forgotten alike",
        "imbalance a step: the factor of the flow alone",
        "gradient descent forgets",
        "Adam forgets at that rate",
    ),
)
def unseen_weights_and_imbalances_decay(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(1, 2, 3, 4), paper=(1, 2, 3, 4, 5)):
        problem, W, tuning = _random(study, L)
        yield from _each_step(study, problem, W, tuning)
        if L > 1:
            yield from _along_the_flow(study, problem, W, tuning)
    yield from _through_the_wrapper(study)


def _widths(L: int) -> list[int]:
    return [SHAPE.d, *[HIDDEN] * (L - 1), SHAPE.K]


def _random(study: Study, L: int) -> tuple[TeacherStudent, list[Array], Tuning]:
    """Random examples, starts and tunings; a negative b integrates away from the solution."""
    rng, runs = study.rng("random", L), study.pick(smoke=4, quick=8, paper=32)
    problem = draw(SHAPE, rng, runs)
    W = gaussian_stack(rng, _widths(L), 0.4, runs=runs)
    a, b, c = rng.uniform(0.4, 1.2, runs), rng.uniform(-0.3, 1.0, runs), rng.uniform(0.1, 0.5, runs)
    return problem, W, Tuning(a, b, c)


def _each_step(study: Study, problem: TeacherStudent, W: Layers, tuning: Tuning) -> Iterator[Check]:
    """Step by step, to rounding: the factor of W_1 Q, and the law of the imbalances."""
    a = np.asarray(tuning.a)
    trainees = {
        "Minnorm": (by_minnorm(study, problem, W, tuning), a),
        "weight decay": (by_weight_decay(study, problem, W, 0.7 * a), 0.7 * a),
        "gradient descent": (by_descent(study, problem, W), 0 * a),
    }
    steps, L = study.pick(smoke=25, quick=80, paper=120), len(W)
    for word, (trainee, rate) in trainees.items():
        run = trainee.train(learning_rate=STEP, steps=steps, record=range(steps + 1))
        yield from _unseen_each_step(word, problem, run, rate, L)
        if word == "Minnorm":
            yield _step_of_the_flow(problem, run, tuning, L)
        if word == "Minnorm" and L > 1:
            yield from _imbalances_each_step(problem, run, tuning, L)


def _unseen_each_step(word: str, problem: TeacherStudent, run: Trajectory, rate: Array, L: int) -> Iterator[Check]:
    first, case, axes = run["W1"] @ problem.unseen, f"depth {L}, {word}", ("step", "run")
    within = rounding(ROW, np.linalg.norm(run["W1"], axis=-1).max(), of="a row of W_1, d + n K + 4 of them a step")
    a_step = measured("W_1 Q a step", first[1:], within=within, case=case, axes=axes)
    in_all = measured("W_1 Q in all", first, within=within * len(first), case=case, axes=axes)
    steps = np.arange(len(first))[:, None, None, None]
    left = lambda k: 1 - k * STEP * rate[:, None, None]  # noqa: E731
    if word == "gradient descent":
        moved = measured("W_1 Q moves", first - first[0], within=within * len(first), case=case, axes=axes)
        yield moved.equals(0, against=STEP * len(first) * np.abs(first).max())
    else:
        yield a_step.equals(lambda k: left(k) * first[:-1])
        yield in_all.equals(lambda k: left(k) ** steps * first[0])
    if L == 2 and word == "Minnorm":
        yield a_step.control("factor a step 10 % nearer 1").equals(left(0.9) * first[:-1])
        shown = run["W1"] @ problem.seen
        alike = measured("W_1 P a step", shown[1:], within=within, case=case)
        yield alike.control("what the examples show is forgotten alike").equals(left(1) * shown[:-1])
    if L == 2 and word == "gradient descent":
        yield in_all.control("gradient descent forgets").equals(0.99**steps * first[0])


def _step_of_the_flow(problem: TeacherStudent, run: Trajectory, tuning: Tuning, L: int) -> Check:
    """autograd's step is the flow's velocity, written out, times the learning rate."""
    layers = layers_of(run.arrays)
    velocity, integral = minnorm.velocity(problem, tuning, [layer[:-1] for layer in layers], run["multipliers"][:-1].mT)
    moves = _flat([np.diff(array, axis=0) for array in (*layers, run["multipliers"].mT)])
    # The velocity is a sum of products over all widths, of numbers of the size of the layers' product and the labels.
    size = max(1, *(np.linalg.norm(layer, axis=(-2, -1)).max() for layer in layers)) ** (2 * L)
    size *= max(1, np.linalg.norm(problem.X, axis=(-2, -1)).max(), np.linalg.norm(problem.Y, axis=(-2, -1)).max()) ** 2
    of = "the largest product of layers, inputs and labels: 2 (L h + d + n)"
    within = rounding(2 * (L * HIDDEN + SHAPE.d + SHAPE.n), size, of=of)
    step = measured("step over velocity", moves, within=within, case=f"depth {L}", axes=("step", "run"))
    return step.supporting().equals(STEP * _flat([*velocity, integral]))


def _imbalances_each_step(problem: TeacherStudent, run: Trajectory, tuning: Tuning, L: int) -> Iterator[Check]:
    layers = layers_of(run.arrays)
    before, after = [layer[:-1] for layer in layers], [layer[1:] for layer in layers]
    eta_a = STEP * np.asarray(tuning.a)
    gradient = eta_a[:, None, None] * minnorm.force(problem, tuning, before, run["multipliers"][:-1].mT)
    # An entry is the difference of two sums of h products, of numbers that a step rounds once and d + n K sums before.
    size = max((layer**2).sum((-2, -1)).max() for layer in layers)
    terms = 2 * HIDDEN + 2 * L * (SHAPE.d + SHAPE.n * SHAPE.K)
    within = rounding(terms, size, of="the largest squared layer: 2 h + 2 L (d + n K)")
    name, value = "imbalance a step", _flat(imbalances(after))
    imbalance = measured(name, value, within=within, case=f"depth {L}", axes=("step", "run"))
    yield imbalance.equals(lambda k: _flat(minnorm.imbalances_after_step(before, gradient, k * eta_a)))
    if L == 2:
        alone = ((1 - eta_a) ** 2)[:, None] * _flat(imbalances(before))
        yield imbalance.control("imbalance a step: the factor of the flow alone").equals(alone)


def _along_the_flow(study: Study, problem: TeacherStudent, W: Layers, tuning: Tuning) -> Iterator[Check | Curves]:
    runs, a, case = _refine(study, by_minnorm(study, problem, W, tuning)), np.asarray(tuning.a), f"depth {len(W)}"
    t = runs[0].t
    unseen = [_flat([run["W1"] @ problem.unseen]) for run in runs]
    imbalance = [_flat(imbalances(layers_of(run.arrays))) for run in runs]
    forgotten = lambda k: _flat([minnorm.unseen_solution(problem, W, k * a, t)])  # noqa: E731
    decay = lambda k: _flat(minnorm.imbalance_solution(W, k * a, t))  # noqa: E731
    yield from tends_to("subspace", unseen, forgotten, case=case)
    yield from tends_to("imbalance", imbalance, decay, case=case)
    forgets = [
        _flat(imbalances(layers_of(run.arrays))) for run in _refine(study, by_weight_decay(study, problem, W, a))
    ]
    yield from tends_to("imbalance, weight decay", forgets, decay, case=case)
    if len(W) == 3:
        yield extrapolated("subspace", unseen).control("subspace: rate 10 % larger").equals(forgotten(1.1))
        wrong = extrapolated("imbalance", imbalance).control("imbalance: at the rate of the subspace")
        yield wrong.equals(decay(0.5))
        left = lambda values: np.linalg.norm(values, axis=-1) / np.linalg.norm(values[0], axis=-1)  # noqa: E731
        yield curves(t=np.multiply.outer(t, a), unseen=left(unseen[-1]), imbalance=left(imbalance[-1]))


def _through_the_wrapper(study: Study) -> Iterator[Check]:
    """The reusable wrapper, around three layers and torch's own optimisers: alternating steps forget alike."""
    rng = study.rng("wrapper")
    problem = draw(SHAPE, rng, 1)
    W = gaussian_stack(rng, _widths(3), 0.4)
    steps = study.pick(smoke=100, quick=300, paper=1000)
    # A row of W_1 Q: the sums of a step, and of the product with Q.
    largest = max(1.0, np.linalg.norm(W[0], axis=-1).max())
    within = rounding(steps * ROW, largest, of="a row of W_1, d + n K + 4 of them a step")
    predicted = lambda k: (1 - k * STEP) ** steps * (W[0] @ problem.unseen)[0]  # noqa: E731
    for word, optimiser in (("SGD", torch.optim.SGD), ("Adam", torch.optim.Adam)):
        network = nn.Sequential(*(nn.Linear(*layer.shape[:0:-1], bias=False, dtype=torch.float64) for layer in W))
        network.load_state_dict({f"{l}.weight": torch.tensor(layer[0]) for l, layer in enumerate(W)})
        network.to(study.device)
        inputs, targets = (torch.tensor(array[0].T.copy(), device=study.device) for array in (problem.X, problem.Y))
        optimizer = optimiser(network.parameters(), lr=STEP)
        method = Minnorm(optimizer, Equality(SHAPE.n, SHAPE.K), dual_learning_rate=0.05, augmentation=1.0)
        shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
        study.record(Training(f"Minnorm around {word}", shapes, (STEP, STEP), steps))
        for _ in range(steps):
            method(network(inputs), targets).backward()
            method.step()
        left = network[0].weight.detach().cpu().numpy() @ problem.unseen[0]
        forgotten = measured("W_1 Q", left, within=within, case=f"wrapper, {word}")
        yield (forgotten if word == "SGD" else forgotten.control("Adam forgets at that rate")).equals(predicted)


def _refine(study: Study, trainee: Trainee) -> list[Trajectory]:
    horizon = study.pick(smoke=0.4, quick=1.0, paper=2.0)
    return trainee.refine(learning_rate=STEP, horizon=horizon, records=5, levels=4)


def _flat(matrices: Sequence[Array]) -> Array:
    """Matrices (..., h, h') of one or several layers, as one vector a state."""
    return np.concatenate([matrix.reshape(*matrix.shape[:-2], -1) for matrix in matrices], axis=-1)
