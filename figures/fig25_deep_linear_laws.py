"""Figure 25: deep linear networks. Forgetting, limit and completion by Minnorm; modes that are lost; a frozen part."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

from experiments.deep_linear.aligned import INPUT
from experiments.deep_linear.completion import CORNER
from experiments.deep_linear.mode_collapse import TUNING
from figures.agreement import GREY, WRONG, controls, depth, diagonal, named
from figures.style import COLOURS, canvas, letter, line, markers
from theory.chain import minnorm as chain_minnorm
from theory.chain.problem import Chain
from theory.claims import Check, Evidence
from theory.core.arrays import Array
from theory.deep_linear import minnorm
from theory.deep_linear.problem import TeacherStudent
from theory.minnorm.tuning import Tuning

DASHES = ("-", "--", "-.", ":")
# The problem whose oscillations are looked at: X, the size of Y X^+, speeds a and b, and the step.
SEEN, SIZE, SPEEDS, ETA = np.diag([1.0, 0.5, 1.2, 0.8])[None, :, :3], 1.3, (1.1, 0.8), 0.02
# Of the frozen part: names of checks, what they are called here, and of their controls.
LAWS = (
    ("excess over the minimum-norm solution", "excess error", {"dearer": "10 % dearer"}),
    ("|W Q|^2 / (s1^2 |A|^2)", "mean of $|W Q|^2$", {"chi^2": "all dimensions", "scale of": "scale 10 % larger"}),
    ("gain from small starts", "gain, small start", {"one layer": "one layer less"}),
    ("gain from an orthogonal start, learning rate 0", "gain, orthogonal\nstart", {"kappa": r"$\kappa$ 10 % larger"}),
)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    """What is forgotten, closed forms, completions; modes in time, growth at critical values, the frozen part."""
    title = "Deep linear networks: Minnorm forgets every start, depth says what is filled in and which modes are lost"
    figure = canvas(title, evidence, width=15.0, height=9.6)
    left, middle, right = figure.subfigures(1, 3)
    forgotten, modes = left.subplots(2, 1)
    closed, closed_apart, critical, angle = middle.subplots(4, 1, height_ratios=(3, 1.3, 3, 1.5))
    completed, frozen = right.subplots(2, 1)
    claims = {name.split(".")[1].removeprefix("deep_"): item for name, item in evidence.items()}
    _draw_forgotten(forgotten, claims["forgetting"], claims["limit"])
    _draw_closed_forms(closed, closed_apart, claims)
    _draw_completed(completed, claims["completion"])
    _draw_modes(modes, claims["mode_collapse"])
    _draw_critical(critical, claims["mode_threshold"], claims["mode_return"])
    _draw_angle(angle, claims["spectrum"])
    _draw_frozen(frozen, claims["frozen_subspace"])
    return figure


def _draw_forgotten(axes: Axes, forgetting: Evidence, limit: Evidence) -> None:
    """What is left of the start: where no example looks, of the imbalances, of the distance to Y X^+."""
    t, distance = limit.curves["t"], limit.curves["distance"]
    late = t[1:]
    for i, scale in enumerate(np.unique(limit.curves["scales"])):
        runs = distance[:, limit.curves["scales"] == scale]
        axes.semilogy(t, runs[:, 0] / runs[0, 0], **markers(i), label=f"$|W - Y X^+|$, start $\\times\\ {scale:g}$")
        axes.semilogy(t, runs[:, 1:] / runs[0, 1:], **markers(i))
        axes.semilogy(late, runs[1, 0] / runs[0, 0] * np.exp(late[0] - late), **line(i))
    for word, name, off in (("gradient descent has", "gradient descent", 3), ("weight decay has", "weight decay", -11)):
        for check in controls(limit, word):
            left = abs(check.measured - check.predicted) / distance[0].min()
            axes.axhline(left, **GREY)
            axes.annotate(
                name, (t[-1], left), (0, off), textcoords="offset points", ha="right", fontsize=8, color="0.4"
            )
    axes.set(xlabel=r"$t$ = step $\times$ learning rate, $a = 1$", ylabel="left of the start", ylim=(None, 30))
    axes.legend(loc="lower left", title="lines: slope $-a$; markers: trained")
    _draw_early(axes.inset_axes((0.1, 0.45, 0.33, 0.35)), forgetting.curves)
    letter(axes, "A", "everything but $Y X^+$ is forgotten at rate $a$")


def _draw_early(axes: Axes, curves: Mapping[str, Array]) -> None:
    fine = np.linspace(0, curves["t"].max(), 50)
    for i, (name, rate, label) in enumerate((("unseen", 1, "$W_1 Q$"), ("imbalance", 2, "$D_l$"))):
        axes.plot(fine, np.exp(-rate * fine), **line(i))
        axes.plot(fine, np.exp(-1.1 * rate * fine), **(GREY | {"linewidth": 0.8}))
        axes.plot(curves["t"], curves[name], **markers(i, markersize=3))
        axes.annotate(label, (fine[-1], np.exp(-rate * fine[-1])), (3, 0), textcoords="offset points", fontsize=8)
    axes.set_title("$e^{-at}$, $e^{-2at}$ (grey: 10 % faster)", fontsize=8)
    axes.set_xlabel("$a t$", fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)


def _draw_closed_forms(axes: Axes, residual: Axes, claims: Mapping[str, Evidence]) -> None:
    series = {
        "layers, imbalances: after a step, after all": [
            check
            for check in named(claims["forgetting"], "a step", "in all", "subspace", "imbalance", "over velocity")
            if abs(check.predicted) < 2
        ],
        "modes as chains": named(claims["mode_chains"], "modes", "step of every", "no mode"),
        "Jacobians at rest": [*named(claims["spectrum"], "Jacobian"), *named(claims["mode_return"], "Jacobian")],
        "where Minnorm ends: $W$, multipliers": named(claims["limit"], ": Y X^+", ": multipliers"),
        "gradient flow: frozen, seen map": named(claims["frozen_subspace"], "seen map", "seen layers"),
    }
    wrong = [
        *controls(claims["forgetting"], ""),
        *controls(claims["mode_chains"], ""),
        *controls(claims["spectrum"], "linearisation"),
        *controls(claims["limit"], "multipliers of", "weight decay has"),
    ]
    diagonal(axes, residual, series, wrong)
    axes.set_ylim(-4.2, None)
    axes.legend(loc="lower right", fontsize=7.5, labelspacing=0.35)
    letter(axes, "B", "closed forms: the worst entry of each depth")


def _draw_completed(axes: Axes, evidence: Evidence) -> None:
    """Sum of the layers' squares against the entry that is not known, above its least, and where training ends."""
    a, b, c = CORNER
    x = np.linspace(-1.5, 7.5, 600)
    entries = np.stack([np.full_like(x, a), np.full_like(x, b), np.full_like(x, c), x], axis=-1).reshape(-1, 2, 2)
    s = np.linalg.svd(entries, compute_uv=False)
    fills = evidence.curves["fills"]
    for i, fill in enumerate(fills):
        L = i + 1
        cost = L * (s ** (2 / L)).sum(-1)
        least = L * (_svd(a, b, c, fill) ** (2 / L)).sum()
        axes.plot(x, cost - least, **line(i, DASHES[i]))
        axes.plot(fill, 0, **markers(i, markersize=7))
        axes.plot([], [], **markers(i, linestyle=DASHES[i]), label=f"$L = {L}$: {fill if abs(fill) > 1e-6 else 0:.3g}")
    rank = b * c / a
    axes.axvline(rank, **GREY)
    axes.annotate("rank 1", (rank, 1.6), (-4, 0), textcoords="offset points", fontsize=8, color="0.4", ha="right")
    axes.set(xlabel="unknown entry of $(1, 2; 3, ?)$", ylabel=r"$L \sum_k \sigma_k^{2/L}$ above its least")
    axes.set(xlim=(-1.5, 7.5), ylim=(-0.12, 2.6))
    axes.legend(
        loc="upper center", title="lines: cost of the layers; markers: trained", ncols=2, frameon=True, edgecolor="none"
    )
    letter(axes, "C", "depth decides what Minnorm fills in")


