"""Homogeneous networks, trained."""
