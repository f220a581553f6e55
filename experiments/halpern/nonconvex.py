"""Chains of weights: norm-minimising descent forgets the imbalance and finds the least norm, or the origin."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.chain.networks import everything, random_weights, squared_loss
from experiments.halpern.descent import HalpernDescent
from experiments.methods.halpern import Schedule, harmonic, vanishing
from experiments.training.legacy import extrapolated, extrapolated_at_most, refined
from experiments.training.loop import train
from experiments.training.refinement import tends_to
from experiments.training.updates import GradientDescent
from theory.chain import gradient_flow
from theory.chain.problem import Chain, distance, imbalance, imbalance_after_step, product
from theory.chain.weight_decay import small_bias
from theory.claims import Check, Curves, claim
from theory.claims.estimates import richardson
from theory.claims.legacy import at_least, at_most, equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.trajectory import Trajectory
from theory.halpern import nonconvex

STEEP = Chain(4.0, 4)  # its threshold lies where p is far below s: the bound is tight there


@claim(
    "banburski2019.nmgd_nonconvex",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract, reconstructed; laws ours",
    statement=r"w_i^2 - w_j^2 = \frac{(w_i^2 - w_j^2)(0)}{(1+t)^{2c}},\quad \eta (k+1) |w_k - w^*| \to"
    r" \frac{s^{3/L - 2}}{\sigma \sqrt{L}};\quad w(0)^{L-2} < \frac{c(L-2) - 1}{(L-2) \sigma s}:\ w \to 0",
    hypotheses=("scalar chain", "lambda = c/(1 + t), or 1/(k + 2)", "balanced, for the collapse"),
    controls=(
        "imbalance shrinks once, not squared",
        "a step of descent alone",
        "forgets as 1/(1 + t)^c",
        "gradient descent finds the minimum norm",
        "distance 10 % larger",
        "threshold 10 % higher",
        "fixed points of least norm are minima",
    ),
)
def chains_forget_their_imbalance(study: Study) -> Iterator[Check | Curves]:
    for L in study.pick(smoke=(2, 3), quick=(2, 3), paper=(2, 3, 4)):
        chain = Chain(1.7, L, x=1.2)
        w = random_weights(study.rng("starts", L), study.pick(smoke=4, quick=12, paper=48), L, 0.9, 1.5)
        yield from _each_step(study, chain, w)
        yield from _flow(study, chain, w)
    yield from _end(study, Chain(1.7, 2, x=1.2))
    yield from _collapse(study)


def _each_step(study: Study, chain: Chain, w: Array) -> Iterator[Check]:
    eta, steps = 0.05, study.pick(smoke=60, quick=300, paper=3000)
    run = _train(study, f"depth {chain.L}", chain, w, harmonic, eta, steps, list(range(steps + 1)))
    before, after = run["w"][:-1], imbalance(run["w"][1:])
    force = eta * chain.sigma * (chain.s - product(before))
    weight = 1 / (np.arange(steps)[:, None] + 2)
    # As for gradient descent on the chain, and four operations more for the pull.
    tolerance = (2 * chain.L + 16) * EPS * float((run["w"] ** 2).max())
    because = "2 L + 16 roundings of the largest squared weight"
    predicted = nonconvex.imbalance_after_halpern(before, force, weight)
    yield equal(f"depth {chain.L}: imbalance, every step", after, predicted, tolerance=tolerance, because=because)
    if chain.L == 2:
        descent = imbalance_after_step(before, force)
        for control, wrong in (
            ("imbalance shrinks once, not squared", (1 - weight[..., None]) * descent),
            ("a step of descent alone", descent),
        ):
            check = equal(control, after, wrong, tolerance=tolerance, because=because)
            yield refuted(control, check)


def _flow(study: Study, chain: Chain, w: Array) -> Iterator[Check]:
    for c in (0.5, 1.0):
        runs = _refine(study, f"depth {chain.L}, c {c}", chain, w, c, horizon=2.0)
        values = [imbalance(run["w"]) for run in runs]
        left = (1 + runs[0].t[:, None, None]) ** (-2 * c)
        yield from tends_to(f"depth {chain.L}, c = {c}: imbalance", values, left * imbalance(w))
        if chain.L == 2 and c == 1.0:
            check = extrapolated("imbalance", values, left**0.5 * imbalance(w))
            yield refuted("forgets as 1/(1 + t)^c", check)


def _end(study: Study, chain: Chain) -> Iterator[Check]:
    """Read at k + 1 that double: eta (k + 1) |w - w*| has a limit, so the minimum found is the one of least norm."""
    w = random_weights(study.rng("ends"), study.pick(smoke=3, quick=6, paper=24), chain.L, 0.9, 1.5)
    eta, marks = 0.1, study.pick(smoke=250, quick=500, paper=4000) * 2 ** np.arange(4)
    record = [int(mark) - 1 for mark in marks]
    run = _train(study, "end", chain, w, harmonic, eta, record[-1], record)
    limit, error = richardson([eta * mark * distance(chain, w) for mark, w in zip(marks, run["w"])])
    # The effective weight decay 1/(eta (k + 1)) leaves s - p = small_bias of it, shared by the weights alike.
    predicted = small_bias(chain, 1.0) / (np.sqrt(chain.L) * chain.omega ** (chain.L - 1))
    # Descent rests where its step, eta x rate x error, rounds away; the rate is sigma |q|^2 = g.
    rounding = eta * marks[-1] * 2**4 * 8 * EPS * (1 + chain.omega) / (eta * chain.g)
    tolerance = error.max() + rounding
    because = "last Richardson correction in 1/(k + 1), largest of the runs, and steps that round away"
    name = "eta (k + 1) x distance to the minimum norm"
    yield equal(name, limit, predicted, tolerance=tolerance, because=because)
    wrong = equal(name, limit, 1.1 * predicted, tolerance=tolerance, because=because)
    yield refuted("distance 10 % larger", wrong)
    plain = _train(study, "plain", chain, w, lambda k: 0 * k, eta, record[-1], record[-1:])
    kept = distance(chain, plain["w"][-1])
    # Each end is off its flow's by the learning rate: the flow's own limit is judged by `minnorm.chain_gradient_flow`.
    because = "where the imbalance of the start says, up to the drift of the imbalance in discrete steps: half of it"
    away = distance(chain, gradient_flow.limit(chain, w))
    yield at_least("gradient descent stays away", kept, 0.5 * away, because=because)
    wrong = at_most("distance", kept, distance(chain, run["w"][-1]), because="what the pull attains in as many steps")
    yield refuted("gradient descent finds the minimum norm", wrong)


def _collapse(study: Study) -> Iterator[Check]:
    """Depth 4: below the threshold the weights go to 0, the fixed point of least norm and no minimum; above it not."""
    threshold = nonconvex.collapse_threshold(STEEP, 1.0)
    w = threshold * np.array([0.5, 0.8, 0.95, 1.05])
    runs = _refine(study, "collapse", STEEP, np.repeat(w[:, None], STEEP.L, axis=1), 1.0, horizon=16.0)
    t, values = runs[0].t[:, None], [run["w"][..., 0] for run in runs]
    below = [value[:, :3] for value in values]
    bound = nonconvex.collapse_bound(STEEP, 1.0, w[:3], t)
    yield extrapolated_at_most("collapse: upper bound", [value / bound for value in below])
    # The growth is at least sigma (s - largest p): a chain of that target bounds from below.
    weaker = Chain(STEEP.s - float(below[-1].max() ** STEEP.L) * 1.01, STEEP.L)
    lower = nonconvex.collapse_bound(weaker, 1.0, w[:3], t)
    yield extrapolated_at_most("collapse: lower bound", [lower / value for value in below])
    # Starts 5 % above the threshold would collapse if it lay 10 % higher.
    higher = Chain(STEEP.s / 1.1 ** (STEEP.L - 2), STEEP.L)
    wrong = nonconvex.collapse_bound(higher, 1.0, w[3:], t)
    check = extrapolated_at_most("upper bound", [value[:, 3:] / wrong for value in values])
    yield refuted("threshold 10 % higher", check)
    ends = values[-1][-1]
    loss = 0.5 * STEEP.sigma * (STEEP.s - ends**STEEP.L) ** 2
    yield at_least("above the threshold: size at the end", ends[3], 0.9 * STEEP.omega, because="comes to the minimum")
    check = at_most("loss at the end", loss[:3], 0.01 * STEEP.s**2, because="what a minimum would have, and far more")
    yield refuted("fixed points of least norm are minima", check)


def _refine(study: Study, name: str, chain: Chain, w: Array, c: float, horizon: float) -> list[Trajectory]:
    def descend(level: str, *, learning_rate: float, **plan: Any) -> Trajectory:
        return _train(study, level, chain, w, vanishing(learning_rate, c), learning_rate, **plan)

    return refined(descend, name, learning_rate=0.02, horizon=horizon, records=17, levels=3)


def _train(
    study: Study, name: str, chain: Chain, w: Array, schedule: Schedule, eta: float, steps: int, record: list[int]
) -> Trajectory:
    loss = squared_loss(chain)
    return train(
        loss,
        {"w": w},
        learning_rate=eta,
        steps=steps,
        record=record,
        observe=everything,
        update=HalpernDescent(GradientDescent(loss), schedule),
        **study.training(name),
    )