def _svd(a: float, b: float, c: float, x: float) -> Array:
    return np.linalg.svd(np.array([[a, b], [c, x]]), compute_uv=False)


def _draw_modes(axes: Axes, evidence: Evidence) -> None:
    start, strengths = evidence.parameters["start"], evidence.parameters["strengths"]
    for k, L in enumerate((2, 3)):
        curves = evidence.group(f"depth {L}")
        for i, s in enumerate(strengths):
            axes.semilogy(*_mode(Chain(s, L, x=INPUT), start, curves["t"][-1]), **line(i, DASHES[k]))
            shown = slice(i, None, 1 if L == 2 else 2)
            style = markers(i, marker=("o", "s")[k])
            axes.semilogy(curves["t"][shown], curves["strengths"][shown, i], **style)
    for i, s in enumerate(strengths):
        axes.axhline(s, **(GREY | {"linewidth": 0.7, "linestyle": ":"}))
        axes.annotate(
            f"$s = {s:g}$", (16, s), (0, 3), textcoords="offset points", ha="right", fontsize=8, color=COLOURS[i]
        )
    for k, label in enumerate(("$L = 2$: all are learned", "$L = 3$: the weakest is lost")):
        axes.plot([], [], color="0.3", linestyle=DASHES[k], marker=("o", "s")[k], markerfacecolor="none", label=label)
    axes.legend(loc="lower right", title="lines: one chain a mode; markers: trained")
    axes.set(xlabel=r"$t$ = step $\times$ learning rate", ylabel="strength of a mode", ylim=(1e-5, 12))
    letter(axes, "D", "three layers lose a weak mode that two would learn")


