"""Gradient flow of the chain: it conserves the imbalance, so it ends at the minimum norm only from balanced starts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import plain_descent, random_weights
from experiments.chain.parameters import Chains, Units
from experiments.training import extrapolated, tends_to
from experiments.training.together import refine_together
from theory.chain import gradient_flow
from theory.chain.problem import Chain, distance, imbalance, imbalance_after_step, product
from theory.claims import RECONSTRUCTED, Check, Study, Tolerance, claim, measured, rounding, varies
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject


@dataclass(frozen=True)
class Starts(Chains):
    depths: tuple[int, ...] = varies(
        "numbers L of weights; 2, which is solved, beside them",
        (1, 2, 3, 4, 5),
        smoke=(2, 3),
        paper=(1, 2, 3, 4, 5, 6),
        low=1,
        high=7,
    )
    balanced: tuple[float, ...] = varies(
        "sizes of balanced starts, as shares of the minimum's", (0.5, 0.8, 1.15), low=0.4, high=1.2
    )
    runs: int = varies("random starts", 13, smoke=5, paper=61, low=2, high=1000)
    learning_rate: float = varies("of the coarsest run, where it is stable", 0.02, low=1e-3, high=0.02)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 1.0 in self.balanced:
            reject("balanced", self.balanced, "sizes other than 1, where nothing moves")


@claim(
    "minnorm.chain_gradient_flow",
    source="Bansal et al. 2018 (reconstruction: gradient flow of the scalar chain)",
    source_kind=RECONSTRUCTED,
    statement=r"w_l' = \sigma (s - p) \tfrac{p}{w_l},\ p = \textstyle\prod_l w_l:\quad (w_i^2 - w_j^2)' = 0,"
    r"\quad w_l(\infty)^2 = z + d_l,\ d_l = w_l(0)^2 - \min_j w_j(0)^2,\ \textstyle\prod_l (z + d_l) = s^2,"
    r"\quad t = \frac{H(p) - H(p(0))}{L \sigma},\ H'(p) = \frac{p^{2/L - 2}}{s - p}\ \text{(balanced)}",
    hypotheses=(
        "L weights, input x, sigma = x^2, target x s",
        "p > 0 at the start",
        "closed forms: balanced, or depth 2",
    ),
    theory_side="closed form",
    controls=(
        "the sum of squares is conserved",
        "one step conserves the imbalance",
        "time of a chain one layer deeper",
        "sigma 10 % larger",
        "imbalance 10 % larger, depth 2",
        "unbalanced start: minimum norm",
    ),
    parameters=Starts,
)
def gradient_flow_keeps_its_imbalance(study: Study, size: Starts) -> Iterator[Check]:
    for L in sorted({2, *size.depths}):
        chain = size.chain(L)
        random = random_weights(study.rng("starts", L), size.runs, L, 0.6 * chain.omega, 1.2 * chain.omega)
        balanced = np.array(size.balanced)
        w = np.concatenate([np.repeat(balanced[:, None] * chain.omega, L, axis=1), random])
        # What is left of s - p, e^(-g t), must be well above its rounding: it tells the time.
        horizon = min(Units(chain).time, 21 / chain.g)
        runs = _refined(study, chain, w, size.learning_rate, horizon=horizon, records=17, levels=4)
        if L > 1:
            yield from _imbalance(study, chain, w, runs, size)
        yield from _balanced(chain, runs, size)
        yield from _limit(study, chain, w, size)
        if L == 2:
            yield from _two_layers(chain, w, runs, len(balanced))


def _imbalance(study: Study, chain: Chain, w: Array, runs: list[Trajectory], size: Starts) -> Iterator[Check]:
    case, eta, steps = f"depth {chain.L}", size.learning_rate / 2 * Units(chain).time, 50
    # Of the flow's conserved quantities: the sum of squares, which is none, says what a change looks like.
    changes = [imbalance(run["w"]) - imbalance(w) for run in runs]
    squares = [(run["w"] ** 2).sum(-1) - (w**2).sum(-1) for run in runs]
    changed = float(np.abs(squares[-1]).max())
    # Differences of squares: each step of the finest training rounds a square by 2 eps of itself, and Richardson's
    # weights of four trainings add up to 6.4.
    taken, largest = int(runs[-1].facts["recorded"][-1]), float((runs[-1]["w"] ** 2).max())
    rounded = rounding(7 * 2 * taken, largest, of="the largest squared weight, every step").value
    yield from tends_to("change of the imbalance", changes, lambda k: 0.0, rounded, against=changed, case=case)
    run = plain_descent(study, chain, w).train(learning_rate=eta, steps=steps, record=range(steps + 1))
    before, after = run["w"][:-1], imbalance(run["w"][1:])
    force = eta * chain.sigma * (chain.s - product(before))
    # L multiplications in p and in q, a dozen operations in the step; each rounds numbers below the largest w^2.
    within = rounding(2 * chain.L + 12, float((run["w"] ** 2).max()), of="the largest squared weight")
    step = measured("imbalance after one step", after, within=within, case=case, axes=("step", "run"))
    yield step.equals(lambda k: imbalance_after_step(before, k * force))
    if chain.L == size.shown:
        yield extrapolated("change of the squares", squares).control("the sum of squares is conserved").equals(0)
        yield step.control("one step conserves the imbalance").equals(imbalance(before))


def _balanced(chain: Chain, runs: list[Trajectory], size: Starts) -> Iterator[Check]:
    """The time at which the balanced product should be where training has it, against the time it has."""
    products = [product(run["w"][:, : len(size.balanced)]) for run in runs]
    t = np.broadcast_to(runs[0].t[:, None], products[0].shape)
    name = "time of the balanced product"
    yield from tends_to(name, _times(chain, products), lambda k: t / k, case=f"depth {chain.L}")
    if chain.L == size.shown:
        deeper, stronger = Chain(chain.s, chain.L + 1, chain.x), Chain(chain.s, chain.L, chain.x * 1.1**0.5)
        for control, wrong in (("time of a chain one layer deeper", deeper), ("sigma 10 % larger", stronger)):
            yield extrapolated(name, _times(wrong, products)).control(control).equals(t)


def _times(chain: Chain, products: list[Array]) -> list[Array]:
    return [gradient_flow.balanced_time(chain, p[:1], p) for p in products]


def _two_layers(chain: Chain, w: Array, runs: list[Trajectory], balanced_runs: int) -> Iterator[Check]:
    t, products = runs[0].t, [product(run["w"]) for run in runs]

    def predicted(k: float) -> Array:
        return gradient_flow.two_layer_solution(chain, w, k * t)

    yield from tends_to("product", products, predicted, case="depth 2")
    balanced = predicted(1)[:, :balanced_runs]
    time = gradient_flow.balanced_time(chain, balanced[:1], balanced)
    # Both are logarithms of p / |s - p|: a rounding of p or s moves the time by s / p' of it.
    size = chain.s / np.abs(2 * chain.sigma * balanced * (chain.s - balanced))
    within = rounding(32, size, of="s, over the velocity of p")
    both = measured("the two closed forms", time, within=within, case="depth 2", axes=("t", "run"))
    yield both.supporting().equals(t[:, None])
    # sqrt(z^2 + D^2/4) -+ D/2: the weights with the same product whose imbalance is 10 % larger.
    p, D = product(w), 1.1 * imbalance(w)[:, 0]
    size = np.hypot(p, D / 2)
    larger = np.stack([np.sqrt(size + D / 2), np.sqrt(size - D / 2)], axis=-1)
    wrong = gradient_flow.two_layer_solution(chain, larger, t)
    yield extrapolated("product", products).control("imbalance 10 % larger, depth 2").equals(wrong)


def _limit(study: Study, chain: Chain, w: Array, size: Starts) -> Iterator[Check]:
    """Trained until nothing is left: where the imbalance of the start says, and so at the minimum norm if it is 0."""
    runs = _refined(study, chain, w, size.learning_rate, horizon=_settled_by(chain, w), records=2, levels=3)
    ends = [run["w"][-1:] for run in runs]
    d = w**2 - (w**2).min(-1, keepdims=True)

    def predicted(k: float) -> Array:
        """With all that is conserved k times as large."""
        return gradient_flow.limit(chain, np.copysign(np.sqrt(1 + k * d), w))[None]

    case = f"depth {chain.L}"
    # Descent stalls where its step, learning rate x rate x error, rounds away; the rate is sigma |q|^2 >= g.
    stalled = Tolerance(
        8 * EPS * (1 + chain.omega) / (runs[-1].t[1] / runs[-1].facts["recorded"][1] * min(1, chain.g)),
        "a step that rounds away: 8 eps over learning rate x g; a balanced start stays balanced step by step",
    )
    if chain.L == 1:
        yield measured("limit", ends[-1], within=stalled, case=case).equals(predicted(1))
        return
    # Runs stand where times do: the largest error of the extrapolation bounds them all.
    along = [end.swapaxes(0, 1) for end in ends]
    yield from tends_to("limit", along, lambda k: predicted(k).swapaxes(0, 1), stalled.value, case=case)
    away = distance(chain, ends[-1])
    balanced, unbalanced = away[:, : len(size.balanced)], away[:, len(size.balanced) :]
    nearest = measured("balanced starts end at the minimum norm", balanced, within=stalled, case=case)
    yield nearest.equals(0, against=float(unbalanced.mean()))
    if chain.L == size.shown:
        elsewhere = measured("distance to the minimum norm", unbalanced, within=stalled)
        yield elsewhere.control("unbalanced start: minimum norm").equals(0)


def _settled_by(chain: Chain, w: Array) -> float:
    """When nothing is left: sum_l q_l^2 is least where all weights are alike, so no product is slower than a balanced
    one. From 0.9 s on, at a rate of at least 0.8 g, e^-24 is left after 30 / g; 25 units of time are more than that."""
    slowest = float(product(w).min())
    on_the_way = 0.0 if slowest > 0.9 * chain.s else gradient_flow.balanced_time(chain, slowest, 0.9 * chain.s)
    return float(max(25 * Units(chain).time, on_the_way + 30 / chain.g))


def _refined(
    study: Study, chain: Chain, w: Array, learning_rate: float, *, horizon: float, records: int, levels: int
) -> list[Trajectory]:
    # At most half the step that takes the largest balanced product to the target at once, and then past it.
    fastest = chain.sigma * chain.L * float(product(w).max()) ** (2 - 2 / chain.L)
    eta = min(learning_rate * Units(chain).time, 0.5 / fastest)
    return refine_together(
        plain_descent(study, chain, w), learning_rate=eta, horizon=horizon, records=records, levels=levels
    )
