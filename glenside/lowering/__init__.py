"""Affine readings to kernels of the machine."""
