"""Small chains of three and four weights leave the saddle at 0 after an elliptic integral, and then all alike."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.special import elliprf

from experiments.chain.networks import plain_descent
from experiments.chain.parameters import INPUT, TARGET, Units
from experiments.training import extrapolated, tends_to
from experiments.training.crossings import passing_times
from experiments.training.together import copies, refined_together
from theory.chain.escape_time import elliptic, escape_time
from theory.chain.gradient_flow import balanced_time
from theory.chain.problem import Chain, product
from theory.claims import OURS, Check, Curves, Measured, Study, claim, curves, order, varies
from theory.claims.estimates import observed_order, richardson
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory

DEPTHS = (3, 4)
SHARES = (0.3, 0.5, 0.8, 0.95)  # of the target
SPREAD = (0.3, 1.7)  # of weights, in units of their size
LONGER = 1.15  # than the law says, is what is trained
BETWEEN = 1  # steps of the coarsest between records


@dataclass(frozen=True)
class Escaping:
    """Small starts at three sizes, each half the one before."""

    size: float = varies("of the largest weights, as a share of the minimum's", 0.3, smoke=0.4, low=0.2, high=0.4)
    runs: int = varies("starts, one of them with a weight of 0", 8, smoke=4, paper=40, low=2, high=1000)
    target: float = varies("s, of the product of the weights; other numbers are in its units", TARGET, low=0.1, high=10)
    input: float = varies("x; other numbers are in its units", INPUT, low=0.1, high=10)
    learning_rate: float = varies("of the coarsest run", 0.02, smoke=0.03, low=1e-3, high=0.03)
    refinements: int = varies("learning rates, each half the one before", 4, paper=5, low=4, high=5)


@claim(
    "chain.escape_time",
    source="ours; the integral: Carlson's R_F, DLMF 19.16.1 and 19.29.19",
    source_kind=OURS,
    statement=r"t(p) = \frac{R(w) - R(\bar w)}{\sigma s} + t_{\bar w}(p) + O(m^2),\quad"
    r" \bar w_l = \sqrt m,\ m = \tfrac1L \textstyle\sum_l w_l^2,\quad"
    r" R = \tfrac12 \int_0^\infty \prod_l (w_l^2 + z)^{-1/2} dz:\quad"
    r" R_F(w_1^2, w_2^2, w_3^2),\ R_F\big((w_1 w_2 + w_3 w_4)^2, (w_1 w_3 + w_2 w_4)^2, (w_1 w_4 + w_2 w_3)^2\big)",
    hypotheses=(
        "gradient flow of a chain of L = 3 or 4 weights w from a small start, w_l >= 0, at most one of them 0",
        "t(p): when the product is p, of the order of s; input x, sigma = x^2, target x s",
        "t of a balanced chain is known: at half the target (R + c_L - m / (2 s)) / (sigma s)",
    ),
    theory_side="closed form",
    controls=(
        "as the balanced chain of the same norm",
        "elliptic integral 1 % larger",
        "mean square left out",
        "sigma 1 % larger",
        "depth 4: pairs without their partners",
        "one weight below 0",
    ),
    parameters=Escaping,
)
def small_chains_leave_after_an_elliptic_integral(study: Study, size: Escaping) -> Iterator[Check | Curves]:
    for L in DEPTHS:
        yield from _escapes(study, Chain(size.target, L, x=size.input), size)


def _escapes(study: Study, chain: Chain, size: Escaping) -> Iterator[Check | Curves]:
    """At sizes whose squares halve: what a larger one is off by tells what the smallest may be."""
    case, scale = f"depth {chain.L}", size.size * chain.omega
    unit = study.rng("starts", chain.L).uniform(*SPREAD, (size.runs, chain.L))
    unit[0, -1] = 0.0
    w = scale * np.stack([unit, unit / np.sqrt(2), unit / 2])
    alike = _alike(w[-1])
    turned = np.where(w[0] == w[0].min(-1, keepdims=True), -0.1, 1) * w[0]
    starts = np.concatenate([*w, alike, turned])
    runs = _descent(study, chain, starts, size)
    # (3 sizes, balanced, turned; shares, runs) of each learning rate
    times = [np.moveaxis(_times(chain, run).reshape(len(SHARES), 5, -1), 1, 0) for run in runs]
    law = np.stack([_law(chain, each) for each in w])
    limit, error = richardson([each[:3] for each in times])
    off = limit - law
    estimate = observed_order(list(off), error.max())
    yield order("what is left, order in the mean square", estimate, case=case).equals(2, excludes=(1.5, 2.5))
    left = np.abs(off[1]).max(0, keepdims=True) / 2
    name = "time to a share of the target"
    # The balanced chain's time is known to every order, so that the order of the step shows.
    balanced = [each[3] for each in times]
    yield from tends_to(name, balanced, lambda k: k * _balanced(chain, alike), case=f"{case}, balanced")
    found = extrapolated(name, [each[2] for each in times], left, case=case)
    yield found.equals(lambda k: k * law[2])
    yield from _controls(chain, w[2], law[2], found)
    wait = (elliptic(w[2]) - elliptic(alike)) / (chain.sigma * chain.s) * np.ones((len(SHARES), 1))
    behind = [each[2] - alone for each, alone in zip(times, balanced)]
    yield extrapolated("delay behind the balanced chain", behind, left, case=case).equals(lambda k: k * wait)
    if chain.L == DEPTHS[0]:
        # The first start has a weight of 0, which no sign changes.
        below = extrapolated("time of chains with a weight below 0", [each[4][:, 1:] for each in times])
        yield below.control("one weight below 0").equals(_law(chain, np.abs(turned))[:, 1:])
    unit, at = chain.sigma * chain.s, SHARES.index(0.5)
    yield curves(case, R=elliptic(w), time=unit * limit[:, at], law=unit * law[:, at], balanced=elliptic(_alike(w)))
    yield from _path(chain, runs[-1], 2 * size.runs, w[2], case)


def _controls(chain: Chain, w: Array, law: Array, found: Measured) -> Iterator[Check]:
    """At depth 3; and what depth 4 has of its own."""
    unit = 1 / (chain.sigma * chain.s)
    if chain.L == DEPTHS[0]:
        yield found.control("as the balanced chain of the same norm").equals(_balanced(chain, _alike(w)))
        yield found.control("elliptic integral 1 % larger").equals(law + 0.01 * elliptic(w) * unit)
        yield found.control("mean square left out").equals(law + (w**2).mean(-1) / (2 * chain.s) * unit)
        yield found.control("sigma 1 % larger").equals(law / 1.01)
    else:
        a, b, c, _ = w.T**2
        alone = law + (elliprf(a * b, a * c, b * c) - elliptic(w)) * unit
        yield found.control("depth 4: pairs without their partners").equals(alone)


def _path(chain: Chain, run: Trajectory, first: int, w: Array, case: str) -> Iterator[Curves]:
    """Products of the smallest starts in their common time, sigma s t - R(w), and the curve they are on."""
    shares = special.expit(np.linspace(-3, 5, 100))
    small = 1e-3 * chain.omega * np.ones(chain.L)
    common = chain.sigma * chain.s * escape_time(chain, small, shares) - elliptic(small)
    since = chain.sigma * chain.s * run.t[:, None] - elliptic(w)
    share = product(run["w"][:, first : first + len(w)]) / chain.s
    yield curves(f"path, {case}", since=since, share=share, common=common, shares=shares)


def _alike(w: Array) -> Array:
    """The balanced chains of the same norm."""
    return np.sqrt((w**2).mean(-1, keepdims=True)) * np.ones(w.shape[-1])


def _balanced(chain: Chain, w: Array) -> Array:
    """Times of balanced chains w, (shares, runs)."""
    return np.stack([balanced_time(chain, product(w), share * chain.s) for share in SHARES])


def _law(chain: Chain, w: Array) -> Array:
    """(shares, runs)."""
    return np.stack([escape_time(chain, w, share) for share in SHARES])


def _times(chain: Chain, run: Trajectory) -> Array:
    """When products pass the shares, (shares, runs)."""
    fractions = product(run["w"]) / chain.s
    return np.stack([passing_times(run.t, fractions, share) for share in SHARES])


def _descent(study: Study, chain: Chain, w: Array, size: Escaping) -> list[Trajectory]:
    """Until the last is all but there: by the law, and half as much again for what it may be off by."""
    eta, levels = size.learning_rate * Units(chain).time, size.refinements
    horizon = LONGER * _law(chain, np.abs(w[w.min(-1) >= 0])).max()
    steps = int(np.ceil(horizon / eta / BETWEEN)) * BETWEEN
    trainee = plain_descent(study, chain, copies(w, levels))
    return refined_together(trainee, learning_rate=eta, record=range(0, steps + 1, BETWEEN), levels=levels)
