"""Adversarial training of wide two-layer ReLU networks (Zhang, Plevrakis, Du, Li, Song & Arora 2020).

Networks f(x) = sum_r a_r relu(w_r . x + b_r) with a_r = +-m^(-1/3) and b_r fixed, w_r ~ N(0, I / m), b_r ~ N(0, 1 / m);
inputs of length 1 whose last coordinate is 1/2, labels +-1, an adversary that moves each input by at most rho.

    sphere       caps around the inputs: what is between them, when they meet, the loss that then is left
    kernel       what the pseudo-network, linear in the weights, is in the space of; its networks of finite width
    coupling     how far the network is from its pseudo-network
    polynomials  steps as polynomials of one inner product, and the degree that takes
    regret       online gradient descent against any adversary: how many steps
    descent      the same at infinite width, in the space of the kernel
"""
