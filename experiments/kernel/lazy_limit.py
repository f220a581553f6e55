"""Infinite width: the residual follows (I - eta H)^k, and the weights a law without parameters."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.kernel.networks import Start, gaussian_start, movement_from, trainee, with_residual
from experiments.kernel.problems import Sizes, draw_inputs, signed_numbers
from theory.claims import (
    OURS,
    Check,
    Curves,
    Estimated,
    Measured,
    Study,
    Tolerance,
    claim,
    measured,
    rate,
    varies,
)
from theory.claims.estimates import SIGNIFICANCE, mean
from theory.claims.step_limit import of_steps, step_limit
from theory.core.arrays import Array
from theory.kernel import lazy, width
from theory.kernel.inputs import Inputs

STEPS = (1, 2, 4, 8)
CHANCE = f"spread of the runs, significance {SIGNIFICANCE:g}"


@dataclass(frozen=True)
class Runs(Sizes):
    """Of the problem, and of what is trained."""

    width: int = varies("m of the narrowest networks; the others have 4 m and 16 m", 256, smoke=128, low=64, high=2000)
    runs: int = varies("of each width", 320, smoke=100, paper=400, low=8, high=1000)
    step: float = varies("learning rate, in units of 1 / lambda_max", 0.8, low=0.05, high=1.5)
    draws: int = varies("networks of one step", 36_000, smoke=4000, paper=50_000, low=100, high=10**6)
    narrow: tuple[int, ...] = varies("m of these", (4, 32), smoke=(4,), low=1, high=1000)


@claim(
    "kernel.lazy_limit",
    source="ours; the sharp form of Du, Zhai, Póczos & Singh 2019, Theorem 4.1 and Corollary 4.1",
    source_kind=OURS,
    statement=r"m \to \infty:\quad y - u(k) \to (I - \eta H^\infty)^k r,\quad \|W(k) - W(0)\|_F^2 \to c_k^\top H^\infty"
    r" c_k,\quad \sqrt m\, \|w_r(k) - w_r(0)\| \to \left\| \sum_i c_{k,i}\, x_i \mathbf{1}\{w_r(0)^\top x_i \ge 0\}"
    r" \right\|,\quad c_k = \eta \sum_{j<k} (I - \eta H^\infty)^j r,\quad r = y - u(0);\quad"
    r" m\, \mathbb{E} \|y - u(1) - (I - \eta H^\infty) r\|^2 \to \eta^2 \Big( \sum_{ijl} g_{ij} g_{il} r_j r_l"
    r" \frac{2\pi - \theta_{ij} - \theta_{il} - \theta_{jl}}{4\pi} - \|H^\infty r\|^2 \Big),"
    r"\quad g_{ij} = x_i^\top x_j = \cos\theta_{ij}",
    hypotheses=(
        "|x_i| = 1, w_r(0) ~ N(0, I), a_r = +-1, W trained by gradient descent; r does not depend on W(0)",
        "the third: |r| -> 0, then m to infinity; the last: every width, |r| -> 0",
    ),
    theory_side="law",
    controls=(
        "rates 20 % larger",
        "a movement 10 % larger",
        "a farthest move 10 % larger",
        "a deviation that falls like 1 / m",
    ),
    parameters=Runs,
)
def wide_networks_are_linear(study: Study, sizes: Runs) -> Iterator[Check | Curves]:
    inputs = draw_inputs(study, sizes)
    r, eta = signed_numbers(study, sizes.examples), sizes.step / inputs.largest
    widths = [sizes.width * factor for factor in (1, 4, 16)]
    starts = [gaussian_start(inputs, m, sizes.runs, study.rng("networks", m)) for m in widths]
    runs = [_trained(study, start, r, eta) for start in starts]

    def modes(factor: float) -> Array:
        powers = np.power(1 - factor * eta * inputs.eigenvalues, np.array(STEPS)[:, None])
        return powers * (r @ inputs.eigenvectors)

    found = _in_the_limit("modes of y - u", widths, [run["residual"] @ inputs.eigenvectors for run in runs])
    coarse = (
        "the last correction in the width is a fortieth of the modes that tell their rates, and chance adds as much"
    )
    yield found.resolving(0.1, because=coarse).equals(modes)
    yield found.control("rates 20 % larger").equals(modes(1.2))
    law = lazy.squared_movement(inputs, eta, r, STEPS[-1])
    moved = _ratio("|W(k) - W(0)|_F^2 over its law", widths, [run["movement"][-1] / law for run in runs])
    yield moved.equals(1)
    yield moved.control("a movement 10 % larger").equals(1.1)
    c = lazy.coefficients(inputs, eta, r, STEPS[-1])
    of_law = [lazy.moves(inputs, start.W, c) for start in starts]
    typical = [run["typical"][-1] / moves.mean(-1) for run, moves in zip(runs, of_law)]
    yield _ratio("mean move over its law", widths, typical).equals(1)
    yield from _farthest(study, inputs, r, eta, sizes)
    yield from _one_step(study, inputs, r, eta, sizes)


def _trained(study: Study, start: Start, r: Array, eta: float) -> dict[str, Array]:
    run = trainee(study, start, with_residual(start, r), movement_from(start)).train(
        learning_rate=eta, steps=STEPS[-1], record=STEPS
    )
    return {name: run[name] for name in ("residual", "movement", "typical", "farthest")}


def _one_step(study: Study, inputs: Inputs, r: Array, eta: float, sizes: Runs) -> Iterator[Check]:
    """The mean square of what the first step is off by, from a residual so small that no pattern changes."""
    r = 1e-6 * r
    for m in sizes.narrow:
        start = gaussian_start(inputs, m, sizes.draws, study.rng("one step", m))
        run = trainee(study, start, with_residual(start, r)).train(learning_rate=eta, steps=1, record=[1])
        off = np.square(run["residual"][-1] - lazy.residual(inputs, eta, r, 1)).sum(-1)
        law = eta**2 * width.squared_step(inputs, r) / m
        yield rate("|deviation|^2 after a step over its law", mean(off / law), case=f"m = {m}").equals(1)
    steeper = rate("|deviation|^2 after a step over its law", mean(off / law * m))
    yield steeper.control("a deviation that falls like 1 / m").equals(1)


def _farthest(study: Study, inputs: Inputs, r: Array, eta: float, sizes: Runs) -> Iterator[Check]:
    """The farthest neuron, from a residual so small that no pattern changes: H(W) is off by 1 / m in the mean.

    Of a larger residual the farthest may be one of the few that cross a plane on their way, and move by other sums.
    """
    widths, r = [sizes.width // 4 * factor for factor in (1, 4, 16)], 1e-6 * r
    c = lazy.coefficients(inputs, eta, r, STEPS[-1])
    ratios = []
    for m in widths:
        start = gaussian_start(inputs, m, sizes.runs, study.rng("farthest", m))
        ratios.append(_trained(study, start, r, eta)["farthest"][-1] / lazy.moves(inputs, start.W, c).max(-1))
    found = _ratio("farthest move over its law", widths, ratios, order=2)
    yield found.equals(1)
    yield found.control("a farthest move 10 % larger").equals(1.1)


def _in_the_limit(name: str, widths: list[int], values: list[Array]) -> Measured:
    """Means over runs of values (T, runs, n), at widths 16 times apart, extrapolated to infinite width."""
    by_run = np.stack([np.moveaxis(each, 1, 0) for each in values])
    limit, half = of_steps(by_run, 2.0, 1, SIGNIFICANCE / by_run[0, 0].size)
    half = np.where(np.isfinite(half), half, np.abs(by_run).max())
    reason = f"Richardson over widths {', '.join(map(str, widths))} in m^(-1/2), its last correction; {CHANCE}"
    return measured(name, limit, within=Tolerance(half, reason, SIGNIFICANCE), axes=("step",))


def _ratio(name: str, widths: list[int], ratios: list[Array], order: int = 1) -> Estimated:
    return rate(name, step_limit(np.array(widths) ** -0.5, np.array(ratios), order))
