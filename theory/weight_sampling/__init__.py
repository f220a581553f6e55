r"""Sampling the weights periodically while noisy descent goes on, and averaging the samples (Tripathi et al. 2019).

The paper is empirical: it names its methods (averages within an epoch from which the next one starts, averages over the
last K samples, momentum of samples) and states no theorem. What is here is ours: descent near a minimum, where the loss
is a quadratic, one direction of curvature h at a time unless `directions` says otherwise.

Notation, used in every file here:

    w <- w - eta (h w + xi)    a step; E xi = 0, Var xi = s^2, independent from step to step
    L = h w^2 / 2              the loss above its minimum
    rho = 1 - eta h            what a step keeps of w; |rho| < 1
    P, K                       a sample of w every P steps; the average of K samples
    q = rho^P
    n = K P                    steps of an epoch
    V = eta s^2 / (h (2 - eta h))      stationary variance of w

    descent        V, its correlations, heavy ball
    averages       variance of averages of K samples, of moving averages, and what averages keep of the start
    directions     the same as matrices: curvature, noise and preconditioner that share no directions, and momentum
    restart        epochs that start from the average of the one before: bias against variance
    up_moves       how often, and by how much, the loss rises between samples
    reshuffling    noise that adds up to 0 over an epoch
"""
