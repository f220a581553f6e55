r"""Weight manifolds and fine-grained SGD on their products, FG-SGD (Ozay, NeurIPS 2019; only abstract and introduction
were at hand: what is derived here is so marked, and the form of the step is our reading).

Notation, used in every file here:

    w (A, B)            one weight matrix, A >= B: a kernel, or a layer; a component of a product of manifolds
    sphere              |w|_F = 1;   oblique: every column has length 1;   Stiefel: w^T w = I
    (D, C, A, B)        a layer: kernels from C input to D output channels, as torch keeps them
    gamma               the factor that makes chosen norms of every point of a manifold at most 1
    G, R                Riemannian gradient of a component, and the norm of it over a group of components
    rho, c, k           distance to the minimiser, the curvature of the normaliser, a bound -k on curvature from below
    g_t = c (t + a)^-q  the schedule; eta where it is constant
    h                   eigenvalues of the Riemannian Hessian at the minimum: rates of the flow about it
    l, s                eigenvalues of a problem's matrix A, and singular values of its M, falling

t = step x learning rate where a flow is meant; the metric is that of the embedding. Every array may carry leading batch
dimensions (runs).

    norms       ranges of norms on each manifold, scales, norms of layers and convolutions
    curvature   sectional curvatures, their ranges, injectivity radii
    steps       the normalised step, its cap, the Lyapunov inequality
    schedules   step sizes, what they must satisfy, and what they leave without noise
    noise       second moments under noise
    rayleigh    largest eigenvector on the sphere
    brockett    largest eigenvectors, in order, on Stiefel
    rank_one    a rank-one linear network on a product of spheres
    oblique     a linear layer with unit columns
"""
