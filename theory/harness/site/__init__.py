"""Evidence as pages that open in a browser from the file system: one a claim, a figure, a paper, a module of code."""

from theory.harness.site.write import Site, write_site

__all__ = ["Site", "write_site"]
