"""Training batches of runs: the loop, update rules, refinement by halves, batches of networks.

`Trainee` is what a claim uses: what is trained, by which rule, and what is looked at.
"""

from experiments.training.loop import Observe, recording_steps, train
from experiments.training.refinement import extrapolated, extrapolated_ratio, tends_to
from experiments.training.trainee import Trainee
from experiments.updates import GradientDescent, Loss, State, Update, along

__all__ = [
    "GradientDescent",
    "Loss",
    "Observe",
    "State",
    "Trainee",
    "Update",
    "along",
    "extrapolated",
    "extrapolated_ratio",
    "recording_steps",
    "tends_to",
    "train",
]
