"""Glenside: a pure tensor language of access patterns, its rewrites and its compiler.

Source of the idea: Smith et al., "Pure Tensor Program Rewriting via Access Patterns", MAPS 2021.
"""
