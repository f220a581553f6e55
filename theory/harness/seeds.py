"""Claims judged on a range of seeds: what failed or was undecided, and how near each check ever came to it.

And what no seed shows alone: an estimate that is off by less than its interval, but on every seed to the same side.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from pathlib import Path
from typing import Any

from theory.claims import Check, Evidence
from theory.core.validation import reject
from theory.harness.runner import Results, Stopped

Key = tuple[str, str]  # claim and label of a check
RUN = ("seeds", "profile", "commit")  # what is kept of a range of seeds
SHOWN = 40  # checks, those that came nearest to failing
ESTIMATES = ("equal", "slope", "rate")  # kinds of checks whose measured number may be off to either side
FEWEST, FAR = 12, 4.5  # seeds that an offset is read from; standard errors, which none of a thousand exceeds by chance


def seed_range(text: str) -> range:
    """`A:B` as the seeds A, ..., B - 1.

    Raises:
        InvalidArgument: not two whole numbers 0 <= A < B.
    """
    words = text.split(":")
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[0]) >= int(words[1]):
        reject("seeds", repr(text), "A:B with whole numbers 0 <= A < B, for the seeds A to B - 1")
    return range(int(words[0]), int(words[1]))


@dataclass(frozen=True)
class Offset:
    """Sums over seeds of (measured - predicted) / tolerance of a random estimate: if nothing is biased, its mean is 0.

    The worst of several entries is no such estimate.
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def and_of(self, check: Check) -> "Offset":
        """With one seed more; the same if the check is no random estimate."""
        estimate = check.kind in ESTIMATES and check.significance > 0 and not check.where
        if not estimate or not 0 < check.tolerance < inf:
            return self
        off = (check.measured - check.predicted) / check.tolerance
        return Offset(self.count + 1, self.total + off, self.squares + off * off) if isfinite(off) else self

    @property
    def mean(self) -> float:
        """In tolerances, which are the half-widths of the intervals."""
        return self.total / self.count

    @property
    def standard_errors(self) -> float:
        """How many of them the mean is away from 0."""
        spread = self.squares - self.count * self.mean**2
        if self.count < FEWEST or not spread > 0:
            return 0.0
        return abs(self.mean) * sqrt(self.count * (self.count - 1) / spread)


@dataclass
class Survey:
    """What a range of seeds has shown so far.

    Attributes:
        smallest: the smallest headroom of each check, and the seed it was seen at: by what factor its measured number
            may still move or, of a check of the theorem's own, its resolution grow.
        offsets: of each random estimate, how far off it was on all seeds together.
        failures: the checks that failed or were undecided, with their seed.
        stopped: the claims that could not be judged, with their seed.
        runs: which seeds have been judged, in which profile, by the code of which commit.
    """

    smallest: dict[Key, tuple[float, int]] = field(default_factory=dict)
    offsets: dict[Key, Offset] = field(default_factory=dict)
    failures: list[tuple[int, Key]] = field(default_factory=list)
    stopped: list[tuple[int, Stopped]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> "Survey":
        """The survey that was written to a file; an empty one where there is no file.

        Raises:
            InvalidArgument: what the file has is no survey.
        """
        if not file.is_file():
            return cls()
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            checks = {(c["claim"], c["check"]): (float(c["headroom"]), int(c["seed"])) for c in content["checks"]}
            offsets = {(c["claim"], c["check"]): Offset(*c["offset"]) for c in content["checks"] if "offset" in c}
            failures = [(int(item["seed"]), (item["claim"], item["check"])) for item in content["failures"]]
            stopped = [(int(s["seed"]), Stopped(s["claim"], s["reason"], False, "")) for s in content["stopped"]]
            return cls(
                checks, offsets, failures, stopped, [{name: run[name] for name in RUN} for run in content["runs"]]
            )
        except (ValueError, LookupError, TypeError):
            reject("json", file, "a new file, or one that --seeds has written, to add to")

    def begin(self, seeds: range, provenance: Mapping[str, Any]) -> None:
        """Say which seeds are to be judged next.

        Raises:
            InvalidArgument: one of them has been judged in this profile.
        """
        run = {"seeds": f"{seeds.start}:{seeds.stop}"} | {name: provenance[name] for name in RUN if name != "seeds"}
        for earlier in self.runs:
            known = seed_range(earlier["seeds"])
            if earlier["profile"] == run["profile"] and max(known.start, seeds.start) < min(known.stop, seeds.stop):
                reject("seeds", run["seeds"], f"seeds that the survey does not have: {earlier['seeds']} is in it")
        self.runs.append(run)

    @property
    def seeds(self) -> int:
        """How many seeds have been judged."""
        return sum(len(seed_range(run["seeds"])) for run in self.runs)

    def add(self, seed: int, results: Results) -> None:
        """Take in the results of one seed."""
        self.stopped += [(seed, stopped) for stopped in results.stopped]
        for evidence in results.evidence.values():
            self._add(seed, evidence)

    def _add(self, seed: int, evidence: Evidence) -> None:
        for check in evidence.checks:
            key = evidence.id, check.label
            self.smallest[key] = min(self.smallest.get(key, (inf, seed)), (check.room, seed))
            offset = self.offsets.get(key, Offset()).and_of(check)
            if offset.count:
                self.offsets[key] = offset
            if not check.passed or check.is_undecided:
                self.failures.append((seed, key))

    @property
    def holds(self) -> bool:
        """Whether every claim held on every seed."""
        return not (self.failures or self.stopped)

    def lines(self) -> Iterator[str]:
        """Failures, the checks that came nearest to failing, estimates that are biased, and all of it in one line."""
        for seed, stopped in self.stopped:
            yield f"stopped  seed {seed}  {stopped.id}: {' '.join(stopped.reason.split())}"
        for seed, (claim, label) in self.failures:
            yield f"FAILED   seed {seed}  {claim}: {label}"
        for (claim, label), (headroom, seed) in self._nearest()[:SHOWN]:
            yield f"headroom {headroom:<8.4g} seed {seed}  {claim}: {label}"
        for (claim, label), offset in sorted(self.offsets.items(), key=lambda item: -item[1].standard_errors):
            if offset.standard_errors > FAR:
                away = f"{offset.mean:+.2g} of its tolerance, {offset.standard_errors:.1f} standard errors from 0"
                yield f"OFFSET   {away}, over {offset.count} seeds  {claim}: {label}"
        failed = f"{len(self.failures)} failed, {len(self.stopped)} stopped"
        yield f"{self.seeds} seeds, {len(self.smallest)} checks: {failed}"

    def document(self) -> str:
        """The whole table as JSON, the check nearest to failing first."""
        checks = [
            {"claim": key[0], "check": key[1], "headroom": _number(headroom), "seed": seed, **self._offset(key)}
            for key, (headroom, seed) in self._nearest()
        ]
        failures = [{"seed": seed, "claim": claim, "check": label} for seed, (claim, label) in self.failures]
        stopped = [{"seed": seed, "claim": item.id, "reason": item.reason} for seed, item in self.stopped]
        content = {"runs": self.runs, "failures": failures, "stopped": stopped, "checks": checks}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def _offset(self, key: Key) -> dict[str, Any]:
        """Count, sum and sum of squares, where there are any."""
        offset = self.offsets.get(key)
        return {} if offset is None else {"offset": [offset.count, offset.total, offset.squares]}

    def _nearest(self) -> list[tuple[Key, tuple[float, int]]]:
        return sorted(self.smallest.items(), key=lambda item: item[1])


def _number(value: float) -> Any:
    return value if value < inf else "Infinity"
