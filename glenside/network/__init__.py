"""A network: its layers, its tensors, and what is folded before anything else."""
