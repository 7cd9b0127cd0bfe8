"""Yosys: synthesis and proofs of equality."""
