r"""What classifiers make of new examples: more parameters, the constraint on their norm, losses that overfit.

The sentences are of Theory III (Banburski et al. 2019); the laws are derived here. Notation, used in every file:

    x ~ N(0, I_D), z = x . b + s e      examples and targets; e ~ N(0, 1), B = |b|^2
    p of D features                     what a learner sees of x; A = sum_{j <= p} b_j^2, the signal in them
    n                                   examples it learns from
    w                                   its weights; the overlap is w . b, the error angle(w, b) / pi: how often
                                        sign(w . x) is not sign(b . x)
    rho = |w|, theta                    size of a linear classifier, and its angle to a teacher without noise
    R, gamma                            length of the longest example, and the margin of the max-margin classifier

    seen_features    overlap and length of the class mean, the minimum-norm solution and ridge, of p features
    test_loss        the loss of a classifier of any size, and the size at which it is least
    leave_one_out    errors on the example left out, bounded by support vectors and margins
    complexity       Rademacher complexities of linear networks, and the margin bound they give
    interpolants     margins and errors of solutions that fit all examples
"""
