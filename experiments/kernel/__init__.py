"""Two-layer ReLU networks, trained beside their kernel at infinite width."""
