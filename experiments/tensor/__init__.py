"""Sums of powers of vectors, trained lazily and from tiny components; see `theory.tensor`."""
