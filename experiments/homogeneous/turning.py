"""What a figure shows of directions in time: one number a run."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array


def turned_by(directions: Float[Array, "T runs all"]) -> Float[Array, "T runs"]:
    """Distance of the directions of all layers, side by side, from where they started."""
    return np.linalg.norm(directions - directions[0], axis=-1)
