"""A command in a process of its own, on the toy claims: `python tests/toy_main.py verify [options]`."""

import sys
from importlib import import_module

from theory.harness.catalogue import Catalogue

if __name__ == "__main__":
    sys.exit(import_module(f"theory.{sys.argv[1]}").main(sys.argv[2:], Catalogue(("toys",), {})))
