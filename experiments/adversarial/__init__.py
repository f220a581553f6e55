"""Networks trained against an adversary, beside their pseudo-networks and the kernel of these."""
