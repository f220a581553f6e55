r"""Single-hidden-layer linear networks and the imbalance of their start (Min, Tarmoun, Vidal, Mallada, ICML 2021).

Notation of the paper, used in every file here:

    X (n, D), Y (n, m)            data; X = W S Phi1^T its thin SVD, S^2 = Sigma_x, r = rank X
    U (D, h), V (m, h)            the network x -> V U^T x; end_to_end = U V^T
    L = 1/2 |Y - X U V^T|^2       the loss: a sum, with the factor 1/2
    U1 = Phi1^T U, U2 = Phi2^T U  what the data see of U, and what they do not
    y~ = W^T Y                    targets (r, m);   E = y~ - S U1 V^T the residual, L - L* = 1/2 |E|^2
    Z = [V; U1] (m + r, h), J = diag(-I_m, I_r)
    imbalance = U1^T U1 - V^T V = Z^T J Z

    flow:  V' = E^T S U1,  U1' = S E V,  U2' = 0      (gradient flow of L; t = step x learning rate)

Every array may carry leading batch dimensions (runs). The paper trains on (1/n) |Y - X U V^T|^2 = (2/n) L: its
learning rate eta is 2 eta / n here.

    problem             the data, and the starts used in the paper
    dynamics            the flow and gradient descent on (V, U1)
    convergence         Theorem 1: the loss decays at the rate the imbalance sets
    identities          the conservation of the imbalance, proved in symbols
    invariant_set       Proposition 1: where gradient descent finds the minimum-norm solution
    width               Lemma 1, Theorem 2, and the exact law that sharpens them
    wide_limit          infinite width: a closed equation for U1 V^T
    one_mode            r = m = 1, solved at any width
    closed_forms        where more of the dynamics can be solved
    compression         any width trained as width m + r, exactly
    rescaling           Appendix D: the same network in the NTK scaling
    tighter_rate        the rate with the margin term (Min et al. 2022)
    three_layers        the bound for three layers (Min et al. 2023)
    finite_step         descent of one mode: the ellipse it converges from, its edge, the critical learning rate
    minimal_model       m = h = 1 on whitened data: a normalised linear flow, lazy, rich or delayed
    kernel_of_product   networks of one imbalance: their kernel is a function of their product
    mixed_regime        white data: when each mode is learned, between lazy and rich
"""
