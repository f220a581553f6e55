"""Mutants that change no answer, so that nothing can catch them: the line before and after, and why."""

EQUIVALENT = {
    (
        "y = np.full((*w.shape[:-1], 1), 2 / chain.L * np.log(chain.s))",
        "y = np.full((*w.shape[:-1], 1), 2 / chain.L ** np.log(chain.s))",
    ): "where Newton starts: the function is convex and increasing, so that it converges from anywhere",
    (
        "near = slice(max(above[-1] - 3, 0), above[-1] + 5)",
        "near = slice(max(above[-1] - 4, 0), above[-1] + 5)",
    ): "one more point in the spline between which points the crossing lies",
}
