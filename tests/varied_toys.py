"""A claim with parameters, for testing what varies them. $TOY_LOG: a file that gets a line whenever it is judged."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from theory.catalogue import READERS
from theory.claims import Check, Curves, Evidence, Study, claim, curves, exactly, measured, on_data, varies
from theory.core.validation import reject
from theory.harness.catalogue import Catalogue, Entry


@dataclass(frozen=True)
class Size:
    width: int = varies("entries of x", 20, smoke=5, paper=100, low=2, high=1000, unit="entries", from_data=True)
    scale: float = varies("of x", 0.5, low=0, high=2, brackets="()")
    powers: tuple[int, ...] = varies("which powers", (1, 2), low=1, high=9)

    def __post_init__(self) -> None:
        if max(self.powers) > self.width:
            reject("powers", self.powers, f"at most the width {self.width}")


@claim(
    "toy.varied",
    source="Toys, 8",
    statement="2 x^p \\le 2",
    hypotheses=("x at most 1",),
    theory_side="bound",
    controls=("half of it",),
    accepts_data="regression",
    parameters=Size,
)
@on_data
def powers_of_what_is_below_one(study: Study, size: Size) -> Iterator[Check | Curves]:
    with open(os.environ.get("TOY_LOG", os.devnull), "a") as log:
        log.write(f"{study.claim}\n")
    if study.data is not None:
        study.remark("the data are not looked at")
    x = size.scale * np.linspace(0.1, 1, size.width)
    bound = measured("2 x^p", 2 * np.array([x**p for p in size.powers]), within=exactly("counting"))
    yield bound.within_factor(2.5, because="a toy").at_most(2.0)
    yield bound.control("half of it").at_most(0.9)
    yield curves(x=x)


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot(evidence["toy.varied"].curves["x"])
    return figure


TOYS = Catalogue(("toys", "varied_toys"), {"fig1": Entry("varied_toys", "A toy", ("toy.varied",))}, READERS)
