"""Figures that the documents quote: ``python -m benchmarks.NAME``, one question each.

``python -m benchmarks`` lists them. Numerical libraries are held to one thread before NumPy loads.
"""

import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
