"""Binary32 evaluation of operators with ONNX's semantics, one family a module.

Sums of products and transcendental functions are computed in binary64 and rounded once, so that
their results do not depend on the vector width or the thread count of the machine.
"""
