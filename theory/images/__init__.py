"""Homogeneous classifiers at their smallest weights, and how well scores find examples."""
