"""The pytest plugin: `pytest --theory 'min2021.*'` judges claims as tests, and a fixture `study` for tests of your own.

Every pytest run imports this file where the package is installed, so it imports nothing before it is asked for
something.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from theory.claims import Evidence, Study
    from theory.harness.discovery import Stated

PROFILE = "smoke"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--theory` and what claims are judged under."""
    group = parser.getgroup("theory", "theorems as tests")
    claims = "judge claims as tests: an id, a pattern such as 'min2021.*', or your own my_theorem.py; may be repeated"
    group.addoption("--theory", action="append", default=[], metavar="CLAIM", help=claims)
    profile = f"profile they are judged in, and that the fixture `study` has: {PROFILE} (default), quick or paper"
    group.addoption("--theory-profile", default=PROFILE, metavar="PROFILE", help=profile)
    seed = "seed of every random number of theirs, and of the fixture `study` (default 0)"
    group.addoption("--theory-seed", type=int, default=0, metavar="N", help=seed)


@pytest.fixture
def study(request: pytest.FixtureRequest) -> "Study":
    """Conditions of one test: `study.rng("start")` is a generator of its own for each test and each name of a cell."""
    return _study(request.config, request.node.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the claims, before -k and -m choose among all tests."""
    if config.getoption("--theory"):
        claims = Claims.from_parent(session, name="theory", nodeid="theory", claims=asked(config))
        items += session.genitems(claims)


def asked(config: pytest.Config) -> "list[Stated]":
    """The claims asked for, once each.

    Raises:
        UsageError: one cannot be found, or the conditions are wrong.
    """
    from theory.catalogue import CATALOGUE
    from theory.core.validation import InvalidArgument
    from theory.harness.discovery import stated_claims
    from theory.harness.options import matching
    from theory.harness.places import with_claims

    try:
        _study(config, "")
        words, known = with_claims(config.getoption("--theory"), stated_claims(CATALOGUE.stating))
        return list({claim.id: claim for word in words for claim in matching(word, known)}.values())
    except InvalidArgument as error:
        raise pytest.UsageError(str(error)) from error


class Claims(pytest.Collector):
    """The claims asked for, as a file of tests is its tests."""

    def __init__(self, *, claims: "list[Stated]", **more: Any) -> None:
        super().__init__(**more)
        self.claims = claims

    def collect(self) -> "list[ClaimItem]":
        return [ClaimItem.from_parent(self, name=claim.id, claim=claim) for claim in self.claims]


class ClaimItem(pytest.Item):
    """One claim as a test; it fails with the checks that fail, or that resolve too little."""

    def __init__(self, *, claim: "Stated", **more: Any) -> None:
        super().__init__(**more)
        self.claim = claim

    def runtest(self) -> None:
        from theory.claims import VERDICTS
        from theory.harness.runner import Stopped, attempt

        outcome = attempt(self.claim, _study(self.config, self.claim.id))
        if isinstance(outcome, Stopped):
            raise ClaimFails(f"{outcome.id} stopped: {outcome.reason}\n{'' if outcome.invalid else outcome.details}")
        if VERDICTS[outcome.verdict]:
            raise ClaimFails("\n".join((f"{outcome.id}: {outcome.in_words}", *_story(outcome))))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ClaimFails):
            return str(excinfo.value).rstrip()
        return super().repr_failure(excinfo, style or "short")

    def reportinfo(self) -> tuple[str, None, str]:
        return str(self.claim.file), None, f"claim {self.claim.id}"  # the heading of its failure


class ClaimFails(AssertionError):
    """A claim that does not hold, is undecided, or could not be judged."""


def _story(evidence: "Evidence") -> "Iterator[str]":
    """The claim's story, of its checks those that failed or are undecided."""
    from theory.harness.report import line, story

    unsettled = {line(evidence.id, check) for check in evidence.checks if not check.passed or check.is_undecided}
    judged = {line(evidence.id, check) for check in evidence.checks}
    yield from (text for text in story(evidence) if text not in judged or text in unsettled)


def _study(config: pytest.Config, name: str) -> "Study":
    from theory.claims import Study

    return Study(name, config.getoption("--theory-profile"), config.getoption("--theory-seed"))
