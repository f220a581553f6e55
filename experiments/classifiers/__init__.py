"""Networks that classify images: splits, batched examples, losses, paired comparisons; no claim of its own."""
