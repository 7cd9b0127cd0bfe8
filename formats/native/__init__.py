"""The compiled engines, where they could be built.

The library is found beside this file. Where it is missing, does not match this source or was
compiled unsafely, or where ``SYSTOLAB_NATIVE=0`` is set, ``available()`` is False, ``status()``
says why, and NumPy does the work with the same results.
"""

from systolab.formats.native.library import available, status

__all__ = ["available", "status"]
