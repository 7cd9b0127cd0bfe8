"""Codes to sums to values: the dot product that defines the machine's arithmetic."""
