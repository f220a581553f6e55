r"""The scalar linear chain f(v) = w_L ... w_1 v, taught one number (Bansal et al. 2018; all equations reconstructed).

Notation, used in every file here:

    w (L,)                 the weights; p = w_1 ... w_L their product; q_l = p / w_l the product of the others
    x, x s with s > 0      the input and its target; sigma = x^2
    h = x (s - p)          what is left of the target: the constraint is h = 0
    N(w) = sum |w_l|^k / k the norm to be least, k = `power`: 2 squared, 1 unsquared
    omega = s^(1/L)        |w_l| at each of the 2^(L-1) minima of N under the constraint
    g = |grad h|^2         = sigma L omega^(2L - 2) at a minimum
    D_ij = w_i^2 - w_j^2   the imbalance

    gradient flow   w_l' = sigma (s - p) q_l
    weight decay    w_l' = sigma (s - p) q_l - gamma w_l                                           (L2; k = 2)
    Minnorm         w_l' = a (-|w_l|^(k-1) sign w_l + x (lambda + c h) q_l),  lambda' = b h

t = step x learning rate in all of them. Every array may carry leading batch dimensions (runs).

    problem           the chain, its minima, what is measured of a state
    gradient_flow     conserved imbalance, closed forms, where it ends
    weight_decay      forgetting against bias: equilibrium, collapse, schedules, the price of accuracy
    minnorm           forgetting without bias: spectrum, critical augmentation, best tuning, orbits at depth 2
    collapse          the basin of w = 0 at depth 3 and beyond
    beyond_the_edge   large steps: two-cycles of every depth, what they forget, chaos
    flow_sharpness    sharpness where the flow would end, and where descent lands below the edge
    escape_time       how long small chains of three and four weights wait at 0
    times             how long each flow takes to an accuracy
"""
