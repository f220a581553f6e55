"""The verdicts: a closed list, what leads to each, and what a command exits with."""

from math import isfinite

HOLDS = "holds"
ABOVE = "holds, N times above"
MISPRINTED = "holds, not as printed"
PROOF_DIFFERS = "holds, a step of the printed proof does not"
CONDITIONED = "holds on a condition"
OVERSTATED = "does not hold as the abstract says"
FAILS = "fails"
UNDECIDED = "undecided"

# Exit status of a command that comes to such a verdict.
VERDICTS = {
    HOLDS: 0,
    ABOVE: 0,
    MISPRINTED: 0,
    PROOF_DIFFERS: 0,
    CONDITIONED: 0,
    OVERSTATED: 0,
    FAILS: 1,
    UNDECIDED: 1,
}

LIMIT = 0.05  # what a check of the theorem's own has to resolve, unless it declares another share
SMOKE_LIMIT, SMOKE_FACTOR = 0.5, 6  # the smoke profile may be so many times coarser, up to a half


def limit_in(profile: str, resolves: float) -> float:
    """What a check that declares `resolves` has to resolve in this profile."""
    return max(resolves, min(SMOKE_FACTOR * resolves, SMOKE_LIMIT)) if profile == "smoke" else resolves


def in_words(verdict: str, resolution: float, above: float) -> str:
    """The verdict with the share to which it holds, and how many times the loosest bound lies above what it bounds."""
    if verdict in (FAILS, UNDECIDED, OVERSTATED):
        return verdict
    if above > LIMIT and above >= resolution:
        fineness = f"{times(above)} above"
    else:
        fineness = "exactly" if resolution == 0 else f"to {percent(resolution)}"
    if verdict in (HOLDS, ABOVE):
        return "holds exactly" if fineness == "exactly" else f"holds, {fineness}"
    return f"{verdict} ({fineness})"


def percent(share: float) -> str:
    """A share in percent to two digits: 0.02 %."""
    return f"{float(f'{100 * share:.2g}'):.10g} %" if isfinite(share) else "any %"


def times(above: float) -> str:
    """1 + `above` as a factor: 66 times."""
    factor = 1 + above
    return f"{factor:.3g} times" if factor < 1e4 else "over 10000 times"
