"""The method itself: what its constraints and steps guarantee."""
