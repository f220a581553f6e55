"""How many patterns training changes, and what they do to a step: of the order m^(-1/2), with its constant."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.kernel.networks import (
    Look,
    Networks,
    Start,
    active,
    gaussian_start,
    kernels_of,
    trainee,
    with_residual,
)
from experiments.kernel.problems import Sizes, draw_inputs, in_chunks, signed_numbers
from experiments.training import State
from theory.claims import OURS, Check, Curves, Estimated, Study, claim, curves, rate, varies
from theory.claims.estimates import Estimate, mean
from theory.core.arrays import Array
from theory.kernel import corrections
from theory.kernel.corrections import Crossings
from theory.kernel.inputs import Inputs

FEW = "of m neurons about m^(1/2) change, and the effect of each is chance"


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    width: int = varies("m of the narrower networks; the others have 16 m", 256, smoke=64, low=64, high=4000)
    runs: int = varies("of the wider, and 16 times as many of the narrower", 300, smoke=100, low=10, high=2000)
    steps: int = varies("k", 8, low=2, high=100)
    step: float = varies("learning rate, in units of 1 / lambda_max", 0.8, low=0.05, high=1.5)
    draws: int = varies("planes of each input that the law is a mean over", 100_000, smoke=50_000, low=1000, high=10**6)
    once: int = varies(
        "networks of one step, in units of 64 neurons", 60_000, smoke=6000, paper=100_000, low=100, high=10**6
    )


@claim(
    "kernel.pattern_changes",
    source="ours; Du, Zhai, Póczos & Singh 2019 bound them in the proof of Theorem 4.1, and count them in Section 5",
    source_kind=OURS,
    statement=r"\frac{\sqrt m}{n m} \#\{(i, r): \mathbf{1}\{w_r(k)^\top x_i \ge 0\} \ne \mathbf{1}\{w_r(0)^\top x_i \ge"
    r" 0\}\} \to \frac1n \sum_j \frac{1}{\sqrt{2\pi}} \mathbb{E}_{w \perp x_j,\, a} \int \mathbf{1}\{\zeta_k \zeta_0 <"
    r" 0\}\, d\zeta_0,\quad \zeta_{k+1} = \zeta_k + \eta a \Big( \sum_{i \ne j} r_{k,i}\, x_i^\top x_j \mathbf{1}\{"
    r"w^\top x_i \ge 0\} + r_{k,j} \mathbf{1}\{\zeta_k \ge 0\} \Big),\quad r_k = (I - \eta H^\infty)^k (y - u(0))",
    hypotheses=(
        "|x_i| = 1, w_r(0) ~ N(0, I), a = +-1, W trained by gradient descent; y - u(0) does not depend on W(0)",
        "m to infinity",
    ),
    theory_side="law",
    controls=("20 % more changes", "no pattern changes in the first step"),
    parameters=Runs,
)
def few_patterns_change(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    inputs = draw_inputs(study, sizes)
    r, eta = signed_numbers(study, sizes.examples), sizes.step / inputs.largest
    law = corrections.crossings(inputs, eta, r, sizes.steps, study.rng("law"), sizes.draws)
    changed = _over_root(study, inputs, r, eta, sizes) / law.share[-1]
    share = _in_the_limit("changed patterns over their law", changed)
    yield share.equals(1)
    yield share.control("20 % more changes").equals(1.2)
    name = "effect of changed patterns on the first step, over its law"
    effect = _in_the_limit(name, _effects_on_a_step(study, inputs, r, eta, law, sizes)).resolving(0.1, because=FEW)
    yield effect.equals(1)
    yield effect.control("no pattern changes in the first step").equals(0)
    widths = sizes.width * np.array([1, 16])
    yield curves(widths=widths, shares=changed * law.share[-1] / np.sqrt(widths)[:, None], law=law.share[-1])


def _over_root(study: Study, inputs: Inputs, r: Array, eta: float, sizes: Runs) -> Array:
    """m^(1/2) times the share of changed patterns, of as many neurons of either width (2, runs)."""
    narrow, wide = (
        _changed(study, inputs, m, runs, r, eta, sizes) * np.sqrt(m)
        for m, runs in ((sizes.width, 16 * sizes.runs), (16 * sizes.width, sizes.runs))
    )
    return np.stack([narrow.reshape(sizes.runs, 16).mean(1), wide])


def _in_the_limit(name: str, over_law: Array) -> Estimated:
    """Extrapolated in m^(-1/2), which is 4 times smaller at the wider; what is left is of the order of its square."""
    narrow, wide = over_law
    found = mean((4 * wide - narrow) / 3)
    left = float(np.mean(narrow - wide) ** 2 + np.var(narrow - wide) / len(wide))
    reason = f"{found.reason}; and {left:.2g}, the square of the first correction"
    widened = Estimate(found.value, found.low - left, found.high + left, reason, found.significance)
    return rate(name, widened)


def _changed(study: Study, inputs: Inputs, m: int, runs: int, r: Array, eta: float, sizes: Runs) -> Array:
    """Share of neurons times inputs that are not as at the start, of each run (runs,)."""
    start = gaussian_start(inputs, m, runs, study.rng("networks", m))
    training = trainee(study, start, with_residual(start, r), _changes_from(start))
    run = training.train(learning_rate=eta, steps=sizes.steps, record=[sizes.steps])
    return run["changed"][-1]


def _changes_from(start: Start) -> Look:
    def look(networks: Networks, state: State) -> dict[str, Tensor]:
        before = active(networks.inputs, networks.inputs.new_tensor(start.W))
        return {"changed": (active(networks.inputs, state["W"]) != before).to(torch.float64).mean((1, 2))}

    return look


def _effects_on_a_step(study: Study, inputs: Inputs, r: Array, eta: float, law: Crossings, sizes: Runs) -> Array:
    """What changed patterns add to the first step of u, along its law, of as many neurons of either width (2, runs)."""
    along, wide = law.bias[1] / np.square(law.bias[1]).sum(), 16 * sizes.width
    runs = max(sizes.once * 64 // wide, 10)
    widths = ((sizes.width, 16 * runs), (wide, runs))
    narrow, wider = (_of_one_step(study, inputs, m, networks, r, eta) @ along for m, networks in widths)
    return np.stack([narrow.reshape(runs, 16).mean(1), wider])


def _of_one_step(study: Study, inputs: Inputs, m: int, networks: int, r: Array, eta: float) -> Array:
    """m^(1/2) times what changed patterns add to u (networks, n): the rest of it is (I - eta H(W(0))) r."""
    rng, effects = study.rng("one step", m), []
    for runs in in_chunks(networks, m, inputs.n):
        start = gaussian_start(inputs, m, runs, rng)
        run = trainee(study, start, with_residual(start, r)).train(learning_rate=eta, steps=1, record=[1])
        frozen = r - eta * kernels_of(study, inputs, start.W) @ r
        effects.append(np.sqrt(m) * (run["residual"][-1] - frozen))
    return np.concatenate(effects)
