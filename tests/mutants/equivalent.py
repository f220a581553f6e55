"""Mutants that change no answer, so that nothing can catch them: the line before and after, and why."""

AFTER_AN_EVENT = (
    "return ActiveSetFlow(piece.Z, active, w, np.where(active {} ~change, multipliers.clip(0), 0.0), piece.a, piece.b)"
)
EQUIVALENT = {
    (
        "y = np.full((*w.shape[:-1], 1), 2 / chain.L * np.log(chain.s))",
        "y = np.full((*w.shape[:-1], 1), 2 / chain.L ** np.log(chain.s))",
    ): "where Newton starts: the function is convex and increasing, so that it converges from anywhere",
    (
        "near = slice(max(above[-1] - 3, 0), above[-1] + 5)",
        "near = slice(max(above[-1] - 4, 0), above[-1] + 5)",
    ): "one more point in the spline between which points the crossing lies",
    (
        "roots = CubicSpline(t[near], height).roots(extrapolate=False)",
        "roots = CubicSpline(t[near], height).roots(extrapolate=True)",
    ): "roots beyond the points are none of those between the two that the next line looks for",
    (
        "if starts[-1] + event > until:",
        "if starts[-1] + event == until:",
    ): "an event beyond the end, found and kept, moves nothing before the end",
    (
        "column = finite_matrix(name, np.reshape(squares, (-1, 1)), rows, 1)",
        "column = finite_matrix(name, np.reshape(squares, (- 2, 1)), rows, 1)",
    ): "numpy takes any negative length for the one it is to find",
    (
        "v = 1 - cone @ nnls(cone, np.ones(n), maxiter=30 * (n + 2 * d))[0]",
        "v = 1 - cone @ nnls(cone, np.ones(n), maxiter=30 * (n + 2 - d))[0]",
    ): "how long a solver may go on that ends long before",
    (
        AFTER_AN_EVENT.format("&"),
        AFTER_AN_EVENT.format("|"),
    ): "the multiplier of an example that was not active is 0 (written without `change` since)",
}
