"""Scaled by alpha, training leaves |T - P T|^2 + c / alpha: the limit and the first order, both in closed form."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.tensor.models import Monomials, Scaled, tensor
from experiments.tensor.problems import components, steps_to_fit
from experiments.training import Trainee
from theory.claims import (
    OURS,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    curves,
    measured,
    order,
    rounding,
    varies,
)
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor.coordinates import dimension
from theory.tensor.generic import tangent_dimension
from theory.tensor.lazy import Tangents

COORDINATES = 200
LEVELS = 4  # of alpha, each twice the one before
REST = 1e-9
CAREFUL = 0.1  # step where components move far, and the curvature with them


@dataclass(frozen=True)
class Sizes:
    """Of the tensors, and of what is trained on them."""

    order: int = varies("l", 3, low=3, high=5)
    inputs: int = varies("d", 6, smoke=5, low=3, high=10)
    components: int = varies("m", 4, smoke=3, low=1, high=20)
    runs: int = varies("Gaussian targets", 12, smoke=4, paper=40, low=3, high=200)
    alpha: float = varies("the smallest, in units of |T| over the root of the least eigenvalue", 40.0, low=20, high=1e3)

    def __post_init__(self) -> None:
        D = dimension(self.inputs, self.order)
        if D > COORDINATES:
            reject("binom(d + l - 1, l)", D, f"at most {COORDINATES} coordinates")
        most = tangent_dimension(self.inputs, self.order, self.components)
        if self.components * self.inputs != most or most > 0.7 * D:
            reject("components", self.components, f"m d = dim S(U) and at most 0.7 D = {0.7 * D:.3g}")


@claim(
    "tensor.lazy_limit",
    source="ours; what lazy training is, Chizat, Oyallon & Bach 2019, for sums of powers",
    source_kind=OURS,
    statement=r"\dot U = -\nabla_U \tfrac{1}{2 \alpha^2} \|T - \alpha (f(U) - f(U_0))\|^2,\quad f(U) = \sum_{i=1}^m"
    r" u_i^{\otimes l}:\quad \lim_{t \to \infty} \|T - \alpha (f(U) - f(U_0))\|^2 = \|R\|^2 - \frac{l (l - 1)}{\alpha}"
    r" \sum_{i=1}^m \langle R, u_i^{\otimes (l-2)} \otimes \delta_i \otimes \delta_i \rangle + O(\alpha^{-2}),\quad"
    r" R = T - P T,\quad \delta = J^+ T",
    hypotheses=(
        "generic u_i of length 1, m d = dim S(U_0); P projects onto S(U_0), J is the derivative of f at U_0",
        "gradient descent to the end, from U_0",
    ),
    theory_side="closed form",
    controls=("half of the first order", "alpha = 1 leaves what the limit does", "training cut at a fifth"),
    parameters=Sizes,
)
def scaled_models_tend_to_the_tangent_space(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    start = components(study.rng("components"), sizes.inputs, sizes.order, sizes.components)
    T = study.rng("targets").standard_normal((sizes.runs, dimension(sizes.inputs, sizes.order)))
    T /= np.linalg.norm(T, axis=1, keepdims=True)
    smallest = sizes.alpha / np.sqrt(start.eigenvalues[-1])
    alphas = smallest * 2.0 ** np.arange(LEVELS)
    left = [_left(study, start, T, alpha) for alpha in alphas]
    limit, first = np.square(start.left(T)).sum(1), start.squared_first_order(T)
    off_by = rounding(100 * alphas[-1], of="powers near 1, of which alpha times a difference is taken")
    orders = observed_order([each - limit for each in left], off_by.value)
    yield order("|T - model|^2, order in 1 / alpha", orders).equals(1, excludes=(0.75, 1.25))
    yield _extrapolated("|T - model|^2, 1 / alpha -> 0", left, off_by).equals(limit)
    slopes = [alpha * (each - limit) for alpha, each in zip(alphas, left)]
    slope = _extrapolated("alpha (|T - model|^2 - |R|^2), 1 / alpha -> 0", slopes, off_by * alphas[-1])
    yield slope.equals(lambda k: k * first)
    yield slope.control("half of the first order").equals(first / 2)
    small = _left(study, start, T, 1.0, step=CAREFUL)
    yield _ended(small).control("alpha = 1 leaves what the limit does").equals(limit)
    cut = _left(study, start, T, alphas[-1], steps_to_fit(start, REST) // 5)
    yield _ended(cut).control("training cut at a fifth").equals(limit + first / alphas[-1])
    yield curves(alphas=alphas, left=np.array(left), limit=limit, first=first, small=small)


def _left(study: Study, start: Tangents, T: Array, alpha: float, steps: int | None = None, step: float = 0.9) -> Array:
    """|T - model|^2 (runs,) at the end of training, or after so many steps of `step` / lambda_max."""
    monomials = Monomials(start.U.shape[1], start.l, study.device)
    model = Scaled(monomials, tensor(study, T), tensor(study, np.array(alpha)), tensor(study, start.U))
    steps = steps or steps_to_fit(start, REST)
    training = Trainee(study, model.loss, {"U": np.broadcast_to(start.U, (len(T), *start.U.shape)).copy()},
                       observe=lambda state: {"left": model.left(state)})  # fmt: skip
    run = training.train(learning_rate=step / start.eigenvalues[0], steps=steps, record=[steps])
    return np.square(run["left"][-1]).sum(-1)


def _extrapolated(name: str, values: list[Array], off_by: Tolerance) -> Measured:
    limit, error = richardson(values)
    within = Tolerance(error.max(), f"last Richardson correction over {LEVELS} scales alpha, largest of a run")
    return measured(name, limit, within=within + off_by, axes=("run",))


def _ended(left: Array) -> Measured:
    within = Tolerance(2 * REST, f"{REST:g} of the slowest direction is left where a run ends")
    return measured("|T - model|^2", left, within=within + rounding(1e6, of="powers near 1"), axes=("run",))
