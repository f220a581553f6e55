"""Linear layers taught by noisy labels, free and under OPT, both trained on the same examples, in thousands of draws.

Of n examples the squared loss sees the triangular factor L of X X^T = L L^T and X Y^T alone. So d examples, the rows of
L^T, with the labels L^T W* + s Z, Z normal, have the same loss up to a constant, and L is drawn as Bartlett (1933) has
it: normal entries below a diagonal of chi variables of n, n - 1, ... degrees of freedom.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.methods.orthogonal.descent import PreservingUpdate
from experiments.training import State, Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.orthogonal.generalisation import Teacher

FADED = 6.0  # -log of what descent leaves of the slowest mode; of risks twice as much
LARGEST = 1.25  # curvature of the free loss that steps are made for, at the least
AT_ONCE = 2000  # draws in one batch: its arrays stay near the processor
TURNED = 0.05  # size of the entries of the skew matrix that turns the start away from the nearest R


class Risks(NamedTuple):
    """Excess risks |W - W*|^2 (draws,) after training, and what descent may have left of OPT's."""

    opt: Array
    free: Array
    left: float


def draw_examples(rng: np.random.Generator, teacher: Teacher, n: int, draws: int) -> tuple[Array, Array]:
    """Compressed inputs (draws, d, d), one a row, and labels (draws, d, N), both over n^(1/2)."""
    d, N = teacher.d, teacher.N
    L = np.tril(rng.standard_normal((draws, d, d)), -1)
    L[:, np.arange(d), np.arange(d)] = np.sqrt(rng.chisquare(n - np.arange(d), (draws, d)))
    X = L.mT / np.sqrt(n)
    return X, X @ teacher.target + teacher.noise * rng.standard_normal((draws, d, N)) / np.sqrt(n)


def compressed(X: Array, Y: Array) -> tuple[Array, Array]:
    """What `draw_examples` draws, of examples X (*runs, n, d) and labels Y (*runs, n, N): their triangular factor."""
    Q, triangle = np.linalg.qr(X)
    n = X.shape[-2]
    return triangle / np.sqrt(n), Q.mT @ Y / np.sqrt(n)


def train_both(study: Study, teacher: Teacher, X: Array, Y: Array, rng: np.random.Generator, share: float = 1) -> Risks:
    """Descent on R, by exact steps on O(d), and on free weights from 0, in one state and on the same examples.

    Args:
        share: of the steps that leave e^-`FADED` of the slowest mode.
    """
    rates = (teacher.s[:, None] + teacher.s)[np.triu_indices(teacher.d, 1)] / 2
    slowest = float(rates[rates > 1e-9 * rates.max()].min())
    eta = 1 / max(rates.max(), LARGEST)
    steps = int(np.ceil(share * FADED / (eta * min(slowest, 1.0))))
    start = _near(teacher, rng)
    parts = [
        _train(study, teacher, X[some], Y[some], start, eta, steps)
        for some in np.array_split(np.arange(len(X)), -(-len(X) // AT_ONCE))
    ]
    before, opt, free = (np.concatenate([part[name] for part in parts]) for name in ("before", "opt", "free"))
    # The error of a risk falls by (1 - eta slowest) a step at least: its last change is all but that share of it.
    fall = 1 - eta * slowest
    return Risks(opt, free, float(np.abs(opt - before).mean() * fall / (1 - fall)))


def _near(teacher: Teacher, rng: np.random.Generator) -> Array:
    """The best R, turned a little."""
    half = TURNED * rng.standard_normal((teacher.d, teacher.d)) / np.sqrt(teacher.d)
    A, one = half - half.T, np.eye(teacher.d)
    return np.asarray(np.linalg.solve(one - A, one + A) @ teacher.R)


def _train(study: Study, teacher: Teacher, X: Array, Y: Array, R: Array, eta: float, steps: int) -> dict[str, Array]:
    inputs, labels, W0, target = (
        torch.tensor(each, device=study.device) for each in (X, Y, teacher.W0, teacher.target)
    )

    def loss(state: State) -> Tensor:
        opt, free = (inputs @ W - labels for W in (state["R"] @ W0, state["free"]))
        return 0.5 * (opt.square() + free.square()).sum((-2, -1))

    def observe(state: State) -> State:
        risks = {"opt": state["R"] @ W0 - target, "free": state["free"] - target}
        return {name: off.square().sum((-2, -1)) for name, off in risks.items()}

    start = {"R": np.broadcast_to(R, (len(X), *R.shape)), "free": np.zeros((len(X), *teacher.W0.shape))}
    trainee = Trainee(study, loss, start, PreservingUpdate(loss, momentum=0.0), observe)
    run = trainee.train(learning_rate=eta, steps=steps, record=[steps - 1, steps])
    return {"before": run["opt"][0], "opt": run["opt"][1], "free": run["free"][1]}
