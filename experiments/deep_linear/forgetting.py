"""Minnorm at any depth forgets: what the examples do not show at the rate a, imbalances at 2 a, both step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from experiments.deep_linear import own_data
from experiments.deep_linear.aligned import require_different
from experiments.deep_linear.networks import by_descent, by_minnorm, by_weight_decay
from experiments.methods.minnorm import Equality, Minnorm
from experiments.training import Trainee, extrapolated, tends_to
from experiments.training.batches import layers_of
from theory.claims import RECONSTRUCTED, Check, Curves, Study, claim, curves, measured, on_data, rounding, varies
from theory.claims.study import Training
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, gaussian_stack, imbalances
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.deep_linear import minnorm
from theory.deep_linear.problem import Ensemble, TeacherStudent, draw
from theory.minnorm.tuning import Tuning


@dataclass(frozen=True)
class Forgetting:
    depths: tuple[int, ...] = varies(
        "numbers of layers; 2 and 3 beside them", (1, 2, 3, 4), smoke=(2, 3), paper=(1, 2, 3, 4, 5), low=1, high=6
    )
    inputs: int = varies("d", 6, low=2, high=100, from_data=True)
    examples: int = varies("n", 3, low=1, high=99, from_data=True)
    outputs: int = varies("K", 2, low=1, high=20, from_data=True)
    width: int = varies("h, of hidden layers", 5, low=1, high=50)
    runs: int = varies("random examples, starts and tunings", 8, smoke=4, paper=32, low=1, high=200)
    learning_rate: float = varies("of descent, and of the coarsest run", 0.02, low=2e-3, high=0.03)
    steps: int = varies("that are looked at", 80, smoke=25, paper=120, low=1, high=1000)
    horizon: float = varies("until when the flow is watched", 1.0, smoke=0.4, paper=2.0, low=0.2, high=3, unit="time")
    alternating: int = varies(
        "steps of the wrapper around torch's optimisers", 300, smoke=100, paper=1000, low=50, high=5000
    )

    def __post_init__(self) -> None:
        require_different(self.depths)
        if self.examples >= self.inputs:
            reject("examples", self.examples, f"fewer than the inputs, {self.inputs}: else all of W_1 is seen")
        stable = self._stable(max(3, *self.depths))
        if self.learning_rate > stable:
            reject("learning_rate", self.learning_rate, f"at most {stable:.2g} for so many examples and layers")

    def _stable(self, L: int) -> float:
        """1.5 over a c L s^(2 - 2/L) |X|^2, with a c <= 0.6 and the strength s of labels about sqrt n + sqrt K."""
        strength = self.examples**0.5 + self.outputs**0.5
        return 1.5 / (0.6 * L * strength ** (2 - 2 / L) * (1 + (self.examples / self.inputs) ** 0.5) ** 2)

    def coarsest(self, L: int) -> float:
        """Learning rate from which a flow is refined: so far below the stable one errors shrink with their order."""
        return min(self.learning_rate, self._stable(L) / 6)

    @property
    def shape(self) -> Ensemble:
        return Ensemble(self.inputs, self.examples, self.outputs)

    def widths(self, L: int) -> list[int]:
        return [self.inputs, *[self.width] * (L - 1), self.outputs]


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
    accepts_data="regression",
    parameters=Forgetting,
)
def unseen_weights_and_imbalances_decay(study: Study, size: Forgetting) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _of_own_data(study, size)
    for L in sorted({2, 3, *size.depths}):
        rng = study.rng("random", L)
        problem = draw(size.shape, rng, size.runs)
        yield from _at_depth(study, problem, *_random(rng, problem, size.widths(L)), size)
    yield from _through_the_wrapper(study, size)


@on_data
def _of_own_data(study: Study, size: Forgetting) -> Iterator[Check | Curves]:
    """Two layers and three, from random starts, on the user's data."""
    own = own_data.own(study)
    if not own.hides:
        study.remark("the examples show every direction of the inputs: imbalances are judged, and W_1 Q is 0")
    problem = own.problem.each(4)
    # Three methods step by step, two flows at four learning rates, at two depths.
    steps = 6 * size.steps + 60 * size.horizon / size.learning_rate
    own_data.require_time(study, steps, 4, problem, size.width)
    for L in (2, 3):
        rng = study.rng("own data", L)
        start = _random(rng, problem, [problem.d, *[size.width] * (L - 1), problem.K])
        yield from _at_depth(study, problem, *start, size, of="own data, ")


def _at_depth(
    study: Study, problem: TeacherStudent, W: Layers, tuning: Tuning, size: Forgetting, of: str = ""
) -> Iterator[Check | Curves]:
    yield from _each_step(study, problem, W, tuning, size, of)
    if len(W) > 1:
        yield from _along_the_flow(study, problem, W, tuning, size, of)


def _random(rng: np.random.Generator, problem: TeacherStudent, widths: list[int]) -> tuple[list[Array], Tuning]:
    """Random starts and tunings; a negative b integrates away from the solution."""
    runs = len(problem.X)
    W = gaussian_stack(rng, widths, _scale(widths), runs=runs)
    a, b, c = rng.uniform(0.4, 1.2, runs), rng.uniform(-0.3, 1.0, runs), rng.uniform(0.1, 0.5, runs)
    return W, Tuning(a, b, c)


