"""Gradients through the maps: finite at the identity, and blind to the length of P."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from experiments.methods.orthogonal.parametrisations import GramSchmidt, Loewdin, Rotation
from experiments.orthogonal import published_maps
from experiments.orthogonal.maps import EXACT, Map, of_condition
from theory.claims import (
    RECONSTRUCTED,
    Check,
    Curves,
    Measured,
    Study,
    Tolerance,
    claim,
    measured,
    order,
    rounding,
    varies,
)
from theory.claims.estimates import observed_order
from theory.core.arrays import Array
from theory.orthogonal import maps


@dataclass(frozen=True)
class Sizes:
    """Of the matrices that the maps make orthogonal."""

    inputs: int = varies("d of P (d, d)", 6, low=3, high=16)
    condition: float = varies("of P", 5.0, low=1.5, high=100)


@claim(
    "liu2021.map_gradients",
    source="Liu et al. 2021, unrolled orthogonalisation: backward passes of Gram-Schmidt and Loewdin",
    source_kind=RECONSTRUCTED,
    statement=r"dR = U \frac{Z - Z^\top}{s_i + s_j} V^\top,\ Z = U^\top dP\, V;\quad"
    r" \mathrm{tril}(G P^\top) = 0 \text{ (Gram-Schmidt)},\quad G R^\top \in so(d) \text{ (Loewdin)}",
    hypotheses=("P = U diag(s) V^T invertible, R made of it by the map", "G = dL/dP for any loss L of R"),
    theory_side="identity",
    controls=(
        "Loewdin's differential is R times a symmetric matrix",
        "gradient through the singular vectors at the identity",
        "published Householder at the identity",
        "Loewdin keeps each row's length",
        "one step keeps |P|",
        "Cayley's R does not depend on |P|",
    ),
    parameters=Sizes,
)
def gradients_are_finite_and_do_not_see_lengths(study: Study, sizes: Sizes) -> Iterator[Check | Curves]:
    yield from _differential(study, sizes.inputs - 1, sizes.condition)
    yield from _at_the_identity(study, sizes.inputs)
    yield from _gauges(study, sizes.inputs, sizes.condition)


def _differential(study: Study, d: int, condition: float) -> Iterator[Check]:
    """Loewdin's differential against differences of scipy's polar factor; torch's backward pass is its adjoint."""
    rng = study.rng("differential")
    dP, G = (rng.standard_normal((1, d, d)) for _ in range(2))
    P = of_condition(rng, 1, d, condition)
    exact = maps.polar_differential(P, dP)
    # Steps short against the least singular value, 1 / condition.
    errors = [_difference(P, dP, h * 5 / condition) - exact for h in (0.02, 0.01, 0.005)]
    quarters = order("difference of polar factors", observed_order(errors))
    yield quarters.equals(2, excludes=(1.75, 2.25))
    within = Tolerance(float(np.abs(errors[1]).max()), "error at twice the step; it quarters with the step")
    yield measured("differential of Loewdin", exact + errors[2], within=within).equals(exact)
    inward = exact.mT @ maps.polar(P)
    skew = measured("skew part of R^T dR", inward - inward.mT, within=within)
    yield skew.control("Loewdin's differential is R times a symmetric matrix").equals(0)
    backward = _gradient(Loewdin(), torch.from_numpy(P).to(study.device), torch.from_numpy(G).to(study.device))
    size = condition * float(np.linalg.norm(G) * np.linalg.norm(dP))
    within = rounding(d**3, size, of="|G| |dP|, amplified by the condition")
    adjoint = measured("torch's backward pass along dP", float((backward.cpu().numpy() * dP).sum()), within=within)
    yield adjoint.equals(float((G * exact).sum()))


def _difference(P: Array, dP: Array, h: float) -> Array:
    ahead, behind = (scipy.linalg.polar((P + step * dP)[0])[0] for step in (h, -h))
    return (ahead - behind)[None] / (2 * h)


