"""Call public functions with random and extreme arguments: `make stress FUNCTION='orthogonal.*'`, or all of them.

Prints for each function how many calls were answered, how many were refused in one clear line, and what was wrong,
with the arguments. Exit status 1 if anything was.
"""

import argparse
import sys
import time
from fnmatch import fnmatchcase

from calls import public_functions, stress, with_recipes
from expected import EXPECTED, NO_NUMBERS


def main() -> int:
    """Exit status 1 if a function gave no number where there is one, no end, or an unclear error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("functions", nargs="*", default=["*"], help="patterns such as 'orthogonal.energy.*'")
    parser.add_argument("--calls", type=int, default=100_000, help="of each function")
    parser.add_argument("--seconds", type=float, default=60.0, help="spent on one function at most")
    parser.add_argument("--seed", type=int, default=0, help="the first one; one a call")
    arguments = parser.parse_args()
    with_recipes()
    failed = False
    for name, function in public_functions().items():
        if not any(fnmatchcase(name, pattern) for pattern in arguments.functions) or name in NO_NUMBERS:
            continue
        started, done, answered, refused = time.monotonic(), 0, 0, 0
        problems: dict[str, tuple[int, list[str]]] = {}
        while done < arguments.calls and time.monotonic() - started < arguments.seconds:
            size = min(200, arguments.calls - done)
            first = arguments.seed + done
            outcome = stress(function, range(first, first + size))
            done, answered, refused = done + size, answered + outcome.answered, refused + outcome.refused
            for problem, calls in outcome.problems.items():
                count, shown = problems.get(problem, (0, []))
                problems[problem] = count + outcome.counts[problem], (shown + calls)[:2]
        problems = {problem: found for problem, found in problems.items() if problem not in EXPECTED.get(name, {})}
        failed |= bool(problems)
        print(f"{name}: {done} calls, {answered} answered, {refused} refused", flush=True)
        for problem, (count, calls) in problems.items():
            print(f"    {count} x {problem}", *(call[:400] for call in calls), sep="\n        ", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
