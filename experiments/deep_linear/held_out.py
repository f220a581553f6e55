"""The user's own data, a part of them held out: the test errors of Minnorm and gradient descent from several starts."""

from collections.abc import Iterator

import numpy as np

from experiments.deep_linear import own_data
from experiments.deep_linear.convergence import left_of_minnorm
from experiments.deep_linear.networks import Constraint, ControlledDescent, isometries, students
from experiments.deep_linear.sweep import WIDTH
from experiments.training.batches import layers_of
from theory.claims import Check, Study, Tolerance, measured, on_data
from theory.core.arrays import EPS, Array
from theory.core.linear_networks import end_to_end

SCALES = np.array([0.3, 0.7, 1.1])  # of the starts
HORIZON = 16.0  # at a = 1


@on_data
def errors_on_own_data(study: Study) -> Iterator[Check]:
    """Of one layer and two: Minnorm has that of the minimum-norm solution; gradient descent keeps W_1 Q."""
    own, X, Y = own_data.parted(study, study.rng("own data"))
    if not _hidden(own, X):
        study.remark("what is held out lies in what the others show: gradient descent forgets what counts, too")
    depths = own_data.depths(study, own)
    steps = sum(HORIZON / own_data.plan(own, L)[1] for L in depths)
    own_data.require_time(study, steps, 2 * len(SCALES), own.problem, WIDTH)
    for L in depths:
        yield from _at_depth(study, own, L, X, Y)


def _at_depth(study: Study, own: own_data.Own, L: int, X: Array, Y: Array) -> Iterator[Check]:
    tuning, eta = own_data.plan(own, L)
    steps, scales, case = round(HORIZON / eta), np.tile(SCALES, 2), f"own data, depth {L}"
    rules = np.repeat([1.0, 0.0], len(SCALES))  # Minnorm, and descent at the learning rate eta c
    problem = own.problem.each(len(scales))
    start = isometries(study.rng("starts", L), [problem.d, *[max(WIDTH, problem.K)] * (L - 1), problem.K], len(scales))
    W = [scales[:, None, None] * layer for layer in start]
    rule = ControlledDescent(own.problem, gamma=rules, b=rules * tuning.b, c=tuning.c)
    trainee = students(study, Constraint(problem, W, study.device), W, rule)
    layers = [layer[-1] for layer in layers_of(trainee.train(learning_rate=eta, steps=steps, record=[steps]).arrays)]
    end, fit, frozen = end_to_end(layers), problem.minimum_norm_solution, W[0] @ problem.unseen
    through = end_to_end([frozen, *layers[1:]])  # what the later layers make of W_1(0) Q
    left = left_of_minnorm(
        problem, end - (1 - rules)[:, None, None] * through, _norm(through) * rules * (1 - eta) ** steps
    )
    left = left + EPS * steps * (problem.d + problem.n)
    errors = _error(end, X, Y)
    # sqrt(E) is a seminorm of W, of which |X| / |Y| is the largest value.
    moved = left * np.linalg.norm(X, 2) / np.linalg.norm(Y)
    because = "what is not forgotten or not fitted yet moves the root of the error by |X| |W - W^| / |Y| at most"
    within = Tolerance(2 * np.sqrt(errors) * moved + moved**2, because)
    minnorm, descent = np.split(np.arange(len(scales)), 2)

    def held(name: str, which: Array) -> dict[str, object]:
        return {"name": name, "value": errors[which], "within": Tolerance(within.value[which], because)}

    axes = ("start",)
    forgets = measured(**held("test error of Minnorm", minnorm), case=case, axes=axes)
    yield forgets.equals(_error(fit, X, Y)[minnorm])
    keeps = measured(**held("test error of gradient descent", descent), case=case, axes=axes)
    if _hidden(own, X):
        yield keeps.equals(lambda k: _error(fit + k * through, X, Y)[descent])
    else:
        yield keeps.equals(_error(fit, X, Y)[descent])


def _hidden(own: own_data.Own, X: Array) -> bool:
    """Whether any of the new inputs (n, d) has a part that the examples do not show."""
    return bool(np.linalg.norm(X @ own.problem.unseen[0]) > 1e-9 * np.linalg.norm(X))


def _error(W: Array, X: Array, Y: Array) -> Array:
    """Squared error on new examples X (n, d) and Y (n, K), as a share of |Y|^2, of W (runs, K, d)."""
    return _norm(Y.T - W @ X.T) ** 2 / np.square(Y).sum()


def _norm(matrices: Array) -> Array:
    return np.linalg.norm(matrices, axis=(-2, -1))
