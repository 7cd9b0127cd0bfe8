"""Systolab: co-simulation of systolic accelerators with custom number formats.

The four folders at the top of the repository are this package's: ``systolab.formats``,
``systolab.rtl``, ``systolab.glenside`` and ``systolab.cosim``. Nothing else is installed.
"""
