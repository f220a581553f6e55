"""While the model is tiny, each component runs a power method of its own: direction and size in closed form."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from torch import Tensor

from experiments.tensor.models import Homogeneous, tensor
from experiments.tensor.problems import orthonormal, unit_vectors
from experiments.training import State, Trainee, extrapolated, tends_to
from theory.claims import OURS, Check, Curves, Study, claim, curves, varies
from theory.core.arrays import Array
from theory.core.validation import reject
from theory.tensor.small_start import PowerMethod

RECORDS = 11
TINY = 1e-30  # of components: squares of these are nothing beside the target until they have grown 1e25 times
LARGE = 0.3
SOLVER = 1e-9  # error of the clock
STEP = 0.05  # coarsest, in units of 1 / (l max w)


@dataclass(frozen=True)
class Sizes:
    """Of the target, and of what is trained on it."""

    orders: tuple[int, ...] = varies("l", (3, 4), smoke=(3,), low=3, high=8)
    inputs: int = varies("d", 6, low=2, high=100)
    terms: int = varies("r, powers in the target", 3, low=1, high=50)
    components: int = varies("m", 5, smoke=3, low=2, high=100)
    runs: int = varies("starts", 6, smoke=3, paper=50, low=3, high=500)
    time: float = varies("until which they are followed", 3.0, smoke=1.0, low=0.1, high=10, unit="time")

    def __post_init__(self) -> None:
        if self.terms > self.inputs:
            reject("terms", self.terms, f"at most the inputs {self.inputs}: they are orthonormal")


@claim(
    "tensor.power_method",
    source="ours; the tensor power method in the account of Wang, Wu, Lee, Ma & Ge 2020",
    source_kind=OURS,
    statement=r"\dot x_j = l (w_j x_j^{l-1} - F x_j),\ \tfrac{d}{dt} \log \|u_i\| = 2 F,\quad"
    r" F = \sum_{j \le r} w_j x_j^l:\quad"
    r" x = \tfrac{y}{\|y\|},\ y_j^{2-l} = x_j(0)^{2-l} - (l - 2) w_j \tau,\quad"
    r" \tfrac{\|u_i(t)\|}{\|u_i(0)\|} = \left(\tfrac{\|y(\tau)\|}{\|y(0)\|}\right)^{2/l},\quad"
    r" dt = \tfrac1l \|y\|^{l-2} d\tau",
    hypotheses=(
        "model sum_i |u_i|^(2 - l) u_i^l, T = sum_j w_j q_j^l, q orthonormal, l >= 3; flow on 1/2 |T - model|^2",
        "x_j = u_i . q_j / |u_i|, w_j = 0 and y_j constant in the directions beyond r",
        "|u_i| -> 0: until one has grown to the size of the target",
    ),
    theory_side="closed form",
    controls=("a flow 5 % faster", "sizes that grow like |y|", "a start of size 0.3"),
    parameters=Sizes,
)
def tiny_components_run_power_methods(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    t = np.linspace(0, sizes.time, RECORDS)
    for l in sizes.orders:
        problem, case = _drawn(study, sizes, l), f"l = {l}"
        law = cache(lambda k, problem=problem: problem.method.course(k * t))
        directions, growth = problem.trained(study, TINY, t)
        yield from tends_to("directions", directions, lambda k, law=law: law(k).directions, SOLVER, case=case)
        yield from tends_to("log |u(t)| / |u(0)|", growth, lambda k, law=law: law(k).log_growth, SOLVER, case=case)
        yield curves(case, t=t, directions=directions[-1], law=law(1.0).directions, basins=problem.method.basins)
    last = extrapolated("directions", directions, SOLVER)
    yield last.control("a flow 5 % faster").equals(law(1.05).directions)
    grown = extrapolated("log |u(t)| / |u(0)|", growth, SOLVER)
    yield grown.control("sizes that grow like |y|").equals(l / 2 * law(1.0).log_growth)
    large = extrapolated("directions", problem.trained(study, LARGE, t)[0], SOLVER)
    yield large.control("a start of size 0.3").equals(law(1.0).directions)


@dataclass(frozen=True)
class _Problem:
    """A target on the axes B (d, d), and the starts of components (runs, m, d) in these coordinates."""

    B: Array
    w: Array
    x: Array
    l: int

    @property
    def method(self) -> PowerMethod:
        return PowerMethod(self.x.reshape(-1, self.x.shape[-1]), self.w, self.l)

    def trained(self, study: Study, size: float, t: Array) -> tuple[list[Array], list[Array]]:
        """Directions (T, runs m, d) in these coordinates and log|u(t)| / |u(0)| (T, runs m), at three step sizes."""
        model = Homogeneous(tensor(study, self.B[: self.w.size]), tensor(study, self.w), self.l)
        B = tensor(study, self.B)

        def look(state: State) -> dict[str, Tensor]:
            norms = state["U"].norm(dim=-1, keepdim=True)
            return {"directions": state["U"] / norms @ B.mT, "log_growth": (norms.squeeze(-1) / size).log()}

        training = Trainee(study, model.loss, {"U": size * self.x @ self.B}, observe=look)
        rate = STEP / (self.l * self.w.max())
        runs = training.refine(learning_rate=rate, horizon=float(t[-1]), records=len(t))
        return ([run["directions"].reshape(len(t), -1, len(self.B)) for run in runs],
                [run["log_growth"].reshape(len(t), -1) for run in runs])  # fmt: skip


def _drawn(study: Study, sizes: Sizes, l: int) -> _Problem:
    rng, d = study.rng("problem", l), sizes.inputs
    w = rng.uniform(0.7, 1.4, sizes.terms)
    return _Problem(orthonormal(rng, 1, d, d)[0], w, unit_vectors(rng, sizes.runs, sizes.components, d), l)
