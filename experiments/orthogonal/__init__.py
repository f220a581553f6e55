"""Orthogonal over-parameterised training."""
