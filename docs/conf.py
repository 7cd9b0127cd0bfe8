"""The site of these pages and of the API: ``make docs`` builds it with Sphinx into build/site."""

from __future__ import annotations

import re
from importlib.metadata import version as installed

from sphinx.application import Sphinx

project = "Systolab"
author = "The Systolab authors"
copyright = f"{author}. Apache-2.0"
version = release = installed("systolab")

extensions = [
    "myst_nb",  # Markdown, and the notebook
    "sphinx.ext.apidoc",  # a page for each module
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # docstrings in Google's style
    "sphinx.ext.viewcode",
]
html_theme = "furo"
html_title = "Systolab"

# Pages are written to be read in the repository too: anchors are those of its headings.
myst_heading_anchors = 3
nb_execution_mode = "off"  # outputs are committed, and a test runs the notebook again

apidoc_modules = [
    {
        "path": "../src/systolab",
        "destination": "modules",
        "follow_links": True,
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "show-inheritance"},
        "exclude_patterns": ["../src/systolab/__main__.py"],
    }
]
# What a package re-exports is described where it is made.
autodoc_default_options = {"ignore-module-all": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_ivar = True  # fields of dataclasses are told once, by their class
napoleon_use_rtype = False

# A name that leads nowhere is a mistake, unless it is another library's.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(numpy|onnx|collections|enum|pathlib|ctypes|abc|egglog)\..*")]

# The second line is where NumPy's type of Python objects leads, which looks like a reference.
rst_epilog = r"""
.. |colon| unicode:: U+003A
.. _numpy.object: https://numpy.org/doc/stable/reference/arrays.scalars.html#numpy.object\_
"""

# Names that stand for a type in signatures only.
nitpick_ignore_regex += [("py:.*", r"systolab\..*\.(Label|_E)|Accumulator")]

_SEVERAL = re.compile(r"^:(ivar|param) ((?:\w+, )+\w+):")


def _whole_sentences(
    app: Sphinx, what: str, name: str, subject: object, options: object, lines: list[str]
) -> None:
    """Keep napoleon from reading "Cycles: what it costs" of a property as a type and a text."""
    del app, name, subject, options
    if what in {"attribute", "data", "property"} and lines:
        lines[0] = lines[0].replace(": ", "\\ |colon| ")


def _names_together(
    app: Sphinx, what: str, name: str, subject: object, options: object, lines: list[str]
) -> None:
    """Keep Sphinx from reading two fields of one line ("lo, hi: limits") as a type and a name."""
    del app, what, name, subject, options
    for i, line in enumerate(lines):
        if match := _SEVERAL.match(line):
            lines[i] = line.replace(match[2], match[2].replace(", ", ","), 1)


def setup(app: Sphinx) -> None:
    """Sphinx calls this once; napoleon works at priority 500."""
    app.connect("autodoc-process-docstring", _whole_sentences, priority=100)
    app.connect("autodoc-process-docstring", _names_together, priority=900)
