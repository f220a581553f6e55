"""Every claim of the catalogue, judged in the smoke profile."""

from importlib import import_module

import numpy as np
import pytest

from theory.catalogue import CATALOGUE
from theory.claims import REGISTRY, VERDICTS, judge
from theory.claims.parameters import at
from theory.claims.study import PROFILES, Study
from theory.harness.discovery import stated_claims
from theory.harness.report import line

CLAIMS = stated_claims(CATALOGUE.packages)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_claim_holds(name: str) -> None:
    import_module(CLAIMS[name].module)
    evidence = judge(REGISTRY[name], Study(name, "smoke"))
    failed = [line(name, check) for check in evidence.checks if not check.passed or check.is_undecided]
    assert VERDICTS[evidence.verdict] == 0, "\n".join(failed)
    for check in evidence.checks:
        assert check.reason and check.headroom >= 1, line(name, check)
        assert np.isfinite([check.predicted, check.measured, check.tolerance]).any(), line(name, check)


@pytest.mark.parametrize("name", CLAIMS)
def test_every_profile_is_inside_its_own_ranges(name: str) -> None:
    import_module(CLAIMS[name].module)
    kind = REGISTRY[name].parameters
    for profile in PROFILES if kind else ():
        own = vars(at(kind, profile, {}))
        assert vars(at(kind, profile, own)) == own


def test_no_two_claims_share_random_numbers() -> None:
    firsts = {Study(name, "smoke").rng("start").bit_generator.random_raw() for name in CLAIMS}
    assert len(firsts) == len(CLAIMS)
