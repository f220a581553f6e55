"""Claims judged on a range of seeds: what failed or was undecided, and how near each check ever came to it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from theory.claims import Evidence
from theory.core.validation import reject
from theory.harness.runner import Results, Stopped

Key = tuple[str, str]  # claim and label of a check
SHOWN = 40  # checks, those that came nearest to failing


def seed_range(text: str) -> range:
    """`A:B` as the seeds A, ..., B - 1.

    Raises:
        InvalidArgument: not two whole numbers 0 <= A < B.
    """
    words = text.split(":")
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[0]) >= int(words[1]):
        reject("seeds", repr(text), "A:B with whole numbers 0 <= A < B, for the seeds A to B - 1")
    return range(int(words[0]), int(words[1]))


@dataclass
class Survey:
    """What a range of seeds has shown so far.

    Attributes:
        smallest: the smallest headroom of each check, and the seed it was seen at: by what factor its measured number
            may still move or, of a check of the theorem's own, its resolution grow.
        failures: the checks that failed or were undecided, with their seed.
        stopped: the claims that could not be judged, with their seed.
        seeds: how many seeds have been judged.
    """

    smallest: dict[Key, tuple[float, int]] = field(default_factory=dict)
    failures: list[tuple[int, Key]] = field(default_factory=list)
    stopped: list[tuple[int, Stopped]] = field(default_factory=list)
    seeds: int = 0

    def add(self, seed: int, results: Results) -> None:
        """Take in the results of one seed."""
        self.seeds += 1
        self.stopped += [(seed, stopped) for stopped in results.stopped]
        for evidence in results.evidence.values():
            self._add(seed, evidence)

    def _add(self, seed: int, evidence: Evidence) -> None:
        for check in evidence.checks:
            key = evidence.id, check.label
            self.smallest[key] = min(self.smallest.get(key, (float("inf"), seed)), (check.room, seed))
            if not check.passed or check.is_undecided:
                self.failures.append((seed, key))

    @property
    def holds(self) -> bool:
        """Whether every claim held on every seed."""
        return not (self.failures or self.stopped)

    def lines(self) -> Iterator[str]:
        """Failures, then the checks that came nearest to failing, then all of it in one line."""
        for seed, stopped in self.stopped:
            yield f"stopped  seed {seed}  {stopped.id}: {' '.join(stopped.reason.split())}"
        for seed, (claim, label) in self.failures:
            yield f"FAILED   seed {seed}  {claim}: {label}"
        for (claim, label), (headroom, seed) in self._nearest()[:SHOWN]:
            yield f"headroom {headroom:<8.4g} seed {seed}  {claim}: {label}"
        failed = f"{len(self.failures)} failed, {len(self.stopped)} stopped"
        yield f"{self.seeds} seeds, {len(self.smallest)} checks: {failed}"

    def document(self) -> str:
        """The whole table as JSON, the check nearest to failing first."""
        checks = [
            {"claim": claim, "check": label, "headroom": _number(headroom), "seed": seed}
            for (claim, label), (headroom, seed) in self._nearest()
        ]
        failures = [{"seed": seed, "claim": claim, "check": label} for seed, (claim, label) in self.failures]
        stopped = [{"seed": seed, "claim": item.id, "reason": item.reason} for seed, item in self.stopped]
        content = {"seeds": self.seeds, "failures": failures, "stopped": stopped, "checks": checks}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def _nearest(self) -> list[tuple[Key, tuple[float, int]]]:
        return sorted(self.smallest.items(), key=lambda item: item[1])


def _number(value: float) -> Any:
    return value if value < float("inf") else "Infinity"
