r"""Networks that are homogeneous in each layer: normalised margin, balance, unit-norm dynamics (Banburski et al. 2019).

The full text of the memo (CBMM Memo 90, arXiv 1903.04991) was not at hand: what it states is cited by content, and
the formulas are derived here. Notation, used in every file:

    f(W; x), W = (W_1, ..., W_L)           a network, homogeneous of degree 1 in each W_k: no biases
    W_k = rho_k V_k, |V_k|_F = 1           size and direction of a layer; rho = prod_k rho_k, f(W; x) = rho f(V; x)
    q_n = y_n f(W; x_n), f~_n = q_n / rho  margins, and normalised margins
    l(q)                                   loss of one example; the loss is sum_n l(q_n): a sum, not a mean
    A = sum_n -l'(q_n) f~_n                what moves the sizes
    B_k = sum_n -l'(q_n) (df~_n/dV_k - V_k f~_n)     what turns the directions: tangent, <V_k, B_k> = 0
    D_k = W_{k+1}^T W_{k+1} - W_k W_k^T    imbalance of neighbouring layers

    gradient flow     rho_k' = rho A / rho_k,     V_k' = rho B_k / rho_k^2

Time is step x learning rate. Arrays may carry leading batch dimensions (runs).

    decomposition    sizes and directions, A and B_k, margins and gradients of (leaky) ReLU networks
    balance          what the layers of a network keep in common, step by step
    dynamics         the five dynamics of sizes and directions, their flows, orbits and clocks
    critical_points  where directions come to rest at a given size
    normalisation    scale-invariant weights: batch normalisation, growth of the norm, weight decay
    margin_growth    how fast margins grow once the data are fitted
    smoothed_margin, max_margin      the normalised margin, and its limit
"""
