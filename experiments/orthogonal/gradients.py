"""Gradients through the maps: finite at the identity, and blind to the length of P."""

from collections.abc import Iterator

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from experiments.methods.orthogonal import published
from experiments.methods.orthogonal.parametrisations import GramSchmidt, Loewdin, Rotation
from experiments.orthogonal.exactness import Map, of_condition
from experiments.orthogonal.invariance import EXACT
from theory.claims import Check, Curves, claim
from theory.claims.estimates import halving_order
from theory.claims.legacy import equal, order, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.orthogonal import maps


@claim(
    "liu2021.map_gradients",
    source="Liu et al. 2021, unrolled orthogonalisation: backward passes of Gram-Schmidt and Loewdin",
    statement=r"dR = U \frac{Z - Z^\top}{s_i + s_j} V^\top,\ Z = U^\top dP\, V;\quad"
    r" \mathrm{tril}(G P^\top) = 0 \text{ (Gram-Schmidt)},\quad G R^\top \in so(d) \text{ (Loewdin)}",
    hypotheses=("P invertible",),
    controls=(
        "Loewdin's differential is R times a symmetric matrix",
        "gradient through the singular vectors at the identity",
        "published Householder at the identity",
        "Loewdin keeps each row's length",
        "one step keeps |P|",
        "Cayley's R does not depend on |P|",
    ),
)
def gradients_are_finite_and_do_not_see_lengths(study: Study) -> Iterator[Check | Curves]:
    yield from _differential(study)
    yield from _at_the_identity(study)
    yield from _gauges(study)


def _differential(study: Study) -> Iterator[Check]:
    """Loewdin's differential against differences of scipy's polar factor; torch's backward pass is its adjoint."""
    d, rng = 5, study.rng("differential")
    dP, G = (rng.standard_normal((1, d, d)) for _ in range(2))
    P = of_condition(rng, 1, d, 5.0)
    exact = maps.polar_differential(P, dP)
    errors = [_difference(P, dP, h) - exact for h in (0.02, 0.01, 0.005)]
    yield order("difference of polar factors", halving_order(*errors[-2:], expected=2), 2, excludes=(1, 3))
    size = float(np.abs(errors[1]).max())
    because = "error at twice the step; it quarters with the step"
    yield equal("differential of Loewdin", exact + errors[2], exact, tolerance=size, because=because)
    inward = exact.mT @ maps.polar(P)
    wrong = equal("symmetric part only", inward - inward.mT, 0, tolerance=size, because=because)
    yield refuted("Loewdin's differential is R times a symmetric matrix", wrong)
    leaf = torch.from_numpy(P).to(study.device).requires_grad_()
    (backward,) = torch.autograd.grad((Loewdin()(leaf) * torch.from_numpy(G).to(leaf)).sum(), leaf)
    tolerance = d**3 * 5.0 * EPS * float(np.linalg.norm(G) * np.linalg.norm(dP))
    because = "d^3 roundings, amplified by the condition, 5"
    inner = [float((a * b).sum()) for a, b in ((backward.cpu().numpy(), dP), (G, exact))]
    yield equal("torch's backward pass along dP", inner[0], inner[1], tolerance=tolerance, because=because)


def _difference(P: Array, dP: Array, h: float) -> Array:
    ahead, behind = (scipy.linalg.polar((P + step * dP)[0])[0] for step in (h, -h))
    return (ahead - behind)[None] / (2 * h)


def _at_the_identity(study: Study) -> Iterator[Check]:
    d = 6
    G = torch.from_numpy(study.rng("identity").standard_normal((d, d))).to(study.device)
    expected = ((G - G.mT) / 2).cpu().numpy()
    (found,) = _gradients(Loewdin(), torch.eye(d).to(G), G)
    because = "d roundings: at the identity the differential is the projection on skew matrices"
    measured = found.cpu().numpy()
    yield equal("Loewdin's gradient at the identity", measured, expected, tolerance=8 * d * EPS, because=because)
    because = "every entry of the gradient at P = I is a number"
    for name in EXACT:
        rotation = Rotation(d, name, dtype=G.dtype, device=G.device)
        rotation.weight.backward(G)
        yield _finite(f"{name}: entries of the gradient at R = I that are not finite", rotation.parameter.grad)
    for name, map in (
        ("gradient through the singular vectors at the identity", published.polar_by_singular_vectors),
        ("published Householder at the identity", published.householder_reflections),
    ):
        yield refuted(name, _finite(f"{name}: not finite", *_gradients(map, torch.eye(d).to(G), G)))


def _finite(name: str, gradient: Tensor) -> Check:
    missing = int((~torch.isfinite(gradient)).sum())
    return equal(name, missing, 0, tolerance=0.5, because="a count: half of one entry")


def _gradients(map: Map, P: Tensor, G: Tensor) -> tuple[Tensor]:
    """dL/dP of a loss with dL/dR = G."""
    leaf = P.detach().clone().requires_grad_()
    return torch.autograd.grad((map(leaf) * G).sum(), leaf)


def _gauges(study: Study) -> Iterator[Check]:
    """R does not see the length of P's rows (Gram-Schmidt) or of P (Loewdin): descent only makes them longer."""
    d, rng = 6, study.rng("gauge")
    P = torch.from_numpy(of_condition(rng, 4, d, 5.0) * 3).to(study.device)
    G = torch.from_numpy(rng.standard_normal((4, d, d))).to(P)
    size = 8 * d**2 * 5.0 * EPS * float(G.norm(dim=(-2, -1)).max())
    because = "8 d^2 roundings of the gradient, amplified by the condition, 5"
    gradients = {name: _gradients(map, P, G)[0] for name, map in (("rows", GramSchmidt()), ("polar", Loewdin()))}
    lower = torch.tril(gradients["rows"] @ P.mT).cpu().numpy()
    yield equal("Gram-Schmidt: tril(G P^T)", lower, 0, tolerance=size, because=because)
    turn = gradients["polar"] @ Loewdin()(P).mT
    yield equal("Loewdin: symmetric part of G R^T", (turn + turn.mT).cpu().numpy(), 0, tolerance=size, because=because)
    radial = (gradients["polar"] * P).sum(-1).cpu().numpy()
    yield refuted("Loewdin keeps each row's length", equal("rows", radial, 0, tolerance=size, because=because))
    eta = 0.05
    for name, axes in (("rows", (-1,)), ("polar", (-2, -1))):
        old, new = ((P - rate * gradients[name]).square().sum(axes).cpu().numpy() for rate in (0, eta))
        squared = gradients[name].square().sum(axes).cpu().numpy()
        predicted = maps.lengthened(old, squared, eta)
        yield equal(f"squared length after a step, {name}", new, predicted, tolerance=size * 9, because=because)
    kept = equal("squared length after a step", new, old, tolerance=size * 9, because=because)
    yield refuted("one step keeps |P|", kept)
    for name, map in (("Gram-Schmidt", GramSchmidt()), ("Loewdin", Loewdin())):
        apart = (map(3 * P) - map(P)).cpu().numpy()
        yield equal(f"{name}: R of 3 P", apart, 0, tolerance=d**2 * 5 * EPS, because="d^2 roundings x condition")
    apart = (published.cayley(2 * P) - published.cayley(P)).cpu().numpy()
    yield refuted("Cayley's R does not depend on |P|", equal("R of 3 P", apart, 0, tolerance=size, because=because))
