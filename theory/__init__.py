"""Theorems on training dynamics, as predictors: closed forms, flows and bounds, and the verdict on each.

Nothing is imported here, so that the command lines answer at once. A setting is one word and that word names its
files: `theory.imbalance` predicts, `experiments.imbalance` trains and states the claims, `figures` draws them.
"""

__version__ = "0.1.0"
