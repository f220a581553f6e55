"""The one style all figures share: theory as lines, training as markers, the verdicts under them."""

from collections import Counter
from collections.abc import Mapping
from textwrap import fill

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from theory.claims import VERDICTS, Evidence
from theory.claims.parameters import written

# Okabe & Ito's colours: distinct to colour-blind eyes; ordered so that their greys differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
HEADING, FOOT = 10.5, 17.0  # characters an inch
UNBROKEN = "\N{NO-BREAK SPACE}"  # so that a line of the foot ends after a verdict, not within it
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

matplotlib.rcdefaults()  # not the user's own, which may set another text engine
matplotlib.rcParams.update(
    {
        "figure.dpi": 110,
        "savefig.dpi": 160,
        "font.size": 9,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.4,
        "lines.markersize": 4,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "legend.handlelength": 2.6,
        "mathtext.fontset": "cm",
    }
)


def canvas(title: str, evidence: Mapping[str, Evidence], width: float = 10.0, height: float = 5.6) -> Figure:
    """An empty figure whose heading is `title` and how finely it was tested; under it the verdict on each claim."""
    figure = Figure(figsize=(width, height), layout="constrained")
    heading = figure.suptitle(fill(title, width=int(HEADING * width)), x=0.01, ha="left", fontsize=11.5, weight="bold")
    if evidence:
        heading.set_text(f"{heading.get_text()}\n")  # the last line is left to what is not bold
        figure.add_artist(Annotation(summary(evidence), (0, 0), xycoords=heading, annotation_clip=False, fontsize=9.5))
    verdicts = ";   ".join(
        f"{e.id}: {e.in_words} ({sum(c.passed for c in e.checks)}/{len(e.checks)} checks)".replace(" ", UNBROKEN)
        for e in evidence.values()
    )
    foot = fill(f"{verdicts}{profile_note(evidence)}", width=int(FOOT * width))
    if foot:
        figure.supxlabel(foot, x=0.01, ha="left", fontsize=7.5, color="0.3")
    return figure


def summary(evidence: Mapping[str, Evidence]) -> str:
    """The verdict on one claim; of several, how many are wrong or open or, where none is, the coarsest."""
    bad = [e for e in evidence.values() if VERDICTS[e.verdict]]
    if bad and len(evidence) > 1:
        return f"{len(bad)} of {len(evidence)} claims: {', '.join(dict.fromkeys(e.verdict for e in bad))}"
    coarsest = max(evidence.values(), key=lambda e: e.resolution)
    return coarsest.in_words if len(evidence) == 1 else f"{len(evidence)} claims, the coarsest: {coarsest.in_words}"


def profile_note(evidence: Mapping[str, Evidence]) -> str:
    """Says so where parameters are smaller than the paper's or the user's own, and what used the user's data."""
    smoke = any(e.provenance.get("profile") == "smoke" for e in evidence.values())
    checks = [check for e in evidence.values() for check in e.checks]
    used = Counter(check.data for check in checks if check.data)
    data = "".join(f";   data: {name} ({count} of the {len(checks)} checks)" for name, count in sorted(used.items()))
    given = {f"{name} = {written(e.parameters[name])}": None for e in evidence.values() for name in e.given}
    varied = "".join(f";   {text}" for text in given)
    return (";   smoke profile: small sizes" if smoke else "") + data + varied


def markers(i: int, **overrides: object) -> dict[str, object]:
    """How training is drawn: open markers in the i-th colour."""
    style: dict[str, object] = {
        "linestyle": "none",
        "marker": MARKERS[i % len(MARKERS)],
        "color": COLOURS[i % len(COLOURS)],
        "markerfacecolor": "none",
        "markeredgewidth": 1.1,
    }
    return style | overrides


def line(i: int, style: str = "-", **overrides: object) -> dict[str, object]:
    """How theory is drawn: a line in the i-th colour."""
    return {"linestyle": style, "color": COLOURS[i % len(COLOURS)]} | overrides


def letter(axes: Axes, name: str, title: str) -> None:
    """Panel letter and title."""
    axes.set_title(f"{name}  {title}")
