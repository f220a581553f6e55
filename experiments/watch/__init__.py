"""A user's own training run, watched theorem by theorem: `Watch`."""

from experiments.watch.watch import Watch

__all__ = ["Watch"]
