"""A layer trained in every way to stay orthogonal, and without one: what happens to the Gram matrix of its neurons."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.descent import PreservingUpdate, cayley_step, two_iterations
from experiments.methods.orthogonal.parametrisations import Rotation
from experiments.methods.orthogonal.penalties import squared_penalty
from experiments.orthogonal.maps import EXACT
from experiments.training import GradientDescent, Loss, State, Trainee, Update, recording_steps
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Study,
    Tolerance,
    claim,
    curves,
    exactly,
    measured,
    rounding,
    varies,
)
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.orthogonal.preserving import defect_of_step


@dataclass(frozen=True)
class Sizes:
    """Of the layer, its data and its training."""

    inputs: int = varies("d of the layer", 16, smoke=6, low=3, high=48)
    neurons: int = varies("N of the layer", 32, smoke=10, low=2, high=128)
    examples: int = varies("n, of four tanh teachers", 256, smoke=48, low=8, high=2000)
    learning_rate: float = varies("of every method", 0.05, low=0.005, high=0.1)
    momentum: float = varies("of the steps on O(d)", 0.9, low=0, high=0.95)
    penalty: float = varies("weight of the squared penalty", 0.5, low=0.01, high=2)
    steps: int = varies("of the training", 600, smoke=60, paper=3000, low=20, high=3000)
    runs: int = varies("random starts", 2, paper=8, low=1, high=20)


class Task(NamedTuple):
    """Inputs (n, d), targets (n,), unit neurons W0 (runs, d, N), one a column, and readouts (runs, N)."""

    inputs: Array
    targets: Array
    W0: Array
    readout: Array


class Method(NamedTuple):
    """A way to train W: the tensor it starts from, the weight (runs, d, N) of a state, the penalty, and the rule."""

    start: Array
    weight: Callable[[State], Tensor]
    penalty: Callable[[State], Tensor | float] = lambda state: 0.0
    update: Callable[[Loss], Update] = GradientDescent


@claim(
    "liu2021.training",
    source="Liu et al. 2021 (OPT): ways to keep the transform orthogonal while a network is trained",
    source_kind=RECONSTRUCTED,
    statement=r"W = R W_0,\ R R^\top = I:\quad W(t)^\top W(t) = W_0^\top W_0;\quad"
    r" \text{two iterations a step: } \Delta(W^\top W) = -W^\top (\tfrac{w^4}{4} + \tfrac{w^6}{16}) W",
    hypotheses=(
        "a hidden layer of ReLU neurons W under OPT, its readout trained too; float64",
        "w skew: what a step turns R by",
    ),
    theory_side="identity",
    controls=(
        "plain gradient descent keeps the Gram matrix",
        "a penalty keeps the Gram matrix",
        "two iterations a step keep the Gram matrix",
        "the defect of the fourth order alone",
        "OPT keeps the neurons where they were",
        "OPT does not lower the loss",
    ),
    parameters=Sizes,
)
def the_neurons_turn_as_one(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    task = _task(study.rng("task"), sizes)
    methods = _methods(study, task, sizes)
    d, steps, eta = sizes.inputs, sizes.steps, sizes.learning_rate
    anew = rounding(20 * d, of="entries of the Gram matrix: R is made anew each step")
    adding = rounding(20 * d * steps, of="entries of the Gram matrix, a step, all of one sign")
    runs = {
        method: _train(study, task, methods[method], eta, recording_steps(steps, 61))
        for method in (*EXACT, "exact_steps", "plain", "penalty")
    }
    plain = float(runs["plain"]["drift"][-1].min())
    for map in EXACT:
        drift = measured("Gram drift", runs[map]["drift"], within=anew, case=map, axes=("record", "run"))
        yield drift.equals(0, against=plain)
    exact = runs["exact_steps"]
    drift = measured("Gram drift", exact["drift"], within=adding, case="exact_steps", axes=("record", "run"))
    yield drift.equals(0, against=plain)
    yield from _moves([runs[method] for method in (*EXACT, "exact_steps")], adding)
    yield from _two_iterations(study, task, methods["two_iterations"], eta, steps)
    for method, control in (
        ("plain", "plain gradient descent keeps the Gram matrix"),
        ("penalty", "a penalty keeps the Gram matrix"),
    ):
        drift = measured("Gram drift", runs[method]["drift"][-1], within=adding, case=method)
        yield drift.control(control).equals(0)
    yield curves(t=exact.t)
    for method, run in runs.items():
        yield curves(method, drift=_shown(run["drift"]), loss=run["loss"].mean(-1))


def _moves(runs: list[Trajectory], within: Tolerance) -> Iterator[Check]:
    """Flatness is not inactivity: in every run the neurons move and the loss falls."""
    moved = min(run["moved"][-1].min() for run in runs)
    still = measured("least distance moved", moved, within=within)
    yield still.control("OPT keeps the neurons where they were").equals(0)
    left = max((run["loss"][-1] / run["loss"][0]).max() for run in runs)
    highest = measured("loss at the end, of its start", left, within=exactly("descent at a small learning rate"))
    yield highest.control("OPT does not lower the loss").at_least(1)


def _shown(drift: Array) -> Array:
    """Largest drift (T,) of the runs; half a rounding where there is none, for a logarithmic axis."""
    return np.maximum(drift.max(-1), EPS / 2)


def _two_iterations(study: Study, task: Task, method: Method, eta: float, steps: int) -> Iterator[Check | Curves]:
    """The published step: the Gram matrix shrinks at each, by an amount that its w gives exactly, from any R."""
    run = _train(study, task, method, eta, list(range(steps + 1)))
    R, memory = run["R"], run["R.momentum"]
    tangents = memory[1:] @ np.linalg.inv(R[:-1])
    w = tangents * np.minimum(eta, 1 / np.linalg.norm(tangents, axis=(-2, -1), keepdims=True))
    W = R @ task.W0
    gram = W.mT @ W
    lost = W[:-1].mT @ defect_of_step(w) @ W[:-1]
    predicted = lambda k: gram[0] - k * np.cumsum(lost, axis=0)  # noqa: E731
    within = rounding(20 * W.shape[-2] * steps, of="entries of the Gram matrix, 20 d a step")
    shrinking = measured("Gram matrix", gram[1:], within=within, case="two_iterations", axes=("step", "run"))
    yield shrinking.equals(predicted)
    end = measured("Gram matrix at the end", gram[-1], within=within, axes=("run",))
    yield end.control("two iterations a step keep the Gram matrix").equals(gram[0])
    fourth = gram[0] - (W[:-1].mT @ np.linalg.matrix_power(w, 4) @ W[:-1] / 4).sum(0)
    yield end.control("the defect of the fourth order alone").equals(fourth)
    shown = np.linspace(0, steps, 61).round().astype(int)
    drift, expected = (np.abs(each - gram[0]).max((-2, -1)) for each in (gram, predicted(1.0)))
    yield curves("two_iterations", drift=_shown(drift)[shown], predicted=np.append(0.0, expected.max(-1))[shown])


def _task(rng: np.random.Generator, sizes: Sizes) -> Task:
    """Four tanh teachers, n Gaussian inputs, unit neurons."""
    d, N, n, runs = sizes.inputs, sizes.neurons, sizes.examples, sizes.runs
    inputs, teachers = rng.standard_normal((n, d)), rng.standard_normal((d, 4))
    W0 = rng.standard_normal((runs, d, N))
    W0 /= np.linalg.norm(W0, axis=1, keepdims=True)
    return Task(inputs, np.tanh(inputs @ teachers).sum(-1), W0, rng.standard_normal((runs, N)) / np.sqrt(N))


def _methods(study: Study, task: Task, sizes: Sizes) -> dict[str, Method]:
    """Every map from R = I, R itself with momentum by the exact step and by the published one, and what is not OPT."""
    runs, d, _ = task.W0.shape
    W0 = torch.tensor(task.W0, dtype=torch.float64, device=study.device)
    identity = np.broadcast_to(np.eye(d), (runs, d, d))

    def parametrised(map: str) -> Method:
        rotation = Rotation(d, map, runs=(runs,), dtype=torch.float64, device=study.device)
        return Method(rotation.parameter.detach().cpu().numpy(), lambda state: rotation.map(state["R"]) @ W0)

    def turned(**how: Any) -> Method:
        return Method(identity, lambda state: state["R"] @ W0, **how)

    return {
        **{map: parametrised(map) for map in EXACT},
        "exact_steps": turned(update=lambda loss: PreservingUpdate(loss, sizes.momentum, cayley_step)),
        "two_iterations": turned(update=lambda loss: PreservingUpdate(loss, sizes.momentum, two_iterations)),
        "penalty": turned(penalty=lambda state: sizes.penalty * squared_penalty(state["R"])),
        "plain": Method(task.W0, lambda state: state["R"]),
    }


def _train(study: Study, task: Task, method: Method, eta: float, record: list[int]) -> Trajectory:
    """Full-batch descent on the mean squared error / 2 of x -> readout . relu(W^T x); the drift and what moved it."""
    inputs, targets, W0 = (
        torch.tensor(array, dtype=torch.float64, device=study.device) for array in (task.inputs, task.targets, task.W0)
    )
    gram = W0.mT @ W0

    def error(state: State) -> Tensor:
        hidden = torch.relu(inputs @ method.weight(state))
        outputs = (hidden @ state["readout"].unsqueeze(-1)).squeeze(-1)
        return 0.5 * (outputs - targets).square().mean(-1)

    def loss(state: State) -> Tensor:
        return error(state) + method.penalty(state)

    def observe(state: State) -> State:
        W = method.weight(state)
        seen = {
            "drift": (W.mT @ W - gram).abs().amax((-2, -1)),
            "moved": torch.linalg.matrix_norm(W - W0) / torch.linalg.matrix_norm(W0),
            "loss": error(state),
        }
        return seen | {name: state[name] for name in ("R", "R.momentum") if name in state}

    start = {"R": method.start, "readout": task.readout}
    trainee = Trainee(study, loss, start, method.update(loss), observe)
    return trainee.train(learning_rate=eta, steps=record[-1], record=record)
