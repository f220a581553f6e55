"""Networks of rectifiers trained on images."""
