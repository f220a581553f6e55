"""More parameters, the constraint on the norm, losses that overfit: what they make of new examples."""
