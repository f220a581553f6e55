"""Claims for testing the machinery around claims. $TOY_LOG: a file that gets a line whenever one is judged."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from theory.claims import Check, Curves, Study, Tolerance, claim, curves, exactly, measured, on_data
from theory.core.validation import reject

TOY = Tolerance(0.5, "a toy")


def _note(study: Study) -> None:
    with open(os.environ.get("TOY_LOG", os.devnull), "a") as log:
        log.write(f"{study.claim}\n")


@claim(
    "toy.holds",
    source="Toys, 1",
    statement="x = x",
    hypotheses=("none",),
    theory_side="identity",
    controls=("x + 1",),
    accepts_data="regression",
)
@on_data
def x_is_x(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    x = study.rng("x").standard_normal((50, 50))
    y = np.linalg.solve(x, x @ x)
    within = Tolerance(1e-8, "rounding")
    yield measured("x", y, within=within).equals(x)
    yield measured("x", y + 1, within=within).control("x + 1").equals(x)
    yield curves(x=x, y=y)


@claim("toy.misprinted", source="Toys, 2", statement="1 < 2", hypotheses=(), theory_side="bound", controls=("2 < 1",))
def printed_the_wrong_way_round(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    yield measured("1 < 2", 1.0, within=exactly("counting")).within_factor(2.5, because="a toy").at_most(2.0)
    yield measured("0 < infinity", 0.0, within=exactly("counting")).supporting().at_most(np.inf)
    yield measured("printed", 2.0, within=exactly("counting")).misprint("2 < 1", correction="1 < 2").at_most(1.0)
    yield curves(x=np.arange(3))


@claim("toy.fails", source="Toys, 3", statement="1 = 2", hypotheses=(), theory_side="law", controls=("1 = 3",))
def one_is_two(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    one = measured("1 = 2", 1.0, within=TOY)
    yield one.equals(2.0)
    yield one.control("1 = 3").equals(3.0)


@claim("toy.waits", source="Toys, 4", statement="1 = 1", hypotheses=(), theory_side="law", controls=("1 = 3",))
def waits_while_a_file_is_there(study: Study) -> Iterator[Check | Curves]:
    _note(study)
    if "TOY_DIES" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    while Path(os.environ.get("TOY_WAIT", "no such file")).exists():
        time.sleep(0.01)
    one = measured("1 = 1", 1.0, within=TOY)
    yield one.resolving(0.6, because="a toy").equals(1.0)
    yield one.control("1 = 3").equals(3.0)
    yield curves(x=study.rng("x").standard_normal(5))


@claim("toy.undecided", source="Toys, 7", statement="1 = 1", hypotheses=(), theory_side="law", controls=("1 = 3",))
def a_half_says_little(study: Study) -> Iterator[Check | Curves]:
    one = measured("1 = 1", 1.0, within=TOY)
    yield one.equals(1.0)
    yield one.control("1 = 3").equals(3.0)


@claim("toy.stops", source="Toys, 5", statement="?", hypotheses=(), theory_side="law", controls=("none",))
def stops_on_the_way(study: Study) -> Iterator[Check | Curves]:
    yield measured("1 = 1", 1.0, within=TOY).equals(1.0)
    raise ArithmeticError("run 3 diverged\nat step 7")


@claim("toy.refuses", source="Toys, 6", statement="?", hypotheses=(), theory_side="law", controls=("none",))
def refuses_what_it_is_asked(study: Study) -> Iterator[Check | Curves]:
    yield measured("1 = 1", 1.0, within=TOY).equals(1.0)
    reject("width", 3, "at least 5")
