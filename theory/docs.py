"""Tutorials, run, and the reference: `python -m theory.docs` writes them beside the pages of `theory.report`.

They need no server and no network: results/report/docs.html. It takes what the extra `docs` installs. Exit status 0, or
2 if the request is wrong; a tutorial that fails, or complains, ends it with what it said.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

FOLDER = "report"
PACKAGES = (
    "theory",
    "experiments.training",
    "experiments.methods",
    "experiments.watch",
    "experiments.classifiers",
    "experiments.data",
)
MACHINERY = ("catalogue", "docs", "harness", "papers", "pytest_plugin", "tables")  # of `theory`


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser("theory.docs", description="Run the tutorials, and write them and the reference.")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--jobs", type=int, default=-1, metavar="N", help="tutorials at once (default: one a core)")
    arguments = parser.parse_args(argv)
    try:
        import jupytext  # noqa: F401 - of the extra: said in one line
        import pdoc  # noqa: F401
    except ModuleNotFoundError as error:
        print(f"docs: {error.name} is not installed: pip install 'deep-learning-theory[docs]'", file=sys.stderr)
        return 2
    print(write(arguments.out / FOLDER, arguments.jobs))
    return 0


def scripts() -> list[Path]:
    """The tutorials, in their order."""
    return sorted(Path(str(files("theory"))).joinpath("tutorials").glob("*.py"))


def write(folder: Path, jobs: int = -1) -> Path:
    """Run the tutorials and write all pages; returns the one that leads to them. A warning is an error."""
    import joblib

    from theory.harness.site.docs import write_docs
    from theory.harness.site.reference import documented
    from theory.harness.site.tutorials import run, write_tutorial

    tutorials = joblib.Parallel(n_jobs=jobs)(joblib.delayed(run)(script) for script in scripts())
    for tutorial in tutorials:
        write_tutorial(tutorial, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        modules = documented(PACKAGES, [f"theory.{name}" for name in MACHINERY])
        return write_docs(modules, tutorials, folder)


if __name__ == "__main__":
    sys.exit(main())
