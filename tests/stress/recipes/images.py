"""Labels of classes that exist, examples of which some are wanted and others are not, margins beside their sizes."""

from typing import Any

import numpy as np
from arguments import ARGUMENTS, Draw
from recipes.problems import sized

from theory.core.arrays import Array
from theory.images import class_means, held_out, ranking, solutions


def labelled(draw: Draw, *runs: str) -> dict[str, Any]:
    """Examples of one class or more, and now and then a label of none."""
    shape, classes = sized(draw, *runs, "n"), max(draw.whole(), 0 if draw.chance(0.1) else 1)
    y = draw.rng.integers(0, max(classes, 1) + draw.chance(0.1), shape)
    return {"x": draw.entries((*shape, *sized(draw, "d"))), "y": y, "classes": classes}


def some_wanted(draw: Draw, shape: tuple[int, ...]) -> Array:
    """At least one, and not the last."""
    wanted = draw.rng.random(shape) < 0.5
    wanted[..., 0], wanted[..., -1] = True, False
    return wanted


def scored(draw: Draw) -> dict[str, Any]:
    shape = (*(2,) * int(draw.rng.integers(0, 2)), int(draw.rng.integers(2, 6)))
    return {"scores": draw.entries(shape), "wanted": some_wanted(draw, shape)}


def sizes(draw: Draw) -> dict[str, Any]:
    shape = (2,) * int(draw.rng.integers(0, 2))
    return {"margin": draw.entries(shape), "squared_norm": np.square(draw.entries(shape)), "degree": draw.whole()}


ARGUMENTS |= {
    class_means.distances: labelled,
    class_means.to_own_class: lambda draw: labelled(draw, "runs"),
    class_means.beyond_the_nearest: lambda draw: labelled(draw, "runs"),
    held_out.left_out_margins: lambda draw: labelled(draw, "runs"),
    ranking.ranking: scored,
    ranking.ranking_error: lambda draw: {"wanted": scored(draw)["wanted"]},
    ranking.roc: lambda draw: {**scored(draw), "false": np.clip(draw.entries((4,)), 0, 1 + draw.chance(0.1))},
    solutions.normalised_margin: sizes,
}
