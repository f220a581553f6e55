"""Deep linear networks, trained."""
