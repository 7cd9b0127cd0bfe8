"""The staged equivalence check of a number format's software and hardware."""