def _mode(chain: Chain, start: float, horizon: float) -> tuple[Array, Array]:
    """Its strength by the Minnorm flow of a chain of equal weights, from multiplier 0."""

    def velocity(_: float, state: Array) -> Array:
        w, multiplier = chain_minnorm.velocity(chain, TUNING, np.full(chain.L, state[0]), state[1])
        return np.append(w[0], multiplier)

    t = np.linspace(0, horizon, 300)
    flow = solve_ivp(velocity, (0, horizon), [start, 0.0], t_eval=t, rtol=1e-9, atol=1e-14, method="LSODA")
    return t, flow.y[0] ** chain.L


def _draw_critical(axes: Axes, threshold: Evidence, returns: Evidence) -> None:
    """Growth beside what theory says is critical: the augmentation of a mode, the multiplier of a lost one."""
    share = np.linspace(0.2, 2.1, 50)
    depths = sorted({depth(check) for check in named(threshold, "neutral")})
    for i, L in enumerate(depths):
        axes.plot(share, (L - 2) * (1 - share) / 2, **line(i, DASHES[i]))
        points = {1.0: _only(threshold, f"depth {L}", "neutral").measured}
        beside = _only(threshold, f"depth {L}", "growth")
        points[(0.97, 1.0, 1.03)[int(beside.where.removeprefix("c "))]] = beside.measured
        label = f"a mode against augmentation, $L = {L}$"
        axes.plot(list(points), list(points.values()), **markers(i), label=label)
    shown = 3 if 3 in depths else max(depths)
    s = threshold.parameters["strengths"]
    for word, at in (("strongest", (s[-1] / s[0]) ** (2 - 2 / shown)), ("L - 1", (shown - 1) / (shown - 2))):
        for check in controls(threshold, word):
            axes.plot(at, check.measured, **markers(depths.index(shown)))
            axes.plot([at, at], [check.measured, 0], **GREY)
            axes.plot(at, 0, **WRONG)
    for check in named(returns, "opens"):
        j = check.case.removeprefix("through mode ")
        later = _only(returns, check.case, "Jacobian")
        i = len(depths) + int(j) - 1
        axes.plot(share, abs(later.predicted) * (share - 1) / 0.1, **line(i, DASHES[i % 4]))
        at = (0.9, 1.0, 1.1)[int(later.where.split(",")[0].removeprefix("multiplier "))]
        points = [1.0, at], [check.measured, later.measured]
        axes.plot(*points, **markers(i), label=f"lost, through mode {j}, against multiplier")
    for check in controls(returns, "later"):
        axes.plot([1.1, 1.1], [check.measured, 0], **GREY)
        axes.plot(1.1, 0, **WRONG)
    axes.plot([], [], **WRONG, label="if that were critical")
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel="share of the critical value", ylabel="growth per unit of time", xlim=(0.1, 3.3), ylim=(-1.9, 2.6))
    axes.legend(loc="upper right", fontsize=7.5, labelspacing=0.3)
    letter(axes, "E", "modes settle, and return, beyond critical values")


