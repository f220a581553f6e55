"""Losses for unequal gains: trained to their minimisers, to equal recalls, and into the limit of separable examples."""
