"""Minnorm at any depth forgets: what the examples do not show at the rate a, imbalances at 2 a, both step by step."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from experiments.chain.networks import everything
from experiments.deep_linear.networks import Constraint, MinnormDescent, squared_loss, train_stack
from experiments.methods.minnorm import Equality, Minnorm
from experiments.training.batches import layers_of
from experiments.training.legacy import extrapolated, refined
from experiments.training.refinement import tends_to
from experiments.training.updates import DecayedDescent, GradientDescent, Update, constant
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import Layers, gaussian_stack, imbalances
from theory.core.trajectory import Trajectory
from theory.deep_linear import minnorm
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning

SHAPE = Ensemble(d=6, n=3, K=2)
HIDDEN = 5
STEP = 0.02


@claim(
    "minnorm.deep_forgetting",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    statement=r"W_1(t) Q = e^{-a t} W_1(0) Q,\quad D_l(t) = e^{-2 a t} D_l(0),\ D_l = W_{l+1}^\top W_{l+1} - W_l"
    r" W_l^\top;\quad W_1^{+} Q = (1 - \eta a) W_1 Q\ \text{a step}",
    hypotheses=("plain gradient steps", "any depth, width, start, multipliers, b and c", "Q projects off the examples"),
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
        constraint = Constraint(problem, _widths(L), study.device)
        yield from _each_step(study, L, problem, constraint, W, tuning)
        if L > 1:
            yield from _along_the_flow(study, L, problem, constraint, W, tuning)
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


def _each_step(
    study: Study, L: int, problem: TeacherStudent, constraint: Constraint, W: Layers, tuning: Tuning
) -> Iterator[Check]:
    """Step by step, to rounding: the factor of W_1 Q, and the law of the imbalances."""
    steps, gamma = study.pick(smoke=25, quick=80, paper=120), 0.7 * np.asarray(tuning.a)
    rules: dict[str, tuple[Update, Array]] = {
        "Minnorm": (MinnormDescent(constraint, tuning), np.asarray(tuning.a)),
        "weight decay": (DecayedDescent(squared_loss(constraint), constant(gamma)), gamma),
        "gradient descent": (GradientDescent(squared_loss(constraint)), np.zeros(len(gamma))),
    }
    for word, (rule, rate) in rules.items():
        name = f"depth {L}, {word}"
        run = _train(study, name, constraint, W, rule, STEP, steps, list(range(steps + 1)))
        first = run["W1"] @ problem.unseen
        # A row of W_1 Q is a sum of d products and moves by a sum of n K more; each costs half an ulp of the row.
        size = np.linalg.norm(run["W1"], axis=-1).max()
        tolerance = (SHAPE.d + SHAPE.n * SHAPE.K + 4) * EPS * size
        because = "d + n K + 4 roundings of a row of W_1"
        factor = (1 - STEP * rate)[:, None, None]
        yield equal(f"{name}: W_1 Q a step", first[1:], factor * first[:-1], tolerance=tolerance, because=because)
        powers = factor ** np.arange(steps + 1)[:, None, None, None]
        whole, tolerances = powers * (W[0] @ problem.unseen), (steps + 1) * tolerance
        yield equal(f"{name}: W_1 Q in all", first, whole, tolerance=tolerances, because=f"{because} a step")
        if word == "Minnorm":
            yield _step_of_the_flow(L, problem, run, tuning)
        if word == "Minnorm" and L > 1:
            yield from _imbalances_each_step(L, problem, run, tuning)
        if L == 2:
            yield from _other_factors(word, run, problem, powers, factor, tolerance)


def _other_factors(
    word: str, run: Trajectory, problem: TeacherStudent, powers: Array, factor: Array, tolerance: float
) -> Iterator[Check]:
    first = run["W1"] @ problem.unseen
    if word == "Minnorm":
        nearer = equal("factor", first[1:], (0.1 + 0.9 * factor) * first[:-1], tolerance=tolerance, because="rounding")
        yield refuted("factor a step 10 % nearer 1", nearer)
        seen = run["W1"] @ problem.seen
        alike = equal("W_1 P a step", seen[1:], factor * seen[:-1], tolerance=tolerance, because="rounding")
        yield refuted("what the examples show is forgotten alike", alike)
    if word == "gradient descent":
        decayed = 0.99 ** np.arange(len(powers))[:, None, None, None] * first[0]
        forgets = equal("W_1 Q", first, decayed, tolerance=len(powers) * tolerance, because="rounding")
        yield refuted("gradient descent forgets", forgets)


def _step_of_the_flow(L: int, problem: TeacherStudent, run: Trajectory, tuning: Tuning) -> Check:
    """autograd's step is the flow's velocity, written out, times the learning rate."""
    before = [layer[:-1] for layer in layers_of(run.arrays)]
    velocity, integral = minnorm.velocity(problem, tuning, before, run["multiplier"][:-1].mT)
    moves = [np.diff(layer, axis=0) for layer in layers_of(run.arrays)]
    moves.append(np.diff(run["multiplier"], axis=0).mT)
    # The velocity is a sum of products over all widths, of numbers of the size of the layers' product and the labels.
    size = max(1, *(np.linalg.norm(layer, axis=(-2, -1)).max() for layer in layers_of(run.arrays))) ** (2 * L)
    size *= max(1, np.linalg.norm(problem.X, axis=(-2, -1)).max(), np.linalg.norm(problem.Y, axis=(-2, -1)).max()) ** 2
    tolerance = 2 * (L * HIDDEN + SHAPE.d + SHAPE.n) * EPS * size
    because = "2 (L h + d + n) roundings of the largest product of layers, inputs and labels"
    predicted = STEP * _flat([*velocity, integral])
    return equal(f"depth {L}: step over velocity", _flat(moves), predicted, tolerance=tolerance, because=because)


def _imbalances_each_step(L: int, problem: TeacherStudent, run: Trajectory, tuning: Tuning) -> Iterator[Check]:
    before = [layer[:-1] for layer in layers_of(run.arrays)]
    eta_a = STEP * np.asarray(tuning.a)
    multiplier = run["multiplier"][:-1].mT
    pull = eta_a[:, None, None] * minnorm.force(problem, tuning, before, multiplier)
    predicted = _flat(minnorm.imbalances_after_step(before, pull, eta_a))
    after = _flat(imbalances([layer[1:] for layer in layers_of(run.arrays)]))
    # An entry is the difference of two sums of h products, of numbers that a step rounds once and d + n K sums before.
    size = max((layer**2).sum((-2, -1)).max() for layer in layers_of(run.arrays))
    tolerance = (2 * HIDDEN + 2 * L * (SHAPE.d + SHAPE.n * SHAPE.K)) * EPS * size
    because = "2 h + 2 L (d + n K) roundings of the largest squared layer"
    yield equal(f"depth {L}: imbalance a step", after, predicted, tolerance=tolerance, because=because)
    if L == 2:
        alone = ((1 - eta_a) ** 2)[:, None] * _flat(imbalances(before))
        wrong = equal("imbalance", after, alone, tolerance=tolerance, because=because)
        yield refuted("imbalance a step: the factor of the flow alone", wrong)


def _along_the_flow(
    study: Study, L: int, problem: TeacherStudent, constraint: Constraint, W: Layers, tuning: Tuning
) -> Iterator[Check | Curves]:
    rule = lambda: MinnormDescent(constraint, tuning)  # noqa: E731
    runs = _refine(study, f"depth {L}", constraint, W, rule)
    t, a = runs[0].t, np.asarray(tuning.a)
    measured = {
        "subspace": [_flat([run["W1"] @ problem.unseen]) for run in runs],
        "imbalance": [_flat(imbalances(layers_of(run.arrays))) for run in runs],
    }
    predicted = {
        "subspace": _flat([minnorm.unseen_weights(problem, W, a, t)]),
        "imbalance": _flat(minnorm.imbalances_at(W, a, t)),
    }
    for word, values in measured.items():
        yield from tends_to(f"depth {L}: {word}", values, predicted[word])
    decay = lambda: DecayedDescent(squared_loss(constraint), constant(a))  # noqa: E731
    forgets = _refine(study, f"depth {L}, weight decay", constraint, W, decay)
    values = [_flat(imbalances(layers_of(run.arrays))) for run in forgets]
    yield from tends_to(f"depth {L}: imbalance, weight decay", values, predicted["imbalance"])
    if L == 3:
        faster = _flat([minnorm.unseen_weights(problem, W, 1.1 * a, t)])
        yield refuted("subspace: rate 10 % larger", extrapolated("10 %", measured["subspace"], faster))
        slower = _flat(minnorm.imbalances_at(W, a / 2, t))
        wrong = extrapolated("half", measured["imbalance"], slower)
        yield refuted("imbalance: at the rate of the subspace", wrong)
        norm = lambda values: np.linalg.norm(values, axis=-1) / np.linalg.norm(values[0], axis=-1)  # noqa: E731
        yield curves(t=np.multiply.outer(t, a))
        yield curves(unseen=norm(measured["subspace"][-1]), imbalance=norm(measured["imbalance"][-1]))


def _through_the_wrapper(study: Study) -> Iterator[Check]:
    """The reusable wrapper, around three layers and torch's own optimisers: alternating steps forget alike."""
    rng = study.rng("wrapper")
    problem = draw(SHAPE, rng, 1)
    W = gaussian_stack(rng, _widths(3), 0.4)
    rate, steps = 0.02, study.pick(smoke=100, quick=300, paper=1000)
    # A row of W_1 Q: the sums of a step, and of the product with Q.
    tolerance = steps * (SHAPE.d + SHAPE.n * SHAPE.K + 4) * EPS * max(1.0, np.linalg.norm(W[0], axis=-1).max())
    because = "d + n K + 4 roundings of a row of W_1, a step"
    for name, optimiser in (("SGD", torch.optim.SGD), ("Adam", torch.optim.Adam)):
        network = nn.Sequential(*(nn.Linear(*layer.shape[:0:-1], bias=False, dtype=torch.float64) for layer in W))
        network.load_state_dict({f"{l}.weight": torch.tensor(layer[0]) for l, layer in enumerate(W)})
        network.to(study.device)
        inputs, targets = (torch.tensor(array[0].T.copy(), device=study.device) for array in (problem.X, problem.Y))
        constraint, optimizer = Equality(SHAPE.n, SHAPE.K), optimiser(network.parameters(), lr=rate)
        method = Minnorm(optimizer, constraint, dual_learning_rate=0.05, augmentation=1.0)
        for _ in range(steps):
            method(network(inputs), targets).backward()
            method.step()
        left = network[0].weight.detach().cpu().numpy() @ problem.unseen[0]
        predicted = (1 - rate) ** steps * (W[0] @ problem.unseen)[0]
        check = equal(f"wrapper, {name}: W_1 Q", left, predicted, tolerance=tolerance, because=because)
        yield check if name == "SGD" else refuted("Adam forgets at that rate", check)


def _refine(study: Study, name: str, constraint: Constraint, W: Layers, rule: Callable[[], Update]) -> list[Trajectory]:
    def descend(level: str, *, learning_rate: float, steps: int, record: list[int]) -> Trajectory:
        return _train(study, level, constraint, W, rule(), learning_rate, steps, record)

    horizon = study.pick(smoke=0.4, quick=1.0, paper=2.0)
    return refined(descend, name, learning_rate=STEP, horizon=horizon, records=5)


def _train(
    study: Study, name: str, constraint: Constraint, W: Layers, rule: Update, eta: float, steps: int, record: list[int]
) -> Trajectory:
    schedule = {"learning_rate": eta, "steps": steps, "record": record}
    return train_stack(study, name, constraint, W, rule, **schedule, observe=everything)


def _flat(matrices: list[Array]) -> Array:
    """Matrices (..., h, h') of one or several layers, as one vector a state."""
    return np.concatenate([matrix.reshape(*matrix.shape[:-2], -1) for matrix in matrices], axis=-1)
