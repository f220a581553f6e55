r"""Max-margin classification by a linear classifier without bias (setting 1 of Bansal et al. 2018, reconstructed).

Notation, used in every file here:

    z_i = y_i x_i, the rows of Z (n, d)      example i is classified with margin z_i . w
    w_hat = argmin 1/2 |w|^2 s.t. Z w >= 1   the max-margin classifier; margin gamma* = 1 / |w_hat|
    alpha >= 0, w_hat = Z^T alpha            its duals; S = {alpha > 0} the support, sum alpha = |w_hat|^2
    G = Z_S Z_S^T                            Gram matrix of the support, eigenvalues g_min <= ... <= g_max
    kappa = g_max / g_min

    gradient flow             w' = Z^T e^{-Z w}                  of L = sum_i e^{-z_i . w}: a sum, not a mean
    loss-normalised flow      w' = -grad L / L = -grad log L     the same orbit, ds = L dt
    Minnorm flow              w' = -a (w - Z^T lambda),  lambda' = b [1 - Z w] with lambda >= 0

Minnorm descends the Lagrangian 1/2 |w|^2 + lambda . (1 - Z w) in w at rate a and ascends it in lambda at rate b: the
multipliers integrate the error over training. Time is step x learning rate. Arrays may carry leading batch dimensions
(runs) where the signature says so. Examples and their max-margin classifier are `theory.core.separable.Separable`.

    gradient_flow  closed forms, and the asymptotic constants of direction and margin (Soudry et al. 2018)
    minnorm_flow   Lyapunov function, spectrum, rate, and the solution on a fixed active set, also by integration
    event_driven   the exact solution through every change of the active set
    heavy_ball     discrete time: Polyak's heavy ball on the dual, best steps, stability limits
    alternating    Minnorm's path from zero in closed form, and steps that converge from everywhere
    clocks         one constant of direction, and the clock of each descent: plain, normalised, accelerated, rescaled
    transients     how each of them forgets where it started
    rescaling      normalised descent whose weights are multiplied now and then, and its border with Minnorm
    freezing       large constant steps: where the first one leaves the direction
    nonseparable   the slopes at which multipliers grow where no classifier fits
"""
