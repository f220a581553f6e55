"""Chains of weights: norm-minimising descent forgets the imbalance and finds the least norm, or the origin."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.chain.networks import random_weights, squared_loss
from experiments.halpern.networks import anchored
from experiments.methods.halpern import RegularisedDescent, vanishing_weight
from experiments.training import GradientDescent, Trainee, extrapolated, extrapolated_ratio, tends_to
from experiments.training.together import refine_together
from theory.chain.problem import Chain, distance, imbalance, imbalance_after_step, product
from theory.chain.weight_decay import small_bias
from theory.claims import RECONSTRUCTED, Check, Study, Tolerance, claim, exactly, measured, rounding, varies
from theory.claims.estimates import richardson
from theory.core.arrays import EPS, Array
from theory.core.validation import reject
from theory.halpern import nonconvex

STEEP = Chain(4.0, 4)  # its threshold lies where p is far below s: the bound is tight there
INPUT = 1.2  # of the other chains


@dataclass(frozen=True)
class Sizes:
    """Of chains from random starts, and of their training."""

    depths: tuple[int, ...] = varies("L of the chains", (2, 3), paper=(2, 3, 4), low=2, high=4)
    target: float = varies("s, of the product of the weights", 1.7, low=0.5, high=3)
    learning_rate: float = varies(
        "of the balance; 0.4 of it for the flow, twice it for the end", 0.05, low=0.001, high=0.05
    )
    steps: int = varies("of which each is judged", 300, smoke=60, paper=3000, low=1, high=20_000)
    end_steps: int = varies("k + 1 at which the end is read first", 500, smoke=250, paper=4000, low=10, high=20_000)
    runs: int = varies("random starts of each depth", 12, smoke=4, paper=48, low=1, high=200)
    end_runs: int = varies("random starts for the end", 6, smoke=3, paper=24, low=1, high=200)

    def __post_init__(self) -> None:
        if len(set(self.depths)) < len(self.depths):
            reject("depths", self.depths, "different numbers")
        # At the end the loss of depth 2 has curvature 2 sigma s, and what it leaves of the start is to be e^-100.
        needed = 100 / (2 * self.learning_rate * 2 * INPUT**2 * self.target)
        if self.end_steps < needed:
            reject("end_steps", self.end_steps, f"{needed:.0f} or more: what is left of the start has gone by then")


@claim(
    "banburski2019.nmgd_nonconvex",
    source="Banburski et al. 2019 (arXiv 1903.04991 v1), abstract, reconstructed; laws ours",
    source_kind=RECONSTRUCTED,
    statement=r"L(w) = \tfrac{\sigma}{2} (s - \textstyle\prod_l w_l)^2:\quad"
    r" w_i^2 - w_j^2 = \frac{(w_i^2 - w_j^2)(0)}{(1+t)^{2c}},\quad"
    r" \eta (k+1) |w_k - w^*| \to \frac{s^{3/L - 2}}{\sigma \sqrt{L}};\quad"
    r" w(0)^{L-2} < \frac{c(L-2) - 1}{(L-2) \sigma s}:\ w \to 0",
    hypotheses=(
        "a chain of L scalar weights",
        "descent of learning rate eta, then w shrunk by 1 - lambda_k: lambda = c/(1 + t), or 1/(k + 2)",
        "w* the minimum of least norm; L = 2 for its distance",
        "all weights equal, c (L - 2) > 1 and p = prod w_l small against s, for the collapse",
    ),
    theory_side="law",
    controls=(
        "imbalance shrinks once, not squared",
        "a step of descent alone",
        "forgets as 1/(1 + t)^c",
        "gradient descent finds the minimum norm",
        "distance 10 % larger",
        "threshold 10 % higher",
        "fixed points of least norm are minima",
    ),
    parameters=Sizes,
)
def chains_forget_their_imbalance(study: Study, sizes: Sizes) -> Iterator[Check]:
    for L in sizes.depths:
        chain = Chain(sizes.target, L, x=INPUT)
        w = random_weights(study.rng("starts", L), sizes.runs, L, 0.9, 1.5)
        yield from _each_step(study, chain, w, sizes)
        yield from _flow(study, chain, w, sizes)
    yield from _end(study, Chain(sizes.target, 2, x=INPUT), sizes)
    yield from _collapse(study)


def _each_step(study: Study, chain: Chain, w: Array, sizes: Sizes) -> Iterator[Check]:
    eta, steps = sizes.learning_rate, sizes.steps
    run = anchored(study, squared_loss(chain), w).train(learning_rate=eta, steps=steps, record=range(steps + 1))
    before, after = run["w"][:-1], imbalance(run["w"][1:])
    force = eta * chain.sigma * (chain.s - product(before))
    weight = 1 / (np.arange(steps)[:, None] + 2)
    # As for gradient descent on the chain, and four operations more for anchoring.
    within = rounding(2 * chain.L + 16, float((run["w"] ** 2).max()), of="the largest squared weight, 2 L + 16")
    name = "imbalance, every step"
    balance = measured(name, after, within=within, case=f"depth {chain.L}", axes=("step", "run"))
    yield balance.equals(lambda k: nonconvex.imbalance_after_halpern(before, force, k * weight))
    if chain.L == sizes.depths[0]:
        descent = imbalance_after_step(before, force)
        yield balance.control("imbalance shrinks once, not squared").equals((1 - weight[..., None]) * descent)
        yield balance.control("a step of descent alone").equals(descent)


def _flow(study: Study, chain: Chain, w: Array, sizes: Sizes) -> Iterator[Check]:
    eta = 0.4 * sizes.learning_rate
    for c in (0.5, 1.0):
        runs = refine_together(_regularised(study, chain, w, c), learning_rate=eta, horizon=2.0, records=17, levels=4)
        values, case = [imbalance(run["w"]) for run in runs], f"depth {chain.L}, c = {c}"
        left = (1 + runs[0].t[:, None, None]) ** (-2 * c)
        yield from tends_to("imbalance", values, lambda k: left**k * imbalance(w), case=case)  # noqa: B023
        if chain.L == sizes.depths[0] and c == 1.0:
            limit = extrapolated("imbalance, learning rate 0", values, case=case)
            yield limit.control("forgets as 1/(1 + t)^c").equals(left**0.5 * imbalance(w))


def _end(study: Study, chain: Chain, sizes: Sizes) -> Iterator[Check]:
    """Read at k + 1 that double: eta (k + 1) |w - w*| has a limit, so the minimum found is the one of least norm."""
    w = random_weights(study.rng("ends"), sizes.end_runs, chain.L, 0.9, 1.5)
    eta, marks = 2 * sizes.learning_rate, sizes.end_steps * 2 ** np.arange(4)
    record, loss = [int(mark) - 1 for mark in marks], squared_loss(chain)
    run = anchored(study, loss, w).train(learning_rate=eta, steps=record[-1], record=record)
    limit, error = richardson([eta * mark * distance(chain, w) for mark, w in zip(marks, run["w"])])
    # Descent rests where its step, eta x rate x error, rounds away; the rate is sigma |q|^2, the only h that is not 0.
    rests = eta * marks[-1] * 2**4 * 8 * EPS * (1 + chain.omega) / (eta * chain.g)
    within = Tolerance(error.max(), "last Richardson correction in 1/(k + 1), largest of the runs")
    within += Tolerance(rests, "steps that round away")
    scaled = measured("eta (k + 1) x distance to the minimum norm", limit, within=within, axes=("run",))
    # The effective weight decay 1/(eta (k + 1)) leaves s - p = small_bias of it, shared by the weights alike.
    predicted = small_bias(chain, 1.0) / (np.sqrt(chain.L) * chain.omega ** (chain.L - 1))
    yield scaled.equals(predicted)
    yield scaled.control("distance 10 % larger").equals(1.1 * predicted)
    plain = anchored(study, loss, w, lambda k: 0 * k).train(learning_rate=eta, steps=record[-1], record=record[-1:])
    within = exactly("what anchoring attains in as many steps, from the same starts")
    kept = measured("distance to the minimum norm", distance(chain, plain["w"][-1]), within=within, axes=("run",))
    yield kept.control("gradient descent finds the minimum norm").at_most(distance(chain, run["w"][-1]))


def _collapse(study: Study) -> Iterator[Check]:
    """Depth 4: below the threshold the weights go to 0, the fixed point of least norm and no minimum; above it not."""
    w = nonconvex.collapse_threshold(STEEP, 1.0) * np.array([0.5, 0.8, 0.95, 1.05])
    trainee = _regularised(study, STEEP, np.repeat(w[:, None], STEEP.L, axis=1), 1.0)
    runs = refine_together(trainee, learning_rate=0.02, horizon=16.0, records=17)
    t, values = runs[0].t[:, None], [run["w"][..., 0] for run in runs]
    below = [value[:, :3] for value in values]
    bound = nonconvex.collapse_bound(STEEP, 1.0, w[:3], t)
    # The constant is the threshold: that of a chain whose s is k^(2 - L) times as large is k times as high.
    moved = lambda chain, k: nonconvex.collapse_bound(Chain(chain.s * k ** (2 - chain.L), chain.L), 1.0, w[:3], t)  # noqa: E731
    upper = extrapolated_ratio("upper bound", [value / bound for value in below], case="collapse")
    yield upper.at_most(lambda k: moved(STEEP, k) / bound)
    # The growth is at least sigma (s - largest p): a chain of that target bounds from below.
    weaker = Chain(STEEP.s - float(below[-1].max() ** STEEP.L) * 1.01, STEEP.L)
    lower = nonconvex.collapse_bound(weaker, 1.0, w[:3], t)
    above_it = extrapolated_ratio("lower bound", [lower / value for value in below], case="collapse")
    yield above_it.at_most(lambda k: lower / moved(weaker, k))
    # Starts 5 % above the threshold would collapse if it lay 10 % higher.
    higher = Chain(STEEP.s / 1.1 ** (STEEP.L - 2), STEEP.L)
    wrong = nonconvex.collapse_bound(higher, 1.0, w[3:], t)
    above = extrapolated_ratio("upper bound", [value[:, 3:] / wrong for value in values])
    yield above.control("threshold 10 % higher").at_most(1.0)
    ends = values[-1][-1]
    # At the rate h = sigma L omega^(2 L - 2) weights follow the minimum, which c / (1 + t) shifts by c omega / (h t).
    shift = STEEP.omega / (STEEP.sigma * STEEP.L * STEEP.omega ** (2 * STEEP.L - 2) * (1 + t[-1, 0]))
    within = Tolerance(2 * shift, "twice the shift by the regularisation that is left")
    size = measured("size at the end", ends[3], within=within, case="above the threshold")
    yield size.equals(STEEP.omega)
    loss = 0.5 * STEEP.sigma * (STEEP.s - ends**STEEP.L) ** 2
    low = measured(
        "loss at the end", loss[:3], within=exactly("what a start above the threshold attains"), axes=("run",)
    )
    yield low.control("fixed points of least norm are minima").at_most(loss[3])


def _regularised(study: Study, chain: Chain, w: Array, c: float) -> Trainee:
    loss = squared_loss(chain)
    rule = RegularisedDescent(GradientDescent(loss), lambda k, eta: vanishing_weight(k, eta, c))
    return Trainee(study, loss, {"w": w}, rule)
