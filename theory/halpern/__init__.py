r"""Norm-minimising descent: a step of any method, then a step towards an anchor that gets smaller and smaller.

Notation, used in every file here:

    T                        a step of the method; for gradient descent T(w) = w - eta grad L(w)
    v                        the anchor; 0 asks for the solution of least norm
    w_{k+1} = lambda_k v + (1 - lambda_k) T(w_k)         Halpern's iteration (Halpern 1967); lambda_k = 1/(k + 2)
    P_k = prod_{j < k} (1 - lambda_j)                    what is left of the start after k steps

"NMGD" of Banburski et al. 2019 (Theory III, arXiv 1903.04991 v1) is this iteration around gradient descent with v = 0,
as far as its abstract tells: its full text was not at hand, and the update rule is a reconstruction. Least squares use
the notation of `theory.imbalance`, X = W S Phi1^T with L = 1/2 |X w - Y|^2 and w (D, m), and

    H = X^T X, eigenvalues h = S^2 (of the other losses: their Hessian at the minimum)
    A = I - eta H, eigenvalues a = 1 - eta h             T is nonexpansive if and only if eta <= 2 / h_max
    w*(v) = pinv(X) Y + P_n v                            the solution nearest to v; P_n the projector on the null space

t = step x learning rate. Every array may carry leading batch dimensions (runs), and times or steps come before them.

    schedules         P_k of the weights in use
    least_squares     exact formulas at every step, their limits, and ridge regression
    flow              vanishing regularisation: the flow w' = -grad L - c w / (1 + t)
    fixed_points      Lieder's bound, and the residual of affine maps exactly
    squared_hinge     where its minimum of least norm is the max-margin classifier
    exponential_loss  how the flow with vanishing regularisation tends to the max-margin direction
    nonconvex         chains of weights: what is forgotten, and what collapses
"""