def _scale(widths: list[int]) -> float:
    """Of the entries of a start: 0.4, and less where layers are wide, so that their norms stay what they are."""
    return 0.4 * min(1.0, (5 / max(widths[1:])) ** 0.5)


def _roundings(problem: TeacherStudent) -> int:
    """A row of W_1 Q is a sum of d products and moves by a sum of n K more; each costs half an ulp of the row."""
    return problem.d + problem.n * problem.K + 4


def _hides(problem: TeacherStudent) -> bool:
    """Whether there are directions that the examples do not show."""
    return bool(problem.d > problem.rank.max())


def _each_step(
    study: Study, problem: TeacherStudent, W: Layers, tuning: Tuning, size: Forgetting, of: str
) -> Iterator[Check]:
    """Step by step, to rounding: the factor of W_1 Q, and the law of the imbalances."""
    a = np.asarray(tuning.a)
    trainees = {
        "Minnorm": (by_minnorm(study, problem, W, tuning), a),
        "weight decay": (by_weight_decay(study, problem, W, 0.7 * a), 0.7 * a),
        "gradient descent": (by_descent(study, problem, W), 0 * a),
    }
    L, eta = len(W), size.learning_rate
    for word, (trainee, rate) in trainees.items():
        run = trainee.train(learning_rate=eta, steps=size.steps, record=range(size.steps + 1))
        if _hides(problem):
            yield from _unseen_each_step(word, problem, run, eta * rate, L, of)
        if word == "Minnorm":
            yield _step_of_the_flow(problem, run, tuning, eta, f"{of}depth {L}")
        if word == "Minnorm" and L > 1:
            yield from _imbalances_each_step(problem, run, tuning, eta, L, of)


def _unseen_each_step(
    word: str, problem: TeacherStudent, run: Trajectory, shrinkage: Array, L: int, of: str
) -> Iterator[Check]:
    first, case, axes = run["W1"] @ problem.unseen, f"{of}depth {L}, {word}", ("step", "run")
    within = rounding(
        _roundings(problem), np.linalg.norm(run["W1"], axis=-1).max(), of="a row of W_1, d + n K + 4 of them a step"
    )
    a_step = measured("W_1 Q a step", first[1:], within=within, case=case, axes=axes)
    in_all = measured("W_1 Q in all", first, within=within * len(first), case=case, axes=axes)
    steps = np.arange(len(first))[:, None, None, None]
    left = lambda k: 1 - k * shrinkage[:, None, None]  # noqa: E731
    if word == "gradient descent":
        moved = measured("W_1 Q moves", first - first[0], within=within * len(first), case=case, axes=axes)
        yield moved.equals(0, against=0.02 * len(first) * np.abs(first).max())
    else:
        yield a_step.equals(lambda k: left(k) * first[:-1])
        yield in_all.equals(lambda k: left(k) ** steps * first[0])
    if L == 2 and word == "Minnorm" and not of:
        yield a_step.control("factor a step 10 % nearer 1").equals(left(0.9) * first[:-1])
        shown = run["W1"] @ problem.seen
        alike = measured("W_1 P a step", shown[1:], within=within, case=case)
        yield alike.control("what the examples show is forgotten alike").equals(left(1) * shown[:-1])
    if L == 2 and word == "gradient descent" and not of:
        yield in_all.control("gradient descent forgets").equals(0.99**steps * first[0])


def _step_of_the_flow(problem: TeacherStudent, run: Trajectory, tuning: Tuning, eta: float, case: str) -> Check:
    """autograd's step is the flow's velocity, written out, times the learning rate."""
    layers = layers_of(run.arrays)
    L = len(layers)
    velocity, integral = minnorm.velocity(problem, tuning, [layer[:-1] for layer in layers], run["multipliers"][:-1].mT)
    moves = _flat([np.diff(array, axis=0) for array in (*layers, run["multipliers"].mT)])
    # The velocity is a sum of products over all widths, of numbers of the size of the layers' product and the labels.
    size = max(1, *(np.linalg.norm(layer, axis=(-2, -1)).max() for layer in layers)) ** (2 * L)
    size *= max(1, np.linalg.norm(problem.X, axis=(-2, -1)).max(), np.linalg.norm(problem.Y, axis=(-2, -1)).max()) ** 2
    of = "the largest product of layers, inputs and labels: 2 (L h + d + n)"
    within = rounding(2 * (L * layers[0].shape[-2] + problem.d + problem.n), size, of=of)
    step = measured("step over velocity", moves, within=within, case=case, axes=("step", "run"))
    return step.supporting().equals(eta * _flat([*velocity, integral]))


