"""Minnorm on whitened examples from an aligned start: every singular mode is a chain, with its threshold and fate."""

from collections.abc import Iterator

from experiments.deep_linear.mode_chains import every_mode_is_a_chain
from experiments.deep_linear.mode_collapse import depth_three_loses_a_weak_mode
from experiments.deep_linear.mode_return import collapsed_modes_return
from experiments.deep_linear.mode_threshold import the_weakest_mode_decides
from theory.claims import Check, Curves, Study, claim


@claim(
    "minnorm.deep_modes",
    source="Bansal et al. 2018 (reconstruction: Minnorm on deep linear networks); ours",
    statement=r"X X^\top = x^2 P,\ W_l = R_l\,\mathrm{diag}(w_l) R_{l-1}^\top:\ w_{lk}' = a (-w_{lk} + x (\lambda_k +"
    r" c h_k) \textstyle\prod_{j \ne l} w_{jk}),\ \lambda_k' = b h_k;\quad \text{stable} \iff c >"
    r" \frac{L - 2}{x^2 L\, s_{\min}^{2 - 2/L}}",
    hypotheses=("whitened examples", "aligned start", "simultaneous steps"),
    controls=(
        "modes: strengths 10 % larger",
        "modes: x in place of x^2",
        "modes of examples that are not whitened",
        "threshold of the strongest mode",
        "threshold with L - 1 in place of L - 2",
        "depth 2 loses the weak mode",
        "depth 3 learns the weak mode",
        "opens 10 % later",
    ),
)
def modes_are_chains(study: Study) -> Iterator[Check | Curves]:
    yield from every_mode_is_a_chain(study)
    yield from the_weakest_mode_decides(study)
    yield from depth_three_loses_a_weak_mode(study)
    yield from collapsed_modes_return(study)
