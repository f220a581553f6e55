"""Training from tiny components towards orthonormal terms of equal weight: starts, what they say, and what is left."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.tensor.models import Homogeneous, tensor
from experiments.tensor.problems import orthonormal, unit_vectors
from experiments.training import Trainee
from theory.claims import Study
from theory.core.arrays import Array
from theory.core.trajectory import Trajectory
from theory.core.validation import reject
from theory.tensor.small_start import PowerMethod, missed

TINY = 1e-24  # of components: at it 1 run in 200 ends elsewhere than its start says, at 1e-3 1 in 20
WAIT = 20.0  # beyond the time of growth, for those whose direction is late: it takes 1 / x_j where x_j is small
EARLY, ALONG = 2.0, 0.9  # so long before the first term is found, correlations have to be so large
SLOWEST = 30.0  # components, each times its typical time to turn
FOUND = 1e-3  # share of |T|^2 that is left of a target that counts as found


@dataclass(frozen=True)
class Tiny:
    """A batch of starts x (runs, m, d), unit vectors, and the terms Q (r, d) that all of them are to find, order l."""

    x: Array
    Q: Array
    l: int

    @property
    def r(self) -> int:
        """Terms of the target."""
        return len(self.Q)

    @cached_property
    def _method(self) -> PowerMethod:
        """In coordinates of which the first r are along the terms."""
        axes = np.linalg.qr(self.Q.T, mode="complete")[0][:, self.r :]
        turned = self.x @ np.hstack([self.Q.T, axes])
        return PowerMethod(turned.reshape(-1, turned.shape[-1]), np.ones(self.r), self.l)

    @cached_property
    def said(self) -> Array:
        """How many terms each run misses, by its start (runs,)."""
        return missed(self._method.basins.reshape(self.x.shape[:2]), self.r)

    def in_time(self, size: float = TINY) -> Array:
        """Which runs (runs,) have every component that finds a term nearly along it before any is found.

        That is after log(1 / |u|) / 2 = t, less `EARLY`. Of the others some are late: a term that was theirs alone is
        not there at the end, or they turn to another when theirs is found.
        """
        late = self._method.time_until(ALONG) > np.log(1 / size) / 2 - EARLY
        return ~(late & (self._method.basins >= 0)).reshape(self.x.shape[:2]).any(1)

    def trained(self, study: Study, size: float = TINY, longer: float = 1.0) -> tuple[Array, Array]:
        """|T - model|^2 / |T|^2 (runs,) in the end, and the components there (runs, m, d).

        |u| grows like e^(2 t) along a term: the end is at twice the time that takes, and `WAIT`; `longer` times that.
        """
        run = self._train(study, size, [self._steps(size, longer)])
        return run["left"][-1], run["U"][-1]

    def trained_twice_as_long(self, study: Study) -> Array:
        """|T - model|^2 / |T|^2 (2, runs) in the end, and after as much time again."""
        steps = self._steps(TINY)
        return self._train(study, TINY, [steps, 2 * steps])["left"]

    def _steps(self, size: float, longer: float = 1.0) -> int:
        return int(np.ceil(longer * (np.log(1 / size) + WAIT) / self._step))

    @property
    def _step(self) -> float:
        """So small that x + l x^(l-1) step keeps the sign of x for odd l; stable at the end, where curvatures are 4
        (of |u|) and l (of the direction)."""
        return (0.9 if self.l % 2 else 1.2) / self.l

    def _train(self, study: Study, size: float, record: list[int]) -> Trajectory:
        model = Homogeneous(tensor(study, self.Q), tensor(study, np.ones(self.r)), self.l)
        training = Trainee(
            study,
            model.loss,
            {"U": size * self.x},
            observe=lambda state: {"left": model.share_left(state), "U": state["U"]},
        )
        return training.train(learning_rate=self._step, steps=record[-1], record=record)


def tiny(rng: np.random.Generator, l: int, d: int, r: int, m: int, runs: int) -> Tiny:
    """Starts in random directions, terms in random position."""
    return Tiny(unit_vectors(rng, runs, m, d), orthonormal(rng, 1, r, d)[0], l)


def require_in_time(l: int, d: int, r: int, m: int) -> None:
    """Refuse targets that cannot be, and runs of so many components that turn so slowly that few runs are in time.

    A correlation x near the typical 1 / sqrt(d) takes the time 1 / (l (l - 2) x^(l-2)) to become large.
    """
    if r > d:
        reject("terms", r, f"at most the inputs {d}: they are orthonormal")
    slow = m * d ** (l / 2 - 1) / (l * (l - 2))
    if slow > SLOWEST:
        reject("inputs", d, f"m d^(l/2 - 1) / (l (l - 2)) = {slow:.3g} to be at most {SLOWEST:g}: few turn in time")
