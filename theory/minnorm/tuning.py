"""The three numbers of a Minnorm flow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import finite_arrays, inside, reject

Number = float | Float[Array, "*#runs"]


@dataclass(frozen=True)
class Tuning:
    """Speed a of the weights, speed b of the multiplier, augmentation c; each a number or one a run (runs,).

    Raises:
        InvalidArgument: what is no finite number, or of other runs than the others; an a that is not above 0.
    """

    a: Number = 1.0
    b: Number = 1.0
    c: Number = 0.0

    def __post_init__(self) -> None:
        for name in ("a", "b", "c"):
            if np.ndim(getattr(self, name)):
                finite_arrays(self, **{name: "*runs"})
            else:
                inside(name, getattr(self, name), -np.inf, np.inf, "()")
        shapes = [np.shape(number) for number in (self.a, self.b, self.c)]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            reject("shapes of a, b, c", shapes, "numbers, or one a run")
        if not (np.asarray(self.a) > 0).all():
            reject("a", np.min(self.a), "a number above 0")
