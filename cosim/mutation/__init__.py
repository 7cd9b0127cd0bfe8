"""Whether the check is any good: faults planted in the RTL."""
