"""The settings of `theory`, trained in torch, and the claims that compare the two."""
