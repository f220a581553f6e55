"""Inputs on a circle, of length 1 with last coordinate 1/2, labels in turn, and what an adversary makes of them."""

from dataclasses import dataclass

import numpy as np

from theory.adversarial import kernel, sphere
from theory.claims import Study, varies
from theory.core.arrays import Array
from theory.core.validation import reject

JITTER = 0.1  # of the spacing, by which inputs are off even spacing
HALF_POINTS = 8  # of a cap, to either side of its input


@dataclass(frozen=True)
class Sizes:
    """Of the problem."""

    examples: int = varies("n, around the circle, labels in turn", 4, low=2, high=6)
    rho: float = varies("how far the adversary moves an input", 0.2, low=0.02, high=0.4)

    def __post_init__(self) -> None:
        if self.closest <= sphere.touching_distance(self.rho) * 1.5:
            expected = f"a radius whose caps stay apart, {self.closest:.3g} between inputs of {self.examples} examples"
            reject("rho", self.rho, expected)

    @property
    def closest(self) -> float:
        """The smallest distance that two inputs may have."""
        return float(2 * sphere.RADIUS * np.sin(np.pi / self.examples * (1 - 2 * JITTER)))


def one_more(sizes: Sizes) -> Sizes:
    """The same with one example more on the circle, where inputs are closer and networks couple worse."""
    return Sizes(sizes.examples + 1, sizes.rho)


@dataclass(frozen=True)
class Circle:
    """Inputs at these angles, their labels, and points of their caps.

    Attributes:
        angles: (n,).
        y: (n,), each +-1.
        rho: radius of the caps.
    """

    angles: Array
    y: Array
    rho: float

    @property
    def inputs(self) -> Array:
        """(n, 3)."""
        return on_circle(self.angles)

    def caps(self, half: int = HALF_POINTS) -> Array:
        """2 half + 1 evenly spaced points of each cap, the input in the middle and both ends (n, k, 3)."""
        reach = float(sphere.angle(self.rho))
        return on_circle(self.angles[:, None] + reach * np.linspace(-1, 1, 2 * half + 1))

    def interpolant(self, slack: float, half: int = HALF_POINTS) -> tuple[Array, float]:
        """The smallest function of the space that is off by `slack` on the caps at most: alpha (n k,), squared norm."""
        points = self.caps(half).reshape(-1, 3)
        return kernel.least_norm(kernel.gram(points, points), np.repeat(self.y, 2 * half + 1), slack)


def on_circle(angles: Array) -> Array:
    """(R cos, R sin, 1/2) of angles of any shape."""
    return np.stack([sphere.RADIUS * np.cos(angles), sphere.RADIUS * np.sin(angles), 0.5 + 0 * angles], -1)


def draw_circle(study: Study, sizes: Sizes) -> Circle:
    """Evenly spaced inputs, each moved a little, labels in turn."""
    n = sizes.examples
    off = JITTER * study.rng("inputs").uniform(-1, 1, n)
    return Circle(2 * np.pi / n * (np.arange(n) + off), np.where(np.arange(n) % 2, -1.0, 1.0), sizes.rho)
