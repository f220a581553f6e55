"""Noisy descent and networks, trained by torch's own optimisers, sampled and averaged by `torch.optim.swa_utils`."""
