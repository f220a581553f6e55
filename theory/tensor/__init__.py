r"""Symmetric tensors of order l as sums of powers of vectors, lazily trained and not (Wang, Wu, Lee, Ma & Ge 2020).

Notation, used in every file here:

    u^l           the tensor power u (x) ... (x) u; a symmetric tensor T is the polynomial T(x) = <T, x^l>
    u^(l-1) v     the symmetric part of u (x) ... (x) u (x) v
    D             dimension of the symmetric tensors, binom(d + l - 1, l)
    U (m, d)      components: the model is sum_i u_i^l
    S(U)          all u_i^(l-1) v: where the model can go to first order, the tangent space
    m*            the least m at which S(U) is everything

Tensors are written in D coordinates, never in d^l: one for each monomial, scaled so that norms are Frobenius norms.

    coordinates   powers and tangents in these coordinates
    generic       the dimension of S(U) at generic U (Alexander & Hirschowitz 1995), m*
    harmonics     symmetric tensors by the part of rotations they belong to; sums of orthonormal powers
    lazy          what training that moves components little leaves of a target, and its first order in 1 / alpha
    small_start   training from tiny components: power method, basins, coupons
"""
