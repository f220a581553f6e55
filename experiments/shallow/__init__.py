"""Linear classifiers, trained; importing this registers the setting's claims."""

from experiments.shallow import (
    asymptotics,
    closed_forms,
    event_driven,
    heavy_ball,
    hitting_times,
    minnorm_flow,
    nonseparable,
)

__all__ = [
    "asymptotics",
    "closed_forms",
    "event_driven",
    "heavy_ball",
    "hitting_times",
    "minnorm_flow",
    "nonseparable",
]
