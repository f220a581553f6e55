"""What a range of seeds shows that none shows alone: estimates that are off to the same side on every seed."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.claims import Check, by_chance, exactly, measured
from theory.claims.estimates import mean
from theory.claims.study import Study
from theory.harness.seeds import FEWEST, Offset, Survey, conditions, in_ranges, of_ranges


def estimate(seed: int, bias: float) -> Check:
    """The mean of forty normal numbers is 1 + bias standard errors, and held to be 1."""
    found = mean(1 + 0.01 * (np.random.default_rng(seed).standard_normal(40) + bias / np.sqrt(40)))
    return measured("mean", found.value, within=by_chance(found)).equals(1.0)


def survey(bias: float, seeds: range, already: Survey | None = None, code: str = "as it is") -> Survey:
    found = already or Survey()
    record = found.record("toy.mean", "smoke", code, "0" * 40)
    for seed in seeds:
        record.add(seed, (estimate(seed, bias), measured("size", 1.0, within=exactly("counted")).at_most(1.0)))
    return found


@pytest.mark.parametrize(("bias", "told"), [(0.0, False), (2.0, True), (-2.0, True)])
def test_a_bias_that_no_seed_shows(bias: float, told: bool) -> None:
    found = survey(bias, range(40))
    assert found.holds
    assert any(line.startswith("OFFSET") and "toy.mean: mean" in line for line in found.lines()) == told
    if told:
        line = next(line for line in found.lines() if line.startswith("OFFSET"))
        assert ("+" if bias > 0 else "-") in line and "over 40 seeds" in line


def test_a_survey_is_what_it_was_when_read_again(tmp_path: Path) -> None:
    """Judged in two sittings, the later seeds first, it is the survey of one."""
    file = tmp_path / "seeds.json"
    file.write_text(survey(2.0, range(10, 30)).document())
    grown, whole = survey(2.0, range(10), Survey.read(file)), survey(2.0, range(30))
    (mine,), (whole_record,) = grown.records.values(), whole.records.values()
    assert mine.seeds == set(range(30)) and mine.smallest == whole_record.smallest
    assert mine.offsets["mean"].standard_errors == pytest.approx(whole_record.offsets["mean"].standard_errors)
    file.write_text(grown.document())
    assert Survey.read(file) == grown


def test_seeds_of_other_code_do_not_count_but_what_they_found_stays() -> None:
    found = survey(60.0, range(3), code="as it was")
    assert not found.holds
    (record,) = survey(0.0, range(5, 7), found).records.values()
    assert found.holds and record.seeds == {5, 6} and record.offsets["mean"].count == 2
    (past,) = record.earlier
    assert past["code"] == "as it was" and past["seeds"] == "0:3"
    assert [item["seed"] for item in past["failures"]] == [0, 1, 2]
    assert "smoke: 1 claim on 2 seeds, 2 checks: 0 failed, 0 stopped" in list(found.lines())


def test_each_set_of_conditions_has_a_record() -> None:
    found = survey(0.0, range(4))
    found.record("toy.mean", "quick", "as it is", None).stop(7, "no luck")
    assert not found.holds
    assert list(found.lines())[-2:] == [
        "quick: 1 claim on 1 seeds, 0 checks: 0 failed, 1 stopped",
        "smoke: 1 claim on 4 seeds, 2 checks: 0 failed, 0 stopped",
    ]
    assert "stopped  seed 7  toy.mean: no luck" in found.lines()


def test_conditions_in_words(tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    data.write_text("x,y\n1,2\n")
    study = Study("toy.mean", profile="smoke", device="cuda", data=data, given={"width": 5, "depths": (2, 3)})
    assert re.fullmatch(r"smoke, cuda, depths=\(2, 3\), width=5, mine.csv [0-9a-f]{8}", conditions(study))
    assert conditions(Study("toy.mean", seed=4)) == "quick"


@given(st.sets(st.integers(0, 40)))
def test_ranges(seeds: set[int]) -> None:
    assert of_ranges(in_ranges(seeds)) == seeds


def test_ranges_are_as_few_as_can_be() -> None:
    assert in_ranges([7, 3, 4, 9]) == "3:5,7:8,9:10" and in_ranges([]) == ""


def test_few_seeds_and_what_is_no_estimate_tell_nothing() -> None:
    few, alike = Offset(FEWEST - 1, 10.0, 10.0 + 1e-9), Offset(40, 20.0, 10.0)
    assert few.standard_errors == 0 and alike.standard_errors == 0  # the same on every seed: nothing is random
    chance = by_chance(mean([0.9, 1.0, 1.1, 1.2]))
    assert Offset().and_of(measured("a", 1.1, within=chance).equals(1.0)).count == 1
    assert Offset().and_of(measured("a", np.array([1.0, 1.1]), within=chance).equals(1.0)).count == 0
    assert Offset().and_of(measured("a", 1.0, within=chance).at_most(1.1)).count == 0
