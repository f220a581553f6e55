"""Linear classifiers, trained."""
