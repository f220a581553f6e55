"""Functions that no random numbers can be drawn for, and answers that are no finite number for a reason."""

NO_NUMBERS = {
    "core.files.write_atomically": "takes a file's name and its content",
    "core.flows.flow": "takes a velocity: what flows make of it is called everywhere",
    "core.symbolic.matrix": "symbols",
    "core.symbolic.transpose": "symbols",
    "core.symbolic.transpose_blocks": "symbols",
    "core.symbolic.transposed": "symbols",
    "core.validation.finite_arrays": "takes an object whose fields it replaces",
    "core.validation.reject": "raises, whatever it is given",
}

# function: {problem: why it is none}
EXPECTED: dict[str, dict[str, str]] = {
    "orthogonal.cayley.half_turn_asymptote": {"infinity": "at t = 0, where a power law of late times begins"},
    "orthogonal.discrete.largest_learning_rate": {
        "infinity": "nothing turns at d = 1, or where s = 0: any step is stable"
    },
    "orthogonal.energy.energy": {"infinity": "of neurons that coincide"},
    "orthogonal.energy.half_space_energy": {"infinity": "of neurons that coincide, or are opposite"},
    "orthogonal.energy.kernel": {"infinity": "of a pair that coincides"},
    "orthogonal.energy.mean_energy": {"infinity": "from s = d - 1 on"},
    "orthogonal.energy.mean_of_pair": {"infinity": "from s = d - 1 on"},
    "orthogonal.energy.polygon_energy": {"infinity": "at s = 800 neighbours of a 17-gon have 10^348"},
    "orthogonal.energy.minimum": {"infinity": "that of a polygon"},
    "orthogonal.energy.variance_energy": {"infinity": "from 2 s = d - 1 on"},
    "orthogonal.energy.variance_of_pair": {"infinity": "from 2 s = d - 1 on"},
    "orthogonal.stochastic.most_rounds_to_see_all_pairs": {"infinity": "blocks of one coordinate have no pair"},
}
