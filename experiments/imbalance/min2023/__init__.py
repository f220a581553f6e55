"""Min, Vidal, Mallada (ICML 2023): linear networks of two, three and more layers, the bounds from their imbalances."""
