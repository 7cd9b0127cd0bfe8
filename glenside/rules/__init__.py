"""The rewrites, grouped by purpose. Each is small, named, and checked against the interpreter."""
