"""Data to scale: how a scale is fitted to a tensor, and tensors quantised with it."""
