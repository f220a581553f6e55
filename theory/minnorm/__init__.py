"""The Minnorm method, whatever it trains: its three numbers, and the step sizes that are stable."""
