"""Matrix completion by Minnorm: without all entries known, depth changes the answer, and multipliers certify it."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.chain.networks import everything
from experiments.deep_linear.limit import isometries, settles
from experiments.deep_linear.networks import Constraint, MinnormDescent, squared_loss, train_stack
from experiments.training.batches import layers_of
from experiments.training.updates import GradientDescent, State, Update
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS
from theory.core.linear_networks import Layers, end_to_end, squared_norm
from theory.core.trajectory import Trajectory
from theory.deep_linear.completion import Completion, corner, duality_gap, nuclear_fill, planted, schatten_fill
from theory.deep_linear.minnorm import least_norm
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

CORNER = (1.0, 2.0, 3.0)
SLOWEST = 0.25  # of all rates at the completions below, where a = 1
CERTIFIED = 1e-5  # of the nuclear norm


@claim(
    "minnorm.deep_completion",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    statement=r"\min \sum_l |W_l|_F^2 \text{ s.t. } W_{ij} = Y_{ij},\ (i, j) \text{ known} \;=\; \min L \sum_k"
    r" \sigma_k(W)^{2/L}:\ \begin{pmatrix} 1 & 2 \\ 3 & ? \end{pmatrix} \text{ has } ? = 0, 1, 2.29\ldots, 6"
    r" \text{ at } L = 1, 2, 3, 4;\quad L = 2:\ \langle \Lambda, Y \rangle \to |W|_*,\ \sigma_1(\Lambda) \le 1",
    hypotheses=("augmentation above the critical one", "start outside the basin of collapse", "not all entries known"),
    controls=(
        "depth 1 fills in the nuclear norm's entry",
        "depth 2 fills in 0",
        "depth 2 fills in what the rank wants",
        "depth 3 fills in the nuclear norm's entry",
        "depth 3 with the power of depth 4",
        "gradient descent finds the least nuclear norm",
        "depth 1 finds the least nuclear norm",
        "certificate with multipliers 10 % smaller",
    ),
)
def depth_changes_the_completion(study: Study) -> Iterator[Check | Curves]:
    yield from _corner(study)
    yield from _certified(study)


def _corner(study: Study) -> Iterator[Check | Curves]:
    """[[1, 2], [3, ?]]: one unknown entry, another one for every depth."""
    problem, fills = corner(*CORNER), []
    runs, horizon = study.pick(smoke=(2, 16.0), quick=(6, 32.0), paper=(24, 48.0))
    for L in study.pick(smoke=(1, 2, 3), quick=(1, 2, 3, 4), paper=(1, 2, 3, 4)):
        widths, name = [2, *[4] * (L - 1), 2], f"depth {L}"
        W = isometries(study.rng("corner", L), widths, runs)
        constraint, eta = Known(problem, widths, runs, study.device), {4: 0.008}.get(L, 0.02)
        run = _train(study, name, constraint, W, MinnormDescent(constraint, Tuning(b=3.0, c=3.0)), eta, horizon)
        stack = layers_of(run.arrays)
        end = end_to_end(stack)
        rounding = len(stack) * EPS * run.facts["recorded"][-1] * np.square(CORNER).sum()
        fill = {1: 0.0, 2: nuclear_fill(*CORNER)}.get(L, schatten_fill(*CORNER, L))
        # A numerical minimum is known to the root of the rounding of its value.
        uncertain = rounding + 4 * EPS**0.5 * np.abs(CORNER).max()
        filled = lambda name, fill: settles(name, run.t, end[..., 1, 1], fill, uncertain, SLOWEST)  # noqa: B023, E731
        yield filled(f"{name}: the unknown entry", fill)
        if L == 1:
            forgotten = (1 - eta) ** run.facts["recorded"][:, None] * W[0][:, 1, 1]
            because = "a rounding a step: nothing but the shrinkage moves an unknown entry of one layer"
            yield equal("depth 1: step by step", end[..., 1, 1], forgotten, tolerance=rounding, because=because)
        yield at_least(
            f"{name}: layers no smaller than the product asks for",
            squared_norm(stack),
            least_norm(end, L),
            slack=rounding + L * (8 * EPS * np.abs(end).max()) ** (2 / L),
            because="the least sum |W_l|^2 of all layers with this product; 8 roundings in a singular value",
        )
        least = least_norm(np.array([CORNER[:2], [CORNER[2], fill]]), L)
        yield settles(f"{name}: and no larger", run.t, squared_norm(stack), least, uncertain, SLOWEST)
        wrong = {
            1: {"depth 1 fills in the nuclear norm's entry": nuclear_fill(*CORNER)},
            2: {"depth 2 fills in 0": 0.0, "depth 2 fills in what the rank wants": CORNER[1] * CORNER[2] / CORNER[0]},
            3: {
                "depth 3 fills in the nuclear norm's entry": nuclear_fill(*CORNER),
                "depth 3 with the power of depth 4": schatten_fill(*CORNER, 4),
            },
        }
        for control, other in wrong.get(L, {}).items():
            yield refuted(control, filled(control, other))
        fills.append(end[:, 0, 1, 1])
        yield curves(**{f"t_{L}": run.t})
    yield curves(fills=np.array([path[-1] for path in fills]))


def _certified(study: Study) -> Iterator[Check]:
    """Five by four entries, a third of them unknown: the multipliers prove that no completion is smaller."""
    rng, runs = study.rng("certified"), study.pick(smoke=3, quick=8, paper=32)
    K, d = 4, 5
    known = np.add.outer(np.arange(K), np.arange(d)) % 3 > 0
    problem, solution = planted(known, 1.5, rng)
    widths = [d, 5, K]
    W = isometries(rng, widths, runs)
    constraint = Known(problem, widths, runs, study.device)
    run = _train(study, "certified", constraint, W, MinnormDescent(constraint, Tuning(b=4.0, c=4.0)), 0.05, 32.0)
    end, multiplier = end_to_end(layers_of(run.arrays)), run["multiplier"].mT
    rounding = run.facts["recorded"][-1] * (K + d) * EPS
    yield settles("depth 2: the planted completion", run.t, end, solution, rounding, SLOWEST)
    gap = lambda W, multiplier: duality_gap(problem, W, multiplier) / least_norm(W, 2) * 2  # noqa: E731
    because = f"within {CERTIFIED:g} of the least nuclear norm, by duality"
    proven = lambda name, W, factor=1.0: at_most(  # noqa: E731
        name, np.abs(gap(W, factor * multiplier[-1])), CERTIFIED, because=because
    )
    yield proven("depth 2: certified by its multipliers", end[-1])
    yield refuted("certificate with multipliers 10 % smaller", proven("10 %", end[-1], 0.9))
    descent = _train(study, "descent", constraint, W, GradientDescent(squared_loss(constraint)), 0.05, 32.0)
    fitted = end_to_end(layers_of(descent.arrays))[-1]
    yield refuted("gradient descent finds the least nuclear norm", proven("gradient descent", fitted))
    frobenius = np.where(known, problem.Y, 0.0)[None].repeat(runs, 0)
    yield refuted("depth 1 finds the least nuclear norm", proven("depth 1", frobenius))


class Known(Constraint):
    """h = Y - W_L ... W_1 at the known entries, 0 at the others; the inputs are the columns of the identity."""

    def __init__(self, problem: Completion, widths: Sequence[int], runs: int, device: str) -> None:
        K, d = problem.Y.shape
        inputs, labels = (np.broadcast_to(array, (runs, *array.shape)) for array in (np.eye(d), problem.Y))
        super().__init__(TeacherStudent(inputs, labels, np.zeros((runs, K, d))), widths, device)
        self.known = torch.tensor(problem.known.T.copy(), device=device)

    def __call__(self, state: State) -> Tensor:
        return torch.where(self.known, super().__call__(state), 0.0)


def _train(
    study: Study, name: str, constraint: Known, W: Layers, rule: Update, eta: float, horizon: float
) -> Trajectory:
    """Until the horizon, recorded from its half on."""
    steps = 16 * round(horizon / eta / 16)
    record = list(range(steps // 2, steps + 1, steps // 16))
    schedule = {"learning_rate": eta, "steps": steps, "record": record}
    return train_stack(study, name, constraint, W, rule, **schedule, observe=everything)
