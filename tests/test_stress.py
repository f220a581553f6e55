"""Each public function of the mathematics, called with random and extreme arguments: a number, or one clear line."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "stress"))

from calls import public_functions, stress, with_recipes
from expected import EXPECTED, NO_NUMBERS

CALLS = 24
FUNCTIONS = public_functions()
with_recipes()


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(NO_NUMBERS)))
def test_arguments_at_the_edges(name: str) -> None:
    outcome = stress(FUNCTIONS[name], range(CALLS))
    problems = {problem: calls for problem, calls in outcome.problems.items() if problem not in EXPECTED.get(name, {})}
    assert not problems
    assert outcome.answered, "of these calls none was answered, so nothing was tried"


def test_nothing_is_left_out_that_exists() -> None:
    assert set(NO_NUMBERS) | set(EXPECTED) <= set(FUNCTIONS)
