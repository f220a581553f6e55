"""Students along the modes: they start where they are told, and what is off the modes is seen."""

import numpy as np

from experiments.deep_linear.aligned import Whitened, by_minnorm_from, off_the_modes, state_of_modes
from theory.claims import Study
from theory.minnorm.tuning import Tuning


def test_students_start_with_the_weights_and_multipliers_of_their_modes() -> None:
    rng = np.random.default_rng(0)
    size = Whitened()
    modes = size.draw(rng, 2)
    frames = modes.frames(size.widths(3), rng)
    w, multipliers = rng.uniform(0.7, 1.2, (2, 3, 3)), rng.uniform(0.2, 0.8, (2, 3))
    trainee = by_minnorm_from(Study("tests.deep_linear", "smoke"), modes, frames, w, multipliers, Tuning())
    run = trainee.train(learning_rate=0.01, steps=1, record=[0])
    start = state_of_modes(modes, frames, run)[0]
    assert np.allclose(start[..., :-1], w) and np.allclose(start[..., -1], multipliers)
    assert all(np.allclose(part, 0) for part in off_the_modes(frames, run))
