r"""Losses for gains that are not the same for all labels (Narasimhan & Menon 2021, arXiv 2107.04641).

Notation, used in every file here:

    eta_i(x) = P(y = i | x)          the labels of an input; pi_i = P(y = i), K classes
    G (K, K)                         G_ij is what predicting j earns where i is true
    C_ij = P(y = i, prediction j)    an objective is sum_ij G_ij C_ij, or a worst case or a constraint of such sums
    G = M D, D diagonal, positive    M_ij = G_ij / D_j
    s (K,)                           the logits of an input; the prediction is argmax s, never argmax s - log D
    l(y, s) = -sum_j M_yj log softmax(s - log D)_j     the hybrid loss; of a diagonal G = D it is logit adjustment

    gains             the rule that earns most, and what any other forgoes
    hybrid            the hybrid loss: its minimiser for every D, its gradient
    gaussian_classes  worst-case recall of Gaussian classes on a line: the equaliser, exponentiated gradient
    coverage          the largest mean recall of these classes where every label has to be predicted often enough
    distillation      labels that are partly a teacher's: every sample of n labels, and its chance
    margins           separable examples: what is left in the limit of weights, shifts and factors of margins
"""
