"""What users put on networks of their own; no claim is imported with them."""
