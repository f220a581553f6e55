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
    "shallow.event_driven.solve_to_convergence": {"infinity": "known for all times"},
    "shallow.minnorm_flow.velocity": {"NaN": "of infinite weights, where a flow stops"},
    "chain.collapse.size_bound": {"infinity": "it says nothing from some time on, unless the chain must collapse"},
    "chain.gradient_flow.balanced_time": {"infinity": "the target is never reached"},
    "chain.gradient_flow.product_velocity": {
        "infinity": "a hundred weights of 70 move their product faster than 10^308"
    },
    "chain.minnorm.velocity": {"NaN": "forces beyond the range of floats against each other; a flow stops there"},
    "chain.minnorm.orbit_energy": {"infinity": "at p = 0, which no orbit reaches"},
    "chain.times.annealed_times": {"infinity": "it takes longer than what is integrated"},
    "chain.times.decayed_times": {"infinity": "its bias is above epsilon"},
    "chain.times.hitting_time": {"infinity": "it has not arrived at the end"},
    "chain.times.hitting_times": {"infinity": "it has not arrived at the end"},
    "chain.times.two_phase_times": {"infinity": "it takes longer than what is integrated"},
    "chain.weight_decay.collapse_threshold": {"infinity": "one layer never collapses"},
    "halpern.nonconvex.collapse_bound": {"infinity": "from above the threshold a chain is not bounded for ever"},
    "homogeneous.decomposition.exponential_slope": {"infinity": "e^-q of a margin below -709"},
    "homogeneous.dynamics.finite_until": {"infinity": "examples that are all 0 move nothing"},
    "homogeneous.dynamics.unseen_of_exponential_weight_normalisation": {"infinity": "sizes that fall, to a high power"},
    "homogeneous.dynamics.unseen_of_weight_normalisation": {"infinity": "sizes that fall by hundreds, exponentially"},
    "homogeneous.generalisation.margins": {"infinity": "of one class alone: there is no other to be nearer to"},
    "homogeneous.margin_growth.growth_time": {"infinity": "e^m of a margin above 709"},
    "homogeneous.margin_growth.logistic_growth_time": {"infinity": "e^m of a margin above 709"},
    "homogeneous.margin_growth.two_point_difference": {"infinity": "sinh of a difference of thousands"},
    "homogeneous.margin_growth.two_point_invariant": {"infinity": "sinh of a difference of thousands"},
    "images.class_means.beyond_the_nearest": {"infinity": "a class without other examples is infinitely far"},
    "images.class_means.distances": {"infinity": "a class without other examples is infinitely far"},
    "images.class_means.to_own_class": {"infinity": "a class without other examples is infinitely far"},
    "imbalance.invariant_set.growth_bound": {"infinity": "exp of a thousand: it bounds nothing"},
    "imbalance.width.distance_bound": {"infinity": "far below the width of the theorem it bounds nothing"},
    "imbalance.width.printed_theorem_width": {"infinity": "h0 to the power 1 / (4a - 1), a near 1/4"},
    "imbalance.width.theorem_width": {"infinity": "h0 to the power 1 / (4a - 1), a near 1/4"},
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
    "orthogonal.maps.defect": {"NaN": "of infinite entries times 0: of no use to what asks whether it is small"},
    "orthogonal.stochastic.most_rounds_to_see_all_pairs": {"infinity": "blocks of one coordinate have no pair"},
}
