"""What a notebook shows of evidence and of trajectories: their `_repr_html_`, which finds this module by its name."""

from base64 import b64encode
from importlib import import_module
from io import BytesIO

import numpy as np

from theory.claims import Evidence
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.harness.site.pages import environment
from theory.harness.site.view import View

FOREST = "figures.forest"  # by name: the harness draws nothing itself
DOTS_PER_INCH = 90


def evidence_html(evidence: Evidence) -> str:
    """Verdict, statement, the picture of the checks, and the checks in a table."""
    view = View(evidence, (), (), "")
    return environment().get_template("notebook_evidence.html").render(view=view, picture=_picture(evidence))


def _picture(evidence: Evidence) -> str:
    """The checks as a forest: a PNG in base64."""
    drawn = BytesIO()
    import_module(FOREST).draw({evidence.id: evidence}).savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    return b64encode(drawn.getvalue()).decode()


def trajectory_html(trajectory: Trajectory) -> str:
    """Times and steps in a line, and of each array its shape and where it begins and ends."""
    rows = [(name, array.shape, ends(array[:1]), ends(array[-1:])) for name, array in trajectory.arrays.items()]
    said = {"times": len(trajectory.t), "t": (ends(trajectory.t[:1]), ends(trajectory.t[-1:]))}
    steps = ends(np.asarray(trajectory.facts["steps"])) if "steps" in trajectory.facts else ""
    return environment().get_template("notebook_trajectory.html").render(rows=rows, steps=steps, **said)


def ends(values: Array) -> str:
    """The smallest and the largest of the values, or the one that all of them are."""
    if values.size == 0:
        return "empty"
    low, high = f"{values.min():.6g}", f"{values.max():.6g}"
    return low if low == high else f"{low} to {high}"
