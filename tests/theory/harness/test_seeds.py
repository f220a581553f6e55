"""What a range of seeds shows that none shows alone: estimates that are off to the same side on every seed."""

from pathlib import Path

import numpy as np
import pytest

from theory.claims import Check, Evidence, by_chance, exactly, measured
from theory.claims.estimates import mean
from theory.harness.runner import Results
from theory.harness.seeds import FEWEST, Offset, Survey

PROVENANCE = {"profile": "smoke", "commit": "0" * 40}


def estimate(seed: int, bias: float) -> Check:
    """The mean of forty normal numbers is 1 + bias standard errors, and held to be 1."""
    found = mean(1 + 0.01 * (np.random.default_rng(seed).standard_normal(40) + bias / np.sqrt(40)))
    return measured("mean", found.value, within=by_chance(found)).equals(1.0)


def survey(bias: float, seeds: range, already: Survey | None = None) -> Survey:
    found = already or Survey()
    found.begin(seeds, PROVENANCE)
    for seed in seeds:
        checks = (estimate(seed, bias), measured("size", 1.0, within=exactly("counted")).at_most(1.0))
        found.add(seed, Results({"toy.mean": Evidence("toy.mean", "", "ours", "", (), "law", (), checks)}))
    return found


@pytest.mark.parametrize(("bias", "told"), [(0.0, False), (2.0, True), (-2.0, True)])
def test_a_bias_that_no_seed_shows(bias: float, told: bool) -> None:
    found = survey(bias, range(40))
    assert found.holds
    assert any(line.startswith("OFFSET") and "toy.mean: mean" in line for line in found.lines()) == told
    if told:
        line = next(line for line in found.lines() if line.startswith("OFFSET"))
        assert ("+" if bias > 0 else "-") in line and "over 40 seeds" in line


def test_offsets_grow_with_the_survey(tmp_path: Path) -> None:
    file = tmp_path / "seeds.json"
    file.write_text(survey(2.0, range(10)).document())
    grown, whole = survey(2.0, range(10, 30), Survey.read(file)), survey(2.0, range(30))
    (key,) = whole.offsets
    assert key == ("toy.mean", "mean") and grown.offsets[key].count == 30
    assert grown.offsets[key].standard_errors == pytest.approx(whole.offsets[key].standard_errors)


def test_few_seeds_and_what_is_no_estimate_tell_nothing() -> None:
    few, alike = Offset(FEWEST - 1, 10.0, 10.0 + 1e-9), Offset(40, 20.0, 10.0)
    assert few.standard_errors == 0 and alike.standard_errors == 0  # the same on every seed: nothing is random
    chance = by_chance(mean([0.9, 1.0, 1.1, 1.2]))
    assert Offset().and_of(measured("a", 1.1, within=chance).equals(1.0)).count == 1
    assert Offset().and_of(measured("a", np.array([1.0, 1.1]), within=chance).equals(1.0)).count == 0
    assert Offset().and_of(measured("a", 1.0, within=chance).at_most(1.1)).count == 0
