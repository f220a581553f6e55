"""Min, Tarmoun, Vidal, Mallada (2022): near the target a margin adds to the rate of the imbalance."""
