"""The native engines; everything else about the package is in pyproject.toml.

The library is optional: without a C compiler the installation succeeds and NumPy does the work.
In a source tree, `python setup.py build_ext --inplace` builds it beside formats/native/.
"""

from glob import glob

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "systolab.formats.native._systolab",
            sources=sorted(glob("src/systolab/formats/native/*.c")),
            depends=sorted(glob("src/systolab/formats/native/*.h")),
            # No contraction: a fused multiply-add rounds once where the hardware rounds twice.
            extra_compile_args=["-O3", "-std=gnu11", "-ffp-contract=off"],
            optional=True,
        )
    ]
)
