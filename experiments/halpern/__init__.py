"""Norm-minimising descent, trained."""
