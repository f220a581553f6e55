"""Profiles, and random streams that depend on nothing but their names."""

from dataclasses import replace
from pathlib import Path

import pytest

from theory.claims.study import Study, Training
from theory.core.validation import InvalidArgument


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="profile = 'fast': expected one of smoke, quick, paper"):
        Study("a.b", profile="fast")


def test_negative_seed_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="seed = -1: expected a whole number of at least 0"):
        Study("a.b", seed=-1)


def test_a_stream_is_the_same_whatever_ran_before() -> None:
    study = Study("a.b")
    first = study.rng("start", 3).standard_normal(4)
    study.rng("other").standard_normal(100)
    assert (study.rng("start", 3).standard_normal(4) == first).all()


def test_streams_of_other_cells_claims_and_seeds_are_others() -> None:
    streams = [
        Study("a.b").rng("x"),
        Study("a.b").rng("y"),
        Study("a.b").rng("x", 1),
        Study("a.b").rng(),
        Study("a.c").rng("x"),
        Study("a.b", seed=1).rng("x"),
    ]
    assert len({float(stream.random()) for stream in streams}) == len(streams)


def test_a_stream_ignores_profile_and_device() -> None:
    first, second = Study("a.b", profile="smoke"), Study("a.b", profile="paper", device="cuda")
    assert first.rng("x").random() == second.rng("x").random()


def test_checkpoints_are_numbered_and_lie_in_the_scratch_folder(tmp_path: Path) -> None:
    training = Training("GradientDescent", {"w": (1, 2)}, (0.1, 0.1), 10)
    assert Study("a.b").record(training) is None
    study = Study("a.b", scratch=tmp_path)
    first, second = study.record(training), study.record(training)
    assert {file.parent for file in (first, second)} == {tmp_path} and first != second
    assert Study("a.b", scratch=tmp_path).record(training) == first
    assert Study("a.c", scratch=tmp_path).record(training) != first


def test_a_study_of_another_claim_begins_a_new_journal() -> None:
    study = Study("a.b")
    study.record(Training("GradientDescent", {"w": (1, 2)}, (0.1, 0.1), 10))
    assert len(study.journal) == 1 and replace(study, claim="a.c").journal == []


def test_a_remark_is_made_once() -> None:
    study = Study("a.b")
    for text in ("rank 3 of 5", "not white", "rank 3 of 5"):
        study.remark(text)
    assert study.remarks == ["rank 3 of 5", "not white"]
