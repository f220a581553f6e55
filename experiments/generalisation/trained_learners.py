"""Networks of one layer that see some of the features: where descent ends on the square loss, and on small spheres."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from torch import Tensor, nn

from experiments.generalisation.learners import Drawn, Learner, class_mean, class_mean_of_signs, ridge
from experiments.homogeneous.networks import tensors
from experiments.homogeneous.rules import SphereDescent
from experiments.training import State, Trainee
from theory.claims import Check, Measured, Study, Tolerance, measured, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.generalisation.seen_features import bayes_penalty

HALVINGS = 4  # radii of small spheres
ON_THE_SPHERE = 60  # steps of descent: what it leaves shrinks by more than the ratio of pull to curvature, each
AXES = ("run", "feature")


@dataclass(frozen=True)
class Training:
    """Of networks of one layer."""

    trained: int = varies("networks of each kind and p", 24, smoke=4, low=2, high=400)
    radius: float = varies("of the largest small sphere", 0.02, low=0.002, high=0.05)
    steps: int = varies("of descent on the square loss", 2500, smoke=600, low=500, high=50000)


@dataclass(frozen=True)
class Seen:
    """Examples of which the first p features are seen, of each of several p, one after the other.

    Attributes:
        X: (runs, n, D), 0 where a feature is not seen.
        z: (runs, n).
        p: (runs,).
    """

    drawn: Drawn
    numbers: tuple[int, ...]
    X: Array = field(init=False)
    z: Array = field(init=False)
    p: Array = field(init=False)

    def __post_init__(self) -> None:
        X = self.drawn.X
        shown = [X * (np.arange(X.shape[-1]) < p) for p in self.numbers]
        object.__setattr__(self, "X", np.concatenate(shown))
        object.__setattr__(self, "z", np.tile(self.drawn.z[..., 0], (len(self.numbers), 1)))
        object.__setattr__(self, "p", np.repeat(self.numbers, len(X)))

    def solved(self, learner_of: Callable[[int], Learner]) -> Array:
        """Weights (runs, D) in closed form, of the learner of each p."""
        D = self.X.shape[-1]

        def padded(p: int) -> Array:
            w = learner_of(p)(self.drawn.X[..., :p], self.drawn.z[..., :1])[..., 0]
            return np.pad(w, ((0, 0), (0, D - p)))

        return np.concatenate([padded(p) for p in self.numbers])


def ends_in_closed_form(study: Study, sizes: Training, seen: Seen, noise: float) -> Iterator[Check]:
    """Minimum norm, ridge and class means, of networks trained on each of the draws."""
    D = seen.X.shape[-1]
    penalties = {p: bayes_penalty(1.0, D, p, noise) for p in seen.numbers}
    fitted = seen.solved(lambda p: ridge)
    from_zero, from_one, ridged = _descended(study, seen, np.array([penalties[p] for p in seen.p]), sizes.steps)
    yield from_zero.equals(fitted)
    yield from_one.control("descent from 1 ends at the minimum norm").equals(fitted)
    yield ridged.equals(seen.solved(lambda p: partial(ridge, penalty=penalties[p])))
    for name, learner, labels, slope in (
        ("square loss", class_mean, seen.z, 1.0),
        ("logistic loss of sign(z)", class_mean_of_signs, np.sign(seen.z), 0.5),
    ):
        predicted = _unit(seen.solved(lambda p, learner=learner: learner))
        limit, largest = _on_small_spheres(study, sizes, seen, labels, slope, name)
        yield limit.equals(predicted)
    yield largest.control("weights of the largest size are the class mean").equals(predicted)


def _descended(study: Study, seen: Seen, penalty: Array, steps: int) -> list[Measured]:
    """Where descent of |X w - z|^2 / 2 + penalty |w|^2 / 2 ends: without a penalty from 0 and from 1, and with it."""
    cases = ("minimum norm", "from 1", "ridge")
    penalties = np.concatenate([0 * penalty, 0 * penalty, penalty])
    X = np.tile(seen.X, (len(cases), 1, 1))
    inputs, targets, weight = tensors(study.device, X, np.tile(seen.z, (len(cases), 1)), penalties)

    def loss(state: State) -> Tensor:
        off = (inputs @ state["w"][..., None])[..., 0] - targets
        return (off.square().sum(1) + weight * state["w"].square().sum(1)) / 2

    curvature = np.tile(np.linalg.svd(seen.X, compute_uv=False) ** 2, (len(cases), 1))
    least = np.where(curvature > 1e-9 * curvature[:, :1], curvature, np.inf).min(1) + penalties
    rate = 1 / (curvature[:, 0] + penalties)
    ones = 1.0 * (np.arange(X.shape[-1]) < seen.p[:, None])
    W = np.concatenate([0 * ones, ones, 0 * ones])
    w = Trainee(study, loss, {"w": W}).train(learning_rate=rate, steps=steps, record=[steps])["w"][-1]
    share = np.exp(-steps * rate * least) + 64 * EPS / (rate * least)
    left = 2 * share * (np.linalg.norm(w, axis=1) + np.linalg.norm(W, axis=1))
    because = "what descent leaves along the flattest direction, and rounding over its rate"
    return [
        measured("trained weights", each, within=Tolerance(off[:, None], because), case=case, axes=AXES)
        for case, each, off in zip(cases, *(np.split(array, len(cases)) for array in (w, left)))
    ]


def _on_small_spheres(
    study: Study, sizes: Training, seen: Seen, labels: Array, slope: float, case: str
) -> tuple[Measured, Measured]:
    """Directions of descent on spheres: extrapolated to radius 0, and at the largest radius.

    Args:
        slope: of minus the loss at 0, in units of the label: what pulls weights of size 0.
    """
    radii = sizes.radius / 2.0 ** np.arange(HALVINGS)
    inputs, y = tensors(study.device, np.tile(seen.X, (HALVINGS, 1, 1)), np.tile(labels, (HALVINGS, 1)))

    def loss(state: State) -> Tensor:
        f = (inputs @ state["w"][..., None])[..., 0]
        return ((f - y).square() / 2 if slope == 1 else nn.functional.softplus(-y * f)).sum(1)

    noisy = study.rng("spheres", case).standard_normal((len(seen.X), seen.X.shape[1], 1))
    start = _unit((seen.X.mT @ noisy)[..., 0])
    pull = slope * np.linalg.norm((seen.X.mT @ labels[..., None])[..., 0], axis=-1)
    W = np.concatenate([radius * start for radius in radii])
    rate = np.concatenate([radius / pull for radius in radii])
    trainee = Trainee(study, loss, {"w": W}, SphereDescent(loss))
    run = trainee.train(learning_rate=rate, steps=ON_THE_SPHERE, record=[ON_THE_SPHERE // 2, ON_THE_SPHERE])
    before, after = (w.reshape(HALVINGS, *start.shape) / radii[:, None, None] for w in run["w"])
    limit, error = richardson(list(after))
    because = "last Richardson correction in the radius, and what the second half of the steps moved"
    within = Tolerance(error.max() + 2.0**HALVINGS * np.abs(after - before).max() + 64 * EPS, because)
    return (
        measured("direction at radius 0", limit, within=within, case=case, axes=AXES),
        measured("direction at the largest radius", after[0], within=within, case=case, axes=AXES),
    )


def _unit(w: Array) -> Array:
    return w / np.linalg.norm(w, axis=-1, keepdims=True)
