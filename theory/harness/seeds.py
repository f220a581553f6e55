"""Claims judged on many seeds: what failed or was undecided, and how near each check ever came to it.

And what no seed shows alone: an estimate that is off by less than its interval, but on every seed to the same side.
A survey is of claims as their code is now. Seeds may be added in any order and on any day; those of a claim whose code
has changed do not count for it any more, and only what they found is kept.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from math import inf, isfinite, sqrt
from pathlib import Path
from typing import Any

from theory.claims import Check
from theory.claims.study import Study
from theory.core.validation import reject
from theory.harness.provenance import digest

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


def in_ranges(seeds: Iterable[int]) -> str:
    """Seeds as ranges A:B, in order, with commas between."""
    runs = [list(run) for _, run in groupby(enumerate(sorted(seeds)), lambda item: item[1] - item[0])]
    return ",".join(f"{run[0][1]}:{run[-1][1] + 1}" for run in runs)


def of_ranges(text: str) -> set[int]:
    """The seeds that `in_ranges` wrote."""
    return {seed for word in text.split(",") if word for seed in seed_range(word)}


def conditions(study: Study) -> str:
    """In words, all that a verdict depends on beside code and seed: profile, device, parameters and data."""
    given = [f"{name}={value}" for name, value in sorted(study.given.items())]
    device = [] if study.device == "cpu" else [study.device]
    data = [] if study.data is None else [f"{study.data.name} {digest(study.data)[:8]}"]
    return ", ".join([study.profile, *device, *given, *data])


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
class Record:
    """A claim, judged by one state of its code under one set of conditions.

    Attributes:
        code: fingerprint of the claim's module; `commit`: where it can be seen.
        seeds: those judged.
        smallest: the smallest headroom of each check, by its label, and the seed it was seen at: by what factor its
            measured number may still move or, of a check of the theorem's own, its resolution grow.
        offsets: of each random estimate, how far off it was on all seeds together.
        failures: the checks that failed or were undecided, with their seed.
        stopped: why the claim could not be judged, with the seed.
        earlier: what the claim's code was before, on which seeds, and what failed or stopped there.
    """

    code: str
    commit: str | None
    seeds: set[int] = field(default_factory=set)
    smallest: dict[str, tuple[float, int]] = field(default_factory=dict)
    offsets: dict[str, Offset] = field(default_factory=dict)
    failures: list[tuple[int, str]] = field(default_factory=list)
    stopped: list[tuple[int, str]] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, content: dict[str, Any]) -> "Record":
        """The record that `document` wrote."""
        checks, found = content["checks"], _findings(content)
        return cls(
            str(content["code"]),
            content["commit"],
            of_ranges(content["seeds"]),
            {check["check"]: (float(check["headroom"]), int(check["seed"])) for check in checks},
            {check["check"]: Offset(*check["offset"]) for check in checks if "offset" in check},
            *found,
            list(content["earlier"]),
        )

    def under(self, code: str, commit: str | None) -> "Record":
        """This record if it is of that code, or else a new one, which keeps what this one found."""
        if code == self.code:
            return self
        past = {"code": self.code, "commit": self.commit, "seeds": in_ranges(self.seeds), **self._found()}
        return Record(code, commit, earlier=[*self.earlier, *([past] if self.seeds else [])])

    def add(self, seed: int, checks: Iterable[Check]) -> None:
        """Take in what one seed gave."""
        self.seeds.add(seed)
        for check in checks:
            label = check.label
            self.smallest[label] = min(self.smallest.get(label, (inf, seed)), (check.room, seed))
            offset = self.offsets.get(label, Offset()).and_of(check)
            if offset.count:
                self.offsets[label] = offset
            if not check.passed or check.is_undecided:
                self.failures.append((seed, label))

    def stop(self, seed: int, reason: str) -> None:
        """Take in that the claim could not be judged on a seed."""
        self.seeds.add(seed)
        self.stopped.append((seed, reason))

    def document(self) -> dict[str, Any]:
        """The record, the check nearest to failing first."""
        checks = [
            {"check": label, "headroom": _number(headroom), "seed": seed, **self._offset(label)}
            for label, (headroom, seed) in sorted(self.smallest.items(), key=lambda item: item[1])
        ]
        judged = {"code": self.code, "commit": self.commit, "seeds": in_ranges(self.seeds)}
        return {**judged, **self._found(), "earlier": self.earlier, "checks": checks}

    def _found(self) -> dict[str, Any]:
        failures = [{"seed": seed, "check": label} for seed, label in self.failures]
        return {"failures": failures, "stopped": [{"seed": seed, "reason": reason} for seed, reason in self.stopped]}

    def _offset(self, label: str) -> dict[str, Any]:
        """Count, sum and sum of squares, where there are any."""
        offset = self.offsets.get(label)
        return {} if offset is None else {"offset": [offset.count, offset.total, offset.squares]}


def _findings(content: dict[str, Any]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    failures = [(int(item["seed"]), str(item["check"])) for item in content["failures"]]
    return failures, [(int(item["seed"]), str(item["reason"])) for item in content["stopped"]]


@dataclass
class Survey:
    """What many seeds have shown so far: a record for each claim and set of conditions."""

    records: dict[tuple[str, str], Record] = field(default_factory=dict)

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
            return cls({(item["claim"], item["conditions"]): Record.read(item) for item in content["claims"]})
        except (ValueError, LookupError, TypeError):
            reject("json", file, "a new file, or one that --seeds has written, to add to")

    def record(self, claim: str, under: str, code: str, commit: str | None) -> Record:
        """The record of a claim under these conditions, by this code of it."""
        known = self.records.get((claim, under))
        self.records[claim, under] = Record(code, commit) if known is None else known.under(code, commit)
        return self.records[claim, under]

    @property
    def holds(self) -> bool:
        """Whether every claim held on every seed."""
        return not any(record.failures or record.stopped for record in self.records.values())

    def lines(self) -> Iterator[str]:
        """Failures, the checks that came nearest to failing, estimates that are biased, and all of it in one line."""
        for (claim, _), record in self.records.items():
            for seed, reason in record.stopped:
                yield f"stopped  seed {seed}  {claim}: {' '.join(reason.split())}"
            for seed, label in record.failures:
                yield f"FAILED   seed {seed}  {claim}: {label}"
        for (headroom, seed), name in self._nearest()[:SHOWN]:
            yield f"headroom {headroom:<8.4g} seed {seed}  {name}"
        for offset, name in self._offsets():
            away = f"{offset.mean:+.2g} of its tolerance, {offset.standard_errors:.1f} standard errors from 0"
            yield f"OFFSET   {away}, over {offset.count} seeds  {name}"
        for under in sorted({under for _, under in self.records}):
            yield _in_a_line(under, [record for key, record in self.records.items() if key[1] == under])

    def document(self) -> str:
        """The whole table as JSON."""
        claims = [
            {"claim": claim, "conditions": under, **record.document()}
            for (claim, under), record in sorted(self.records.items())
        ]
        return json.dumps({"claims": claims}, indent=1, ensure_ascii=False) + "\n"

    def _nearest(self) -> list[tuple[tuple[float, int], str]]:
        items = self.records.items()
        return sorted((room, f"{claim}: {label}") for (claim, _), r in items for label, room in r.smallest.items())

    def _offsets(self) -> list[tuple[Offset, str]]:
        """Those that are far from 0, the farthest first."""
        items = self.records.items()
        found = [(offset, f"{claim}: {label}") for (claim, _), r in items for label, offset in r.offsets.items()]
        far = [item for item in found if item[0].standard_errors > FAR]
        return sorted(far, key=lambda item: -item[0].standard_errors)


def _in_a_line(under: str, records: list[Record]) -> str:
    counts = [len(record.seeds) for record in records]
    each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    failed, stopped = sum(len(r.failures) for r in records), sum(len(r.stopped) for r in records)
    checks = sum(len(record.smallest) for record in records)
    claims = "1 claim" if len(records) == 1 else f"{len(records)} claims"
    return f"{under}: {claims} on {each} seeds, {checks} checks: {failed} failed, {stopped} stopped"


def _number(value: float) -> Any:
    return value if value < inf else "Infinity"
