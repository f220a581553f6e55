"""Single-hidden-layer linear networks, trained."""
