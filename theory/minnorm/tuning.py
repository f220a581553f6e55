"""The three numbers of a Minnorm flow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import reject

Number = float | Float[Array, "*#runs"]


@dataclass(frozen=True)
class Tuning:
    """Speed a of the weights, speed b of the multiplier, augmentation c; each a number or one a run (runs,)."""

    a: Number = 1.0
    b: Number = 1.0
    c: Number = 0.0

    def __post_init__(self) -> None:
        for name in ("a", "b", "c"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if not np.isfinite(value).all():
                reject(name, value, "finite numbers")
        if not (np.asarray(self.a) > 0).all():
            reject("a", np.min(self.a), "a number above 0")
