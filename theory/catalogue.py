"""What can be asked for: the settings that state claims, and the figures that draw them. Strings only."""

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A figure: the module that draws it (`draw(evidence) -> Figure`), its title, and the claims it shows."""

    module: str
    title: str
    claims: tuple[str, ...]


class Catalogue(NamedTuple):
    """Modules or packages that state claims, and figures by name."""

    settings: tuple[str, ...]
    figures: Mapping[str, Entry]


SETTINGS = ("experiments.shallow", "experiments.imbalance", "experiments.chain", "experiments.minnorm.guarantees")

FIGURES = {
    "fig1": Entry(
        "figures.fig1_shallow",
        "The max-margin classifier: logarithmically late, or exponentially soon",
        ("minnorm.shallow_hitting_times", "minnorm.shallow_event_driven", "minnorm.shallow_flow"),
    ),
    "fig2": Entry(
        "figures.fig2_chain",
        "The linear chain: forgetting without bias, and the augmentation it takes",
        ("minnorm.chain_times", "minnorm.chain_lotka_volterra", "minnorm.chain_critical_augmentation"),
    ),
    "fig5": Entry(
        "figures.fig5_imbalance",
        "Convergence under three levels of imbalance, and balanced",
        ("min2021.theorem1",),
    ),
    "fig6": Entry(
        "figures.fig6_invariant_set",
        "Inside and outside the invariant set",
        ("min2021.proposition1", "min2021.conservation"),
    ),
    "fig7": Entry(
        "figures.fig7_width",
        "Distance to the minimum-norm solution against width",
        ("imbalance.width_law", "min2021.theorem2"),
    ),
}

CATALOGUE = Catalogue(SETTINGS, FIGURES)
