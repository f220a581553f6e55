"""Networks of rectifiers trained on images; importing this registers the setting's claims."""

from experiments.images import labels, norm

__all__ = ["labels", "norm"]
