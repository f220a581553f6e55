r"""Deep linear students of a linear teacher (Saxe 2014; Advani & Saxe 2017; Bansal et al. 2018, reconstructed).

Notation, used in every file here:

    X (d, n)                      inputs, one example a column, entries N(0, 1/d)
    Y = Wbar X + eps  (K, n)      labels of the teacher Wbar (K, d), entries N(0, sw^2), with noise N(0, se^2)
    W = W_L ... W_1               the student, hidden widths at least min(K, d)
    1/2 |Y - W X|^2               the loss: a sum, with the factor 1/2; t = step x learning rate on it
    lam_k                         the r = min(n, d) nonzero eigenvalues of X X^T: the rates at which a shallow student
                                  learns
    P = X X^+, Q = I - P          what the examples show of the input space, and what they do not
    W^ = Y X^+                    the minimum-norm solution
    E_g = |Wbar - W|^2 / d + K se^2   generalisation error: mean squared error on a new, noisy example

Every array may carry leading batch dimensions (draws or runs). The scaling is Advani & Saxe's: rates of order 1,
so that Marchenko & Pastur's law is that of lam_k with aspect n / d.

    problem            teachers, their students' data, and what is measured of a student
    spectrum           the law of lam_k: Marchenko & Pastur, and its first correction at finite size
    generalisation     E_g of a shallow student at every time, at its best time, under ridge
    frozen             what no gradient moves, and the autonomous rest, at any depth
    weight_decay       decay of every layer: ridge regression at any depth, and its collapse
    minnorm            forgetting at any depth, and the unique limit W^
    modes              singular modes of balanced students: each one a chain
    saddle_to_saddle   small starts of any kind: when each mode is learned, and the law of when
    completion         matrix completion, where depth changes the answer
"""
