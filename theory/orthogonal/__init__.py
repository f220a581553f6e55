r"""Orthogonal over-parameterised training, OPT: W = R W0 with W0 random and fixed, R orthogonal and learned.

Liu et al., CVPR 2021; the proofs of the paper were not at hand, so that everything here is derived.

Notation, used in every file here:

    W0 (d, N)                 N neurons of d inputs, the columns; a torch layer keeps them as rows
    R (d, d)                  one rotation for all neurons of a layer; a map makes it from free parameters P
    G = W^T W, cosines        what R cannot change; E_s = sum over i != j of |w_i / |w_i| - w_j / |w_j||^-s follows
    mu_s(d)                   the mean of one pair of random directions; infinite for s >= d - 1
    w                         skew: the direction a step turns R in; A: skew: the parameter of a map
    L = 1/2 |W0^T R^T X - Y|^2 = 1/2 tr(R^T Sigma R Omega) - tr(R^T M) + const   (linear OPT)

t = step x learning rate; the metric is that of the embedding, (M - R M^T R) / 2 the velocity. Every array may carry
leading batch dimensions (runs).

    energy         hyperspherical energy: mean and variance at random start, least values
    asymptotics    many neurons: where a random start is nearly the best, and its spectrum
    maps           Gram-Schmidt, Householder, Loewdin, Cayley: domains, components, differentials
    preserving     descent on O(d): the defect of the published step
    relaxed        a penalty in place of the constraint
    stochastic     random blocks of coordinates
    gamma          quotients of gamma functions, to all their digits
    rotations      of one plane, and random ones
    decay          what a time leaves of modes and of angles
    procrustes     linear OPT solved for all times: limit and rate in either component of O(d)
    landscape      its critical points and their indices
    discrete       its steps: contraction, stability, the metric of each map
    cayley         the half turn that Cayley's map only reaches by a power law
    two_sided      rotations on both sides
    double_bracket inputs that are not white
"""
