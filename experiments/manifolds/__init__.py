"""Weight manifolds and fine-grained SGD, trained."""
