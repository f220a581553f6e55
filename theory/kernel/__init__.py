"""Two-layer ReLU networks f(x) = m^(-1/2) sum_r a_r relu(w_r . x), a_r = +-1 fixed, and their kernel at any width.

The loss is L = 1/2 |u - y|^2, u_i = f(x_i), and the weights w_r ~ N(0, I) are trained (Du, Zhai, Póczos & Singh 2019).

    inputs       the inputs, the kernel H at infinite width, its null space
    width        the kernel of a network of m neurons; which widths keep it near H
    lazy         gradient descent while no pattern changes, beside the bounds of the paper
    corrections  the first order in m^(-1/2): patterns that change
    catapult     one input, steps beyond 2 / lambda
"""