def _at_the_identity(study: Study, d: int) -> Iterator[Check]:
    G = torch.from_numpy(study.rng("identity").standard_normal((d, d))).to(study.device)
    identity = torch.eye(d).to(G)
    within = rounding(8 * d, of="G: at the identity the differential is the projection on skew matrices")
    loewdin = measured("Loewdin's gradient at the identity", _gradient(Loewdin(), identity, G).cpu(), within=within)
    yield loewdin.equals(((G - G.mT) / 2).cpu())
    for name in EXACT:
        rotation = Rotation(d, name, dtype=G.dtype, device=G.device)
        rotation.weight.backward(G)
        yield _missing(rotation.parameter.grad, case=name).equals(0)
    for name, map in (
        ("gradient through the singular vectors at the identity", published_maps.polar_by_singular_vectors),
        ("published Householder at the identity", published_maps.householder_reflections),
    ):
        yield _missing(_gradient(map, identity, G), case=name).control(name).equals(0)


def _missing(gradient: Tensor, case: str) -> Measured:
    name = "entries of the gradient at R = I that are not finite"
    count = int((~torch.isfinite(gradient)).sum())
    return measured(name, count, within=Tolerance(0.25, "a count: less than half of one entry"), case=case)


def _gradient(map: Map, P: Tensor, G: Tensor) -> Tensor:
    """dL/dP of a loss with dL/dR = G."""
    leaf = P.detach().clone().requires_grad_()
    return torch.autograd.grad((map(leaf) * G).sum(), leaf)[0]


def _gauges(study: Study, d: int, condition: float) -> Iterator[Check]:
    """R does not see the length of P's rows (Gram-Schmidt) or of P (Loewdin): descent only makes them longer."""
    rng, eta = study.rng("gauge"), 0.05
    P = torch.from_numpy(of_condition(rng, 4, d, condition) * 3).to(study.device)
    G = torch.from_numpy(rng.standard_normal((4, d, d))).to(P)
    size = condition * float(G.norm(dim=(-2, -1)).max())
    within = rounding(8 * d**2, size, of="the gradient, amplified by the condition")
    rows, polar = (_gradient(map, P, G) for map in (GramSchmidt(), Loewdin()))
    along = (polar * P).sum(-1).cpu()
    lower = measured("tril(G P^T)", torch.tril(rows @ P.mT).cpu(), within=within, case="Gram-Schmidt")
    yield lower.equals(0, against=float(along.abs().max()))
    turn, other = polar @ Loewdin()(P).mT, rows @ GramSchmidt()(P).mT
    symmetric = measured("symmetric part of G R^T", (turn + turn.mT).cpu(), within=within, case="Loewdin")
    yield symmetric.equals(0, against=float((other + other.mT).abs().max()))
    radial = measured("rows of G along those of P", along, within=within)
    yield radial.control("Loewdin keeps each row's length").equals(0)
    for name, gradient, axes in (("rows", rows, (-1,)), ("polar", polar, (-2, -1))):
        old, new, squared = (each.square().sum(axes).cpu().numpy() for each in (P, P - eta * gradient, gradient))
        length = measured("squared length after a step", new, within=within * 9, case=name)
        yield length.equals(maps.lengthened(old, squared, eta))
    yield length.control("one step keeps |P|").equals(old)
    within_map = rounding(d**2 * condition, of="entries of R, d^2 times the condition")
    seen = (published_maps.cayley(3 * P) - published_maps.cayley(P)).cpu()
    for name, map in (("Gram-Schmidt", GramSchmidt()), ("Loewdin", Loewdin())):
        unseen = measured("R of 3 P", (map(3 * P) - map(P)).cpu(), within=within_map, case=name)
        yield unseen.equals(0, against=float(seen.abs().max()))
    yield measured("R of 3 P", seen, within=within).control("Cayley's R does not depend on |P|").equals(0)
