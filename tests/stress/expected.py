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
EXPECTED: dict[str, dict[str, str]] = {}
