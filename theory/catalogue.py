"""What can be asked for: the package that states claims, the figures that draw them, the data a user can bring.

Strings only: nothing is imported to list them. A claim needs no line here; discovery finds it.
"""

from theory.harness.catalogue import Catalogue, Entry, Reader

READERS = (
    Reader(
        "--data",
        "FILE",
        "your own data: .npz with X (n, D) and Y (n, m), a pair X.npy,Y.npy, or a .csv file with a header",
        "experiments.data.kinds.missing_in_table",
        ("regression", "multiclass", "labelled", "separable", "inseparable"),
    ),
    Reader(
        "--data-dir",
        "DIR",
        "your own images: folder with MNIST's four IDX files, plain or gzip",
        "experiments.data.kinds.missing_in_images",
        ("images",),
    ),
)

FIGURES = {
    "fig1": Entry(
        "figures.fig1_shallow",
        "The max-margin classifier: logarithmically late, or exponentially soon",
        ("minnorm.shallow_hitting_times", "minnorm.shallow_event_driven", "minnorm.shallow_flow"),
    ),
    "fig2": Entry(
        "figures.fig2_chain",
        "Speed: a linear chain forgets without bias, at what augmentation, and in how many gradients",
        (
            "minnorm.chain_times",
            "minnorm.chain_lotka_volterra",
            "minnorm.chain_critical_augmentation",
            "minnorm.training_speed",
        ),
    ),
    "fig3": Entry(
        "figures.fig3_deep_linear",
        "Deep linear students: test error against the start, time and number of examples",
        (
            "minnorm.deep_test_error",
            "advani2017.generalisation_error",
            "saxe2014.modes",
            "minnorm.deep_double_descent",
            "minnorm.deep_crossover",
        ),
    ),
    "fig4": Entry(
        "figures.fig4_images",
        "Images: the smallest weights that fit, their accuracy, and the examples that hold them up",
        ("minnorm.images_clean", "minnorm.images_flipped", "minnorm.images_norm"),
    ),
    "fig5": Entry(
        "figures.fig5_imbalance",
        "Convergence under three levels of imbalance, and balanced",
        ("min2021.theorem1",),
    ),
    "fig6": Entry(
        "figures.fig6_invariant_set",
        "Inside and outside the invariant set",
        ("min2021.proposition1", "min2021.conservation"),
    ),
    "fig7": Entry(
        "figures.fig7_width",
        "Distance to the minimum-norm solution against width",
        ("imbalance.width_law", "min2021.theorem2"),
    ),
    "fig8": Entry(
        "figures.fig8_homogeneous",
        "Homogeneous networks: growth of the margin, curves of directions, balance",
        ("homogeneous.margin_growth", "banburski2019.curves_on_the_sphere", "banburski2019.balance"),
    ),
    "fig9": Entry(
        "figures.fig9_halpern",
        "Norm-minimising descent: schedules, flow, Lieder's bound",
        ("banburski2019.nmgd_schedules", "banburski2019.nmgd_flow", "lieder2021.bound", "halpern.squared_hinge"),
    ),
    "fig10": Entry(
        "figures.fig10_energy",
        "Hyperspherical energy: at random start, at its least, and through training",
        (
            "liu2021.energy_at_random_start",
            "liu2021.energy_minima",
            "liu2021.asymptotic_minimality",
            "liu2021.training",
        ),
    ),
    "fig11": Entry(
        "figures.fig11_procrustes",
        "Linear OPT: the Procrustes flow, its landscape, and a half turn by Cayley's map",
        (
            "orthogonal.procrustes_limit",
            "orthogonal.cayley_power_law",
            "orthogonal.landscape",
            "orthogonal.discrete_steps",
        ),
    ),
    "fig12": Entry(
        "figures.fig12_manifolds",
        "Weight manifolds: ranges of norms, laws of noise, and every rate",
        (
            "ozay2019.norm_ranges",
            "ozay2019.noise_laws",
            "manifolds.rayleigh",
            "manifolds.brockett",
            "manifolds.rank_one_product",
            "manifolds.oblique",
        ),
    ),
    "fig13": Entry(
        "figures.fig13_kernel",
        "Wide two-layer networks: loss and movement beside bounds and limits, patterns that change, the catapult",
        ("du2019.theorem_4_1", "du2019.corollary_4_1", "kernel.pattern_changes", "kernel.catapult"),
    ),
    "fig14": Entry(
        "figures.fig14_weight_sampling",
        "Sampled weights: variance of their averages, restart from them, rises of the loss",
        ("weight_sampling.variances", "weight_sampling.restart", "tripathi2019.less_volatile"),
    ),
    "fig15": Entry(
        "figures.fig15_tensor",
        "Sums of powers: what lazy training leaves of a tensor, and what components find that start tiny",
        (
            "wang2020.lazy_training",
            "wang2020.beyond_lazy",
            "wang2020.stuck",
            "tensor.coupons",
            "tensor.power_method",
            "tensor.lazy_limit",
        ),
    ),
    "fig16": Entry(
        "figures.fig16_adversarial",
        "Adversarial training: robust loss against steps and width, coupling, steps as polynomials",
        ("zhang2020.theorem_4_1", "adversarial.coupling", "adversarial.step_degree"),
    ),
    "fig17": Entry(
        "figures.fig17_cost_sensitive",
        "Cost-sensitive losses: labels on the simplex, equal recalls, and what is left in the limit",
        (
            "narasimhan2021.proposition_4",
            "narasimhan2021.worst_case_recall",
            "cost_sensitive.implicit_bias",
            "narasimhan2021.reweighting",
        ),
    ),
    "fig18": Entry(
        "figures.fig18_more_parameters",
        "More parameters: error and test loss against features and width, with and without a bound on the norm",
        (
            "generalisation.seen_features",
            "generalisation.log_loss",
            "banburski2019.more_parameters",
            "banburski2019.norm_constraint",
        ),
    ),
    "fig19": Entry(
        "figures.fig19_unit_norm",
        "Which norm is the unit norm, error against depth and imbalance, and whose weights are Halpern's",
        (
            "banburski2019.unit_norm",
            "banburski2019.depth_and_balance",
            "banburski2019.balance_on_digits",
            "banburski2019.halpern_lambda",
        ),
    ),
    "fig20": Entry(
        "figures.fig20_judged",
        "OPT and FG-SGD judged: gains over every comparator, bounds over gaps, where OPT's risk crosses",
        (
            "ozay2019.closer_to_bounds",
            "ozay2019.accuracy",
            "liu2021.generalises_better",
            "liu2021.superiority",
        ),
    ),
    "fig21": Entry(
        "figures.fig21_min_bounds",
        "Theorems 1 and 2 of Min et al. nearly attained, and how large weights become",
        ("min2021.parameters_converge", "min2021.theorem2", "imbalance.largest_weights"),
    ),
    "fig22": Entry(
        "figures.fig22_closed_forms",
        "Two layers in closed form: one mode, one eigenspace, infinite width; rescaled, compressed; Lemmas 1 and E.1",
        (
            "imbalance.scalar_solution",
            "imbalance.riccati_solution",
            "imbalance.wide_limit",
            "imbalance.compression",
            "min2021.ntk_rescaling",
            "min2021.lemma1",
            "min2021.lemma_e1",
        ),
    ),
    "fig23": Entry(
        "figures.fig23_rates",
        "Rates of 2022 and 2023: bounds along training, where each is attained, wide starts, three layers",
        (
            "min2022.proposition1",
            "min2022.theorem3",
            "min2022.corollary4",
            "min2022.corollary5",
            "min2022.corollary6",
            "min2022.equation22",
            "min2022.lemma8",
            "min2022.proposition14",
            "min2023.theorem1",
            "min2023.theorem2",
            "min2023.theorem3",
            "min2023.lemma3",
            "min2023.conservation",
        ),
    ),
    "fig24": Entry(
        "figures.fig24_chain_laws",
        "Chains: what they forget, what weight decay costs them, collapse, and spectra of two norms",
        (
            "minnorm.chain_decay",
            "minnorm.chain_discrete_law",
            "minnorm.chain_gradient_flow",
            "minnorm.chain_l2",
            "minnorm.chain_schedules",
            "minnorm.chain_collapse",
            "minnorm.chain_spectrum",
            "minnorm.chain_unsquared",
        ),
    ),
    "fig25": Entry(
        "figures.fig25_deep_linear_laws",
        "Deep linear networks: what is forgotten, where it ends, what depth fills in, modes lost and a part frozen",
        (
            "minnorm.deep_forgetting",
            "minnorm.deep_limit",
            "minnorm.deep_completion",
            "minnorm.deep_mode_chains",
            "minnorm.deep_mode_collapse",
            "minnorm.deep_mode_return",
            "minnorm.deep_mode_threshold",
            "minnorm.deep_spectrum",
            "advani2017.frozen_subspace",
        ),
    ),
    "fig26": Entry(
        "figures.fig26_minnorm_method",
        "Minnorm around any network: which steps are stable, and what weights and multipliers end as",
        ("minnorm.method", "minnorm.stable_range"),
    ),
    "fig27": Entry(
        "figures.fig27_separable",
        "Linear classifiers: margins, directions, multipliers, of data separable, degenerate or not",
        (
            "shallow.closed_forms",
            "soudry2018.direction",
            "soudry2018.margin",
            "minnorm.shallow_nonseparable",
            "minnorm.shallow_heavy_ball",
            "minnorm.shallow_degenerate",
        ),
    ),
    "fig28": Entry(
        "figures.fig28_homogeneous_laws",
        "Homogeneous networks: sizes and directions of the layers, in five dynamics",
        (
            "banburski2019.decomposition",
            "banburski2019.five_dynamics",
            "homogeneous.free_sizes",
            "homogeneous.unseen_part",
            "homogeneous.curve_of_gradient_flow",
            "homogeneous.curve_of_frozen_sizes",
            "banburski2019.critical_points",
        ),
    ),
    "fig29": Entry(
        "figures.fig29_halpern_losses",
        "Norm-minimising descent: every step, any loss, chains that collapse, ReLUs",
        (
            "banburski2019.nmgd_least_squares",
            "banburski2019.nmgd_any_loss",
            "banburski2019.nmgd_nonconvex",
            "banburski2019.nmgd_relu",
        ),
    ),
    "fig30": Entry(
        "figures.fig30_orthogonal_maps",
        "Orthogonal maps, their gradients, series, steps and penalties: what each loses",
        (
            "liu2021.orthogonal_maps",
            "liu2021.map_gradients",
            "liu2021.energy_invariance",
            "orthogonal.neumann_map",
            "liu2021.preserving_descent",
            "liu2021.relaxed",
        ),
    ),
    "fig31": Entry(
        "figures.fig31_orthogonal_training",
        "Rotations in training: flows, where they end, random starts, blocks of the coordinates, and the gain",
        (
            "orthogonal.procrustes_flow",
            "orthogonal.double_bracket",
            "orthogonal.two_sided",
            "orthogonal.expressivity_gap",
            "liu2021.spectrum",
            "liu2021.scalability",
            "liu2021.stochastic",
            "liu2021.coordinate_system",
        ),
    ),
    "fig32": Entry(
        "figures.fig32_manifold_laws",
        "Weight manifolds: curvature, caps of steps, groupings, distances, and norms of layers",
        ("ozay2019.curvature", "ozay2019.step_cap", "ozay2019.groupings", "ozay2019.layer_norms", "ozay2019.lyapunov"),
    ),
    "fig33": Entry(
        "figures.fig33_homogeneous_limits",
        "Homogeneous networks: where directions end, other losses, margins that rise, normalised weights that grow",
        (
            "soudry2018.deep_networks",
            "soudry2018.multiclass",
            "lyu2020.smoothed_margin",
            "homogeneous.other_losses",
            "banburski2019.batch_normalisation",
            "banburski2019.weight_normalisation",
        ),
    ),
    "fig34": Entry(
        "figures.fig34_generalisation",
        "Errors on new examples: margins, a bound by support vectors, the loss that grows, features seen",
        (
            "banburski2019.generalisation",
            "generalisation.leave_one_out",
            "generalisation.log_loss",
            "generalisation.seen_features",
        ),
    ),
    "fig35": Entry(
        "figures.fig35_manifold_training",
        "FG-SGD in training: schedules, saddles, large losses, and the price of unit norms",
        (
            "ozay2019.schedules",
            "ozay2019.convergence_to_minima",
            "ozay2019.limits_of_the_theorem",
            "ozay2019.renormalisation",
        ),
    ),
    "fig36": Entry(
        "figures.fig36_kernel_laws",
        "The kernel of wide networks: its deviation by width, its least eigenvalue, what it foretells of training",
        (
            "kernel.gram_deviation",
            "du2019.lemma_3_1",
            "du2019.theorem_3_1",
            "kernel.near_parallel",
            "kernel.null_space",
            "kernel.lazy_limit",
            "kernel.residual_at_start",
            "kernel.longest_step",
            "du2019.lemma_3_2",
            "du2019.theorem_3_2",
        ),
    ),
    "fig37": Entry(
        "figures.fig37_adversarial_laws",
        "Adversarial training: gaps of caps, a floor, a step near the start, limits, regret, and pseudo-networks",
        (
            "adversarial.separation",
            "adversarial.floor",
            "zhang2020.step_function",
            "adversarial.wide_limit",
            "adversarial.regret",
            "adversarial.sampling_error",
            "adversarial.pseudo_kernel",
        ),
    ),
    "fig38": Entry(
        "figures.fig38_gains_and_tensors",
        "Gains that cover labels, distilled labels, and what lazy or stuck components leave of a tensor",
        (
            "narasimhan2021.coverage",
            "narasimhan2021.distillation",
            "narasimhan2021.proposition_1",
            "cost_sensitive.longest_round",
            "tensor.low_rank_targets",
            "tensor.stuck_points",
            "tensor.tangent_space",
        ),
    ),
    "fig39": Entry(
        "figures.fig39_sampling_laws",
        "Averages of sampled weights: who ends ahead, how much they vary, how often they rise",
        (
            "tripathi2019.faster",
            "weight_sampling.any_method",
            "weight_sampling.up_moves",
            "weight_sampling.reshuffling",
        ),
    ),
    "fig40": Entry(
        "figures.fig40_finite_steps",
        "Finite steps: the ellipse that descent converges from, two-cycles and chaos, and what large steps forget",
        (
            "imbalance.descent_ellipse",
            "imbalance.critical_learning_rate",
            "chain.two_cycles",
            "chain.large_steps_forget",
            "chain.solvable_chaos",
            "chain.minnorm_quadratic",
        ),
    ),
    "fig41": Entry(
        "figures.fig41_clocks",
        "The max margin: one constant over the clock of each descent, rescaling's border, and steps that are trapped",
        (
            "shallow.scoreboard",
            "shallow.three_clocks",
            "shallow.rescaling",
            "shallow.large_steps_freeze",
            "shallow.alternating_traps",
        ),
    ),
    "fig42": Entry(
        "figures.fig42_saddle_to_saddle",
        "From saddle to saddle: when each mode is learned, by what law, and how long small chains wait",
        ("deep_linear.saddle_to_saddle", "deep_linear.jump_times", "chain.escape_time"),
    ),
    "fig43": Entry(
        "figures.fig43_regimes",
        "Where descent lands below the edge of stability, and learning between lazy and rich, solved",
        (
            "chain.landing",
            "chain.flow_sharpness",
            "imbalance.minimal_model",
            "imbalance.kernel_of_product",
            "imbalance.mixed_regime",
        ),
    ),
}

CATALOGUE = Catalogue(("experiments",), FIGURES, READERS, group="theory.claims")
