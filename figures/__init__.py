"""One module a figure: each draws the evidence it is handed and computes nothing."""