def _imbalances_each_step(
    problem: TeacherStudent, run: Trajectory, tuning: Tuning, eta: float, L: int, of: str
) -> Iterator[Check]:
    layers = layers_of(run.arrays)
    before, after = [layer[:-1] for layer in layers], [layer[1:] for layer in layers]
    eta_a = eta * np.asarray(tuning.a)
    gradient = eta_a[:, None, None] * minnorm.force(problem, tuning, before, run["multipliers"][:-1].mT)
    # An entry is the difference of two sums of h products, of numbers that a step rounds once and d + n K sums before.
    size = max((layer**2).sum((-2, -1)).max() for layer in layers)
    terms = 2 * layers[0].shape[-2] + 2 * L * (problem.d + problem.n * problem.K)
    within = rounding(terms, size, of="the largest squared layer: 2 h + 2 L (d + n K)")
    name, value = "imbalance a step", _flat(imbalances(after))
    imbalance = measured(name, value, within=within, case=f"{of}depth {L}", axes=("step", "run"))
    yield imbalance.equals(lambda k: _flat(minnorm.imbalances_after_step(before, gradient, k * eta_a)))
    if L == 2 and not of:
        alone = ((1 - eta_a) ** 2)[:, None] * _flat(imbalances(before))
        yield imbalance.control("imbalance a step: the factor of the flow alone").equals(alone)


def _along_the_flow(
    study: Study, problem: TeacherStudent, W: Layers, tuning: Tuning, size: Forgetting, of: str
) -> Iterator[Check | Curves]:
    L, a, case = len(W), np.asarray(tuning.a), f"{of}depth {len(W)}"
    runs = _refine(by_minnorm(study, problem, W, tuning), L, size)
    t = runs[0].t
    unseen = [_flat([run["W1"] @ problem.unseen]) for run in runs]
    imbalance = [_flat(imbalances(layers_of(run.arrays))) for run in runs]
    forgotten = lambda k: _flat([minnorm.unseen_solution(problem, W, k * a, t)])  # noqa: E731
    decay = lambda k: _flat(minnorm.imbalance_solution(W, k * a, t))  # noqa: E731
    if _hides(problem):
        yield from tends_to("subspace", unseen, forgotten, case=case)
    yield from tends_to("imbalance", imbalance, decay, case=case)
    decayed = _refine(by_weight_decay(study, problem, W, a), L, size)
    forgets = [_flat(imbalances(layers_of(run.arrays))) for run in decayed]
    yield from tends_to("imbalance, weight decay", forgets, decay, case=case)
    if L == 3 and not of:
        yield extrapolated("subspace", unseen).control("subspace: rate 10 % larger").equals(forgotten(1.1))
        wrong = extrapolated("imbalance", imbalance).control("imbalance: at the rate of the subspace")
        yield wrong.equals(decay(0.5))
        left = lambda values: np.linalg.norm(values, axis=-1) / np.linalg.norm(values[0], axis=-1)  # noqa: E731
        yield curves(t=np.multiply.outer(t, a), unseen=left(unseen[-1]), imbalance=left(imbalance[-1]))


def _through_the_wrapper(study: Study, size: Forgetting) -> Iterator[Check]:
    """The reusable wrapper, around three layers and torch's own optimisers: alternating steps forget alike."""
    rng = study.rng("wrapper")
    problem, steps, eta = draw(size.shape, rng, 1), size.alternating, size.learning_rate
    W = gaussian_stack(rng, size.widths(3), _scale(size.widths(3)))
    # A row of W_1 Q: the sums of a step, and of the product with Q.
    largest = max(1.0, np.linalg.norm(W[0], axis=-1).max())
    within = rounding(steps * _roundings(problem), largest, of="a row of W_1, d + n K + 4 of them a step")
    predicted = lambda k: (1 - k * eta) ** steps * (W[0] @ problem.unseen)[0]  # noqa: E731
    for word, optimiser in (("SGD", torch.optim.SGD), ("Adam", torch.optim.Adam)):
        network = nn.Sequential(*(nn.Linear(*layer.shape[:0:-1], bias=False, dtype=torch.float64) for layer in W))
        network.load_state_dict({f"{l}.weight": torch.tensor(layer[0]) for l, layer in enumerate(W)})
        network.to(study.device)
        inputs, targets = (torch.tensor(array[0].T.copy(), device=study.device) for array in (problem.X, problem.Y))
        optimizer = optimiser(network.parameters(), lr=eta)
        method = Minnorm(optimizer, Equality(problem.n, problem.K), dual_learning_rate=0.05, augmentation=1.0)
        shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
        study.record(Training(f"Minnorm around {word}", shapes, (eta, eta), steps))
        for _ in range(steps):
            method(network(inputs), targets).backward()
            method.step()
        left = network[0].weight.detach().cpu().numpy() @ problem.unseen[0]
        forgotten = measured("W_1 Q", left, within=within, case=f"wrapper, {word}")
        yield (forgotten if word == "SGD" else forgotten.control("Adam forgets at that rate")).equals(predicted)


def _refine(trainee: Trainee, L: int, size: Forgetting) -> list[Trajectory]:
    return trainee.refine(learning_rate=size.coarsest(L), horizon=size.horizon, records=5, levels=4)


def _flat(matrices: Sequence[Array]) -> Array:
    """Matrices (..., h, h') of one or several layers, as one vector a state."""
    return np.concatenate([matrix.reshape(*matrix.shape[:-2], -1) for matrix in matrices], axis=-1)
