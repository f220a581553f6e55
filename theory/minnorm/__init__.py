"""The Minnorm method, whatever it trains: its three numbers, the step sizes that are stable, problems with room."""
