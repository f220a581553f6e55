"""What settings stand on: arrays, validation, trajectories, the ODE layer, linear networks, problems, symbols."""
