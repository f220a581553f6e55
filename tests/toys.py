"""Claims for testing the machinery around claims. $TOY_LOG: a file that gets a line whenever one is judged."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from theory.claims import Check, Curves, at_most, claim, curves, equal, misprint, refuted
from theory.study import Study
from theory.validation import reject


def _note(study: Study) -> None:
    with open(os.environ.get("TOY_LOG", os.devnull), "a") as log:
        log.write(f"{study.claim}\n")


@claim(
    "toy.holds",
    source="Toys, 1",
    statement="x = x",
    hypotheses=("none",),
    controls=("x + 1",),
    accepts_data="regression",
)
def x_is_x(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    x = study.rng("x").standard_normal((50, 50))
    y = np.linalg.solve(x, x @ x)
    yield equal("x", y, x, tolerance=1e-8, because="rounding")
    yield refuted("x + 1", equal("one more", y + 1, x, tolerance=1e-8, because="rounding"))
    yield curves(x=x, y=y)


@claim("toy.misprinted", source="Toys, 2", statement="1 < 2", hypotheses=(), controls=("as printed: 2 < 1",))
def printed_the_wrong_way_round(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    yield at_most("1 < 2", 1.0, 2.0, because="counting")
    yield at_most("0 < infinity", 0.0, np.inf, because="counting")
    yield misprint("2 < 1", at_most("printed", 2.0, 1.0, because="counting"), correction="1 < 2")
    yield curves(x=np.arange(3))


@claim("toy.fails", source="Toys, 3", statement="1 = 2", hypotheses=(), controls=("1 = 3",))
def one_is_two(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    yield equal("1 = 2", 1.0, 2.0, tolerance=0.5, because="a toy")
    yield refuted("1 = 3", equal("three", 1.0, 3.0, tolerance=0.5, because="a toy"))


@claim("toy.waits", source="Toys, 4", statement="1 = 1", hypotheses=(), controls=("1 = 3",))
def waits_while_a_file_is_there(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    while Path(os.environ.get("TOY_WAIT", "no such file")).exists():
        time.sleep(0.01)
    yield equal("1 = 1", 1.0, 1.0, tolerance=0.5, because="a toy")
    yield refuted("1 = 3", equal("three", 1.0, 3.0, tolerance=0.5, because="a toy"))
    yield curves(x=study.rng("x").standard_normal(5))


@claim("toy.stops", source="Toys, 5", statement="?", hypotheses=(), controls=("none",))
def stops_on_the_way(study: Study) -> Iterator[Check | Curves]:
    yield equal("1 = 1", 1.0, 1.0, tolerance=0.5, because="a toy")
    raise ArithmeticError("run 3 diverged\nat step 7")


@claim("toy.refuses", source="Toys, 6", statement="?", hypotheses=(), controls=("none",))
def refuses_what_it_is_asked(study: Study) -> Iterator[Check | Curves]:
    yield equal("1 = 1", 1.0, 1.0, tolerance=0.5, because="a toy")
    reject("width", 3, "at least 5")
