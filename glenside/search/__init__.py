"""The e-graph: what is known, what is chosen, and why."""
