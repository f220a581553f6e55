"""Weight manifolds and fine-grained SGD (FG-SGD)."""
