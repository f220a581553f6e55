"""What changed between two evidence files: verdicts, checks gained and lost, numbers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from theory.core.validation import reject

SHOWN = 12  # lines of a kind, before the rest is only counted
ALIKE = 1e-6  # checks of other names are the same check if their numbers differ by no more

COMPARED = ("predicted", "measured", "tolerance")
Key = tuple[str, str]  # claim and label of a check
Lines = Mapping[Key, Mapping[str, Any]]


@dataclass
class Comparison:
    """What changed; `largest` is the largest difference of a check's numbers and the check it was seen at."""

    verdicts: list[str] = field(default_factory=list)
    gained: list[Key] = field(default_factory=list)
    lost: list[Key] = field(default_factory=list)
    renamed: list[tuple[Key, Key]] = field(default_factory=list)
    differences: list[tuple[float, Key]] = field(default_factory=list)
    claims: int = 0
    checks: int = 0

    @property
    def agrees(self) -> bool:
        """Whether every verdict is what it was, and no check is lost."""
        return not (self.verdicts or self.lost)

    @property
    def summary(self) -> str:
        """All of it in one line."""
        largest, (claim, label) = max(self.differences, default=(0.0, ("no claim", "no check")))
        return (
            f"{self.claims} claims and {self.checks} checks in both: {len(self.verdicts)} verdicts changed, "
            f"{len(self.gained)} checks gained, {len(self.lost)} lost, {len(self.renamed)} renamed; "
            f"largest relative difference {largest:.2g} ({claim}: {label})"
        )

    def lines(self) -> Iterator[str]:
        """The report, a line a change; the summary is the last."""
        yield from self.verdicts
        yield from _some("lost   ", [f"{claim}: {label}" for claim, label in self.lost])
        yield from _some("gained ", [f"{claim}: {label}" for claim, label in self.gained])
        pairs = [f"{a}: {b}  ->  {c}: {d}" for (a, b), (c, d) in self.renamed if (a, b) != (c, d)]
        yield from _some("renamed", pairs)
        moved = sorted((item for item in self.differences if item[0] > ALIKE), reverse=True)
        yield from _some("differs", [f"by {size:.2g}: {claim}: {label}" for size, (claim, label) in moved])
        yield self.summary


def load(file: Path) -> Mapping[str, Any]:
    """Content of an evidence file.

    Raises:
        InvalidArgument: it is no evidence.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        for claim in content["claims"]:
            str(claim["verdict"]), claim["id"].split(".")
            for check in claim["checks"]:
                check["name"].split(), [float(check[number]) for number in COMPARED]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        reject("compare", file, "an evidence file, as --json writes it")
    return content


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Differences of two contents of evidence files, in the claims that both have or that one of them alone has.

    A check is recognised by its claim and its label; one that has another name, or stands in another claim, by its
    numbers. A difference is relative to the largest of the numbers and the tolerance, so that rounding noise below
    the tolerance of a prediction of 0 does not count as a change. Where another entry has become the worst one, the
    distances of measured and predicted are compared, not the numbers.
    """
    result = Comparison()
    before, after = ({claim["id"]: claim for claim in content["claims"]} for content in (old, new))
    both = [name for name in before if name in after]
    result.claims = len(both)
    for name in both:
        if before[name]["verdict"] != after[name]["verdict"]:
            result.verdicts.append(f"{name}: {before[name]['verdict']}  ->  {after[name]['verdict']}")
    result.verdicts += [f"{name}: {before[name]['verdict']}  ->  no such claim" for name in before if name not in after]
    result.verdicts += [f"{name}: no such claim  ->  {after[name]['verdict']}" for name in after if name not in before]
    older, newer = _checks(before), _checks(after)
    lost = [key for key in older if key not in newer]
    gained = [key for key in newer if key not in older]
    result.renamed = list(_pairs(older, lost, newer, gained))
    renamed_from, renamed_to = {a for a, _ in result.renamed}, {b for _, b in result.renamed}
    result.lost = [key for key in lost if key not in renamed_from]
    result.gained = [key for key in gained if key not in renamed_to]
    same = [(key, key) for key in older if key in newer] + result.renamed
    result.checks = len(same)
    result.differences = [(_difference(older[a], newer[b]), b) for a, b in same]
    return result


def _checks(claims: Mapping[str, Mapping[str, Any]]) -> Lines:
    found = {}
    for name, claim in claims.items():
        for check in claim["checks"]:
            case = check.get("case", "")
            found[name, f"{case}: {check['name']}" if case else check["name"]] = check
    return found


def _pairs(older: Lines, lost: list[Key], newer: Lines, gained: list[Key]) -> Iterator[tuple[Key, Key]]:
    """Lost and gained checks of one claim, then of different ones, that are the same up to their names."""
    left, right = list(lost), list(gained)
    for same_claim in (True, False):
        for a in list(left):
            near = [b for b in right if not same_claim or a[0] == b[0]]
            match = min(near, key=lambda b: _difference(older[a], newer[b]), default=None)
            if match and _difference(older[a], newer[match]) <= ALIKE:
                left.remove(a)
                right.remove(match)
                yield a, match


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Of predicted, measured and tolerance, relative to the largest of them."""
    (p, m, tolerance), (p2, m2, tolerance2) = ([float(check[name]) for name in COMPARED] for check in (old, new))
    scale = max((abs(x) for x in (p, m, tolerance, p2, m2, tolerance2) if isfinite(x)), default=1.0) or 1.0
    if old.get("where") and new.get("where") and old["where"] != new["where"]:
        return _apart(abs(m - p), abs(m2 - p2)) / scale
    return max(_apart(p, p2), _apart(m, m2), _apart(tolerance, tolerance2)) / scale


def _apart(a: float, b: float) -> float:
    if a == b or (a != a and b != b):
        return 0.0
    return abs(a - b) if isfinite(a) and isfinite(b) else float("inf")


def _some(word: str, lines: list[str]) -> Iterator[str]:
    yield from (f"{word}  {line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"{word}  and {len(lines) - SHOWN} more"