def _only(evidence: Evidence, case: str, word: str) -> Check:
    return next(check for check in evidence.checks if check.case == case and check.name.startswith(word))


def _draw_angle(axes: Axes, evidence: Evidence) -> None:
    """Growth at depth 2 without augmentation, against the angle of Y X^+ to an eigenvector of X X^T."""
    angles = np.linspace(0, np.pi / 2, 91)
    W = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=-1)[:, None]
    problem = TeacherStudent(np.repeat(SEEN, len(angles), axis=0), SIZE * W, np.zeros((len(angles), 1, 3)))
    eigenvalues = np.linalg.eigvals(minnorm.linearisation(problem, Tuning(*SPEEDS), 2))
    growth = np.log(np.abs(1 + ETA * eigenvalues)).max(-1) / ETA
    axes.plot(np.degrees(angles), growth, **line(0))
    measured = [_only(evidence, case, "growth").measured for case in ("an eigenvector", "no eigenvector")]
    axes.plot([0, 45], measured, **markers(0, zorder=3))
    for at, check in zip((0, 45), (c for word in ("damped", "undamped") for c in controls(evidence, f": {word}"))):
        axes.plot([at, at], [check.measured, check.predicted], **GREY)
        axes.plot(at, check.predicted, **WRONG)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel=r"angle of $Y X^+$ to an eigenvector of $X X^\top$ (degrees)", ylabel="growth")
    axes.set_xticks([0, 45, 90])
    axes.annotate("$L = 2$, $c = 0$:\nundamped along eigenvectors alone", (1.5, -0.125), fontsize=8)


def _draw_frozen(axes: Axes, evidence: Evidence) -> None:
    """What the frozen part costs, and what it is multiplied by, over their laws."""
    rows: list[tuple[str, Check, dict[str, Check]]] = []
    for words, label, wrong in LAWS:
        checks = [check for check in evidence.checks if check.name == words and not check.is_control]
        changed = [(says, c) for word, says in wrong.items() for c in controls(evidence, word)]
        measured = [check.measured for check in checks]
        for k, check in enumerate(checks):
            name = f"{label}\n$L = {depth(check)}$" if check.case else label
            # A control measures what one of the checks does; where it does not, it stands with the first.
            mine = {
                says: c for says, c in changed if k == (measured.index(c.measured) if c.measured in measured else 0)
            }
            rows.append((name, check, mine))
    for y, (_, check, broken) in enumerate(rows):
        half = check.tolerance / check.predicted if check.kind == "rate" else 0.0
        axes.errorbar(check.measured / check.predicted, y, xerr=half, capsize=3, elinewidth=1.0, **markers(0))
        for k, (says, other) in enumerate(broken.items()):
            axes.plot(other.measured / other.predicted, y, **WRONG)
            axes.annotate(
                says, (other.measured / other.predicted, y), (0, 6 - 18 * k), textcoords="offset points",
                fontsize=7, ha="right" if other.measured < other.predicted else "left", color="0.4",
            )  # fmt: skip
    axes.axvline(1, **line(0))
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set(xlabel="trained / law (bars: 95 %)", ylim=(len(rows) - 0.5, -0.7), xlim=(0.66, 1.28))
    letter(axes, "F", "what the frozen part costs, over its law")
