"""Every composed figure is drawn of its committed evidence alone, and can be read."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from theory.catalogue import CATALOGUE
from theory.harness import archive

RENDERED = Path(__file__).parents[2] / "figures" / "rendered"
SMALLEST = 7  # points


def drawn(name: str) -> Figure:
    """The figure of the evidence that is committed beside its picture."""
    if not (RENDERED / f"{name}.json").exists():
        pytest.skip(f"{name} is not rendered yet")
    entry = CATALOGUE.figures[name]
    kept = archive.read(RENDERED / name)
    return import_module(entry.module).draw({claim: kept[claim] for claim in entry.claims})


@pytest.mark.parametrize("name", CATALOGUE.figures)
def test_a_figure_needs_its_evidence_alone(name: str) -> None:
    figure = drawn(name)
    heading, foot = figure.get_suptitle(), figure.get_supxlabel()
    assert heading.count("\n") < 3 and all(claim in foot for claim in CATALOGUE.figures[name].claims)
    titles = (re.match("([A-Z])  ", axes.get_title(loc="left")) for axes in figure.axes)
    letters = [found[1] for found in titles if found]
    assert sorted(letters) == [chr(ord("A") + i) for i in range(len(letters))]
    assert not {text.get_text() for axes in figure.axes for text in written(axes) if text.get_fontsize() < SMALLEST}


def written(axes: Axes) -> list[Text]:
    """Its notes, its legend and its labels; the ticks would take a while."""
    legend = axes.get_legend()
    return [*axes.texts, *(legend.get_texts() if legend else []), axes.title, axes.xaxis.label, axes.yaxis.label]
