"""Figure 24: linear chains. What is forgotten, what weight decay costs, collapse, and the spectra of two norms."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.chain.l2 import ABOVE, BELOW
from experiments.chain.parameters import Units
from figures.agreement import GREY, ROUNDING, WRONG, apart, controls, depth, diagonal, named
from figures.style import canvas, letter, line, markers
from theory.chain import minnorm, weight_decay
from theory.chain.problem import Chain
from theory.claims import Check, Evidence
from theory.core.arrays import Array
from theory.minnorm.tuning import Tuning

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
HEIGHTS = (3, 1.3)  # of a panel, and of what is apart
FASTEST = 3.0  # of gamma drawn, where no threshold ends the curve


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """Imbalances, equilibria of weight decay and their bias; collapse with its bound; rates; critical augmentation."""
    title = "Chains of weights forget at the rate that decays them: by weight decay with a bias, by Minnorm without one"
    figure = canvas(title, evidence, width=15.0, height=9.4)
    left, middle, right = figure.subfigures(1, 3)
    closed, closed_apart, collapsed = left.subplots(3, 1, height_ratios=(*HEIGHTS, sum(HEIGHTS)))
    decayed, rates, rates_apart = middle.subplots(3, 1, height_ratios=(sum(HEIGHTS), *HEIGHTS))
    price, price_apart, critical, critical_apart = right.subplots(4, 1, height_ratios=(*HEIGHTS, *HEIGHTS))
    chains = {name.removeprefix("minnorm.chain_"): item for name, item in evidence.items()}
    _draw_closed_forms(closed, closed_apart, chains)
    _draw_decayed(decayed, chains["l2"])
    _draw_price(price, price_apart, chains["l2"], chains["schedules"])
    _draw_collapse(collapsed, chains["collapse"])
    _draw_rates(rates, chains["spectrum"])
    _draw_rates_apart(rates_apart, chains["spectrum"], chains["unsquared"])
    _draw_critical(critical, critical_apart, chains["unsquared"])
    return figure


def _draw_closed_forms(axes: Axes, residual: Axes, chains: Mapping[str, Evidence]) -> None:
    series = {
        "Minnorm: imbalance, $e^{-2 a t}$": named(chains["decay"], "imbalance"),
        "weight decay, three schedules too": [
            *named(chains["l2"], "imbalance"),
            *named(chains["schedules"], "imbalance"),
        ],
        "one step of either": named(chains["discrete_law"], "after a step"),
        "gradient flow: kept, step by step": named(chains["gradient_flow"], "after one step", "change of"),
        "gradient flow: where it ends": named(chains["gradient_flow"], ": limit", ": product", ": time"),
    }
    wrong = [
        *controls(chains["decay"], ""),
        *controls(chains["l2"], "rate"),
        *controls(chains["discrete_law"], ""),
        *controls(chains["gradient_flow"], "imbalance", "time", "sigma", "unbalanced"),
        *controls(chains["schedules"], "forgets"),
    ]
    diagonal(axes, residual, series, wrong)
    axes.set_ylim(-3.6, None)
    axes.legend(loc="lower right", fontsize=7.5, labelspacing=0.35)
    letter(axes, "A", "closed forms: the worst moment of each depth")


def _draw_decayed(axes: Axes, evidence: Evidence) -> None:
    """The product at rest against weight decay, with the branch that repels; and what trained chains rest at."""
    size = evidence.parameters
    for i, L in enumerate(size["depths"]):
        chain = Chain(size["target"], L, x=size["input"])
        axes.plot(*_branch(chain), **line(i, DASHES[i % len(DASHES)]))
        axes.plot(*_resting(evidence, chain), **markers(i, linestyle="none"))
        axes.plot([], [], **markers(i, linestyle=DASHES[i % len(DASHES)]), label=f"$L = {L}$")
        if collapsed := [
            c for c in controls(evidence, "equilibrium") if c.measured < c.predicted / 2 and L == _shown(size)
        ]:
            gamma = ABOVE * weight_decay.collapse_threshold(chain)
            axes.plot([gamma] * 2, [collapsed[0].predicted, collapsed[0].measured], **GREY)
            axes.plot(gamma, collapsed[0].measured, **markers(i))
            above = f"{100 * (ABOVE - 1):.0f} % above: to 0"
            axes.annotate(above, (gamma, 0), (4, 4), textcoords="offset points", fontsize=8)
            gamma, u = _branch(chain)
            axes.plot(gamma / 1.1, u, **GREY)
    axes.plot([], [], **GREY, label=f"$L = {_shown(size)}$, if 10 % or 3 % off")
    axes.set(xlim=(0, 1.05 * FASTEST), ylim=(-0.06, 1.04 * size["target"]))
    axes.set(xlabel=r"weight decay $\gamma$", ylabel="product $p$ at rest")
    axes.legend(loc="upper right", title="lines: rest, stable where the product is larger")
    letter(axes, "B", "weight decay leaves a bias, and beyond a threshold nothing")


def _shown(size: Mapping[str, Any]) -> int:
    """The depth whose hypotheses the claims break."""
    return 3 if 3 in size["depths"] else max(size["depths"])


def _branch(chain: Chain) -> tuple[Array, Array]:
    """(gamma, u) with sigma (s - u) u^(1 - 2/L) = gamma, for u from s down to 0."""
    u = chain.s * np.linspace(1, 1e-6, 400)
    gamma = chain.sigma * (chain.s - u) * u ** (1 - 2 / chain.L)
    shown = gamma <= FASTEST
    return gamma[shown], u[shown]


def _resting(evidence: Evidence, chain: Chain) -> tuple[list[float], list[float]]:
    """Weight decay and trained product, at the share of the threshold that is worst and just below the threshold."""
    case = f"depth {chain.L}"
    threshold = min(weight_decay.collapse_threshold(chain), 4.0 / Units(chain).time)
    checks = {check.name: check for check in evidence.checks if check.case == case}
    at_rest = checks["equilibrium"]
    share = evidence.parameters["shares"][int(at_rest.where.removeprefix("entry "))]
    points = [(share * threshold, at_rest.measured)]
    if "rest below" in checks:
        points.append((BELOW * threshold, checks["rest below"].measured))
    gamma, u = zip(*points)
    return list(gamma), list(u)


def _draw_price(axes: Axes, residual: Axes, l2: Evidence, schedules: Evidence) -> None:
    """What a chain that forgets is off by: s - p under weight decay, in units of gamma; its integral under Minnorm."""
    size = l2.parameters
    fine = np.linspace(min(size["depths"]), max(size["depths"]), 100)
    law = np.array([size["target"] ** (2 / L - 1) / size["input"] ** 2 for L in fine])
    axes.plot(fine, law, **line(0), label=r"$s^{2/L - 1} / \sigma$")
    axes.plot(fine, 1.1 * law, **GREY, label="10 % larger")
    annealed, integrals = named(schedules, "annealed bias"), named(schedules, "error integrated")
    k = np.array([schedules.parameters["annealed"][int(check.where.removeprefix("entry "))] for check in annealed])
    for i, (checks, unit, label) in enumerate(
        (
            (named(l2, "bias over gamma"), 1.0, r"$(s - p) / \gamma$, weight decay, trained"),
            (annealed, k, r"$(1 + t)(s - p) / k$, $\gamma = k / (1 + t)$, trained"),
            (integrals, 1.0, "$h$ integrated, Minnorm, trained"),
        )
    ):
        L, measured = np.array([depth(c) for c in checks]), np.array([c.measured for c in checks]) / unit
        axes.plot(L, measured, **markers(i), label=label)
        residual.semilogy(L, np.array([apart(c) for c in checks]) / unit, **markers(i))
    axes.plot([depth(c) for c in integrals], [c.predicted for c in integrals], **line(2))
    _controls_by_depth(axes, residual, [*controls(l2, "bias"), *controls(schedules, "multiplier")], _shown(size))
    axes.tick_params(labelbottom=False)
    axes.set(ylabel="bias, in units of decay", xticks=size["depths"], ylim=(0.4, 1.75))
    axes.legend(loc="upper right")
    residual.set(xlabel="depth $L$", ylabel="difference", xticks=size["depths"], xlim=axes.get_xlim())
    letter(axes, "C", "the price: a bias for ever; Minnorm pays once")


def _controls_by_depth(axes: Axes, residual: Axes, checks: Sequence[Check], L: int) -> None:
    """What a changed theory says, and how far it is from what was trained."""
    axes.plot([L] * len(checks), [check.predicted for check in checks], **WRONG)
    residual.semilogy([L] * len(checks), [apart(check) for check in checks], **WRONG)


def _draw_collapse(axes: Axes, evidence: Evidence) -> None:
    curves = evidence.curves
    for i, criterion in enumerate(curves["criteria"]):
        axes.semilogy(curves["t"], curves["bound"][:, i], **line(i, DASHES[i]))
        label = f"start at {criterion:g} of the criterion"
        axes.semilogy(curves["t"][i::2], curves["sizes"][i::2, i], **markers(i), label=label)
    start = curves["sizes"][0, 0]
    axes.axhline(start, **GREY, label="no collapse")
    for check in controls(evidence, "bound with"):
        at = curves["t"][int(check.where.split(",")[0].removeprefix("t "))]
        axes.plot(at, check.predicted, **WRONG, label=check.name)
    axes.legend(loc="lower left", title="lines: bound; markers: trained, $L = 3$")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="size of a weight")
    letter(axes, "D", "from depth 3 on small weights collapse under Minnorm")


def _draw_rates(axes: Axes, evidence: Evidence) -> None:
    """The slowest rate at the minimum against the augmentation, b = 4 a / g; its peak is the best tuning."""
    size = evidence.parameters
    for check in named(evidence, "best tuning"):
        chain = Chain(size["target"], depth(check), x=size["input"])
        peak, cg = chain.L + 2, np.linspace(max(chain.L - 2.5, 0), chain.L + 5, 200)
        tuning = Tuning(np.ones(200), np.full(200, 4 / chain.g), cg / chain.g)
        axes.plot(cg, -minnorm.spectrum(chain, tuning).real.max(-1) / 2, **line(0, linewidth=0.9))
        axes.annotate(f"$L = {chain.L}$", (peak, 1), (0, 6), textcoords="offset points", fontsize=8, ha="center")
        axes.plot(peak, _rate(check), **markers(0))
    axes.plot(1.1 * (_shown(size) + 2), 1, **WRONG)
    axes.axhline(1, color="black", linewidth=1.0)
    axes.axhline(0, color="0.6", linewidth=0.8, linestyle=":")
    axes.plot([], [], **markers(0), label="best tuning, trained: every rate is $2a$")
    axes.plot([], [], **WRONG, label="$c$ 10 % larger: still $2a$?")
    axes.legend(loc="lower right", fontsize=7.5)
    axes.set(xlabel=r"augmentation $c\, g$", ylabel="slowest rate / $2a$", ylim=(-0.45, 1.22))
    letter(axes, "E", "no tuning is faster than $2a$, where one has every rate")


def _draw_rates_apart(axes: Axes, squared: Evidence, unsquared: Evidence) -> None:
    """How far rates are from what the imbalances allow: of the best tuning, the slowest of any, of another norm."""
    series = (
        ("best", named(squared, "best tuning")),
        ("any, slowest", named(squared, "slowest rate")),
        ("best, power $k$", named(unsquared, "best tuning")),
    )
    for i, (label, checks) in enumerate(series):
        places = [depth(check) + 0.12 * (i - 1) for check in checks]
        axes.semilogy(places, [max(abs(_rate(c) - 1), ROUNDING) for c in checks], **markers(i), label=label)
    wrong = controls(squared, "still all")
    axes.semilogy([_shown(squared.parameters)] * len(wrong), [abs(_rate(c) - 1) for c in wrong], **WRONG)
    axes.legend(loc="center right", fontsize=7.5, labelspacing=0.3, bbox_to_anchor=(1.0, 0.6))
    axes.set(xlabel="depth $L$", ylabel="rate / $2a$ $- 1$", xticks=squared.parameters["depths"])


def _rate(check: Check) -> float:
    """Measured over predicted; of a coefficient of the characteristic polynomial, the mean rate that it stands for."""
    order = 1 + int(check.where.split(", ")[1]) if ", " in check.where else 1
    return (check.measured / check.predicted) ** (1 / order)


def _draw_critical(axes: Axes, residual: Axes, evidence: Evidence) -> None:
    """The augmentation at which a pair of eigenvalues is neutral, against the power of the norm."""
    size = evidence.parameters
    k = np.linspace(1, 2, 60)
    for i, (L, power) in enumerate(zip(size["depths"], size["powers"])):
        chain = Chain(size["target"], L, x=size["input"])
        critical = [float(minnorm.critical_augmentation(replace(chain, power=p))) for p in k]
        axes.plot(k, critical, **line(i, DASHES[i]))
        at = float(minnorm.critical_augmentation(replace(chain, power=power)))
        axes.plot(power, at, **markers(i))
        axes.plot([], [], **markers(i, linestyle=DASHES[i]), label=f"$L = {L}$")
        axes.axhline(critical[-1], **GREY, label="as if squared" if i == 0 else None)
        checks = [c for c in named(evidence, "growth", "neutral") if depth(c) == L]
        residual.semilogy([power + 0.02 * i] * len(checks), [apart(c) for c in checks], **markers(i))
    for check in controls(evidence, "critical augmentation"):
        residual.semilogy(size["powers"][0], apart(check), **WRONG)
        chain = Chain(size["target"], size["depths"][0], x=size["input"])
        axes.plot(size["powers"][0], float(minnorm.critical_augmentation(chain)), **WRONG)
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper right", ncols=2, title="lines: law; markers: no growth in training")
    axes.set(ylabel="critical augmentation $c$", xlim=(0.95, 2.05), ylim=(-0.02, 0.33))
    residual.set(xlabel=r"power $k$ of the norm $\sum |w_l|^k$", ylabel="growth\nunexplained", xlim=axes.get_xlim())
    letter(axes, "F", "unsquared norms need more augmentation")
