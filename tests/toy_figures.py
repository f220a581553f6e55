"""A figure of toy claims, and one that cannot be drawn."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from theory.catalogue import READERS
from theory.claims import Evidence
from theory.harness.catalogue import Catalogue, Entry


def draw(evidence: Mapping[str, Evidence]) -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot(evidence["toy.holds"].curves["x"][0])
    return figure


TOYS = Catalogue(
    ("toys",),
    {
        "fig1": Entry("toy_figures", "Toys", ("toy.holds", "toy.misprinted")),
        "fig2": Entry("toy_figures", "A failing toy", ("toy.holds", "toy.fails")),
        "fig3": Entry("toy_figures", "A toy that stops", ("toy.holds", "toy.stops")),
        "fig4": Entry("toy_figures", "A toy that cannot be drawn", ("toy.waits",)),
    },
    READERS,
)
