"""Draws in rounds: one round of the digits; of a user's images as many as tell every difference, at most so many."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from theory.claims import Check, Curves, Study
from theory.core.arrays import Array

ROUNDS = 6  # of a user's images, at most
POWER = 0.999  # with which so many draws would tell


@dataclass(frozen=True)
class Results:
    """Of draws (seeds, ...): what each method had, what scores said of the training examples, which were wanted."""

    outcomes: Mapping[str, Mapping[str, Array]]
    scores: Mapping[str, Array]
    wanted: Array

    def __add__(self, more: "Results") -> "Results":
        outcomes = {name: _joined(outcome, more.outcomes[name]) for name, outcome in self.outcomes.items()}
        return Results(outcomes, _joined(self.scores, more.scores), np.concatenate([self.wanted, more.wanted]))


def _joined(some: Mapping[str, Array], more: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.concatenate([values, more[name]]) for name, values in some.items()}


def most(study: Study) -> int:
    """Rounds at most. Each is judged, so each has its part of the significance."""
    return 1 if study.data is None else ROUNDS


def in_rounds(
    rounds: int, draw: Callable[[int], Results], judge: Callable[[Results], Iterable[Check | Curves]]
) -> tuple[Results, list[Check | Curves]]:
    """The draws of all rounds together, by number, and what was judged of them when nothing was undecided any more."""
    found = draw(0)
    for count in range(1, rounds + 1):
        judged = list(judge(found))
        told = not any(item.is_undecided for item in judged if isinstance(item, Check))
        if told or count == rounds:
            break
        found += draw(count)
    return found, judged


def with_draws(check: Check, differences: Array) -> Check:
    """The same check; where it is undecided its line says how many such draws would tell what it asks."""
    if not check.is_undecided:
        return check
    needed = draws_to_tell(abs(check.measured - check.predicted), check.tolerance, differences)
    said = f"if their mean is where it is now, about {needed:.2g} draws in place of {differences.size} would tell"
    return replace(check, reason=f"undecided: {said}; {check.reason}")


def draws_to_tell(distance: float, half_width: float, differences: Array) -> float:
    """Draws whose interval excludes a bound at such a distance from their mean, with a probability of 99.9 %.

    Half-width and standard error fall like one over the root of their number.
    """
    beyond = half_width + stats.norm.ppf(POWER) * stats.sem(differences)
    return float(np.ceil(differences.size * (beyond / distance) ** 2)) if distance > 0 else np.inf
