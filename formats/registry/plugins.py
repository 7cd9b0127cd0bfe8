"""Formats from other packages (entry points) and from single files."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from systolab.formats.errors import SystolabError, meant
from systolab.formats.families.arguments import Arguments, Family
from systolab.formats.format import Format
from systolab.formats.registry.validation import validate

__all__ = ["GROUP", "entry_point_families", "load_file"]

#: A plug-in package declares ``name = "module:MyFormat"`` in this entry-point group.
GROUP = "systolab.formats"


def entry_point_families() -> Iterator[Family]:
    """A family for each entry point; its module is imported when the family is first used."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        yield Family(point.name, "...", f"plug-in {point.value}", point.name, _maker(point))


def _maker(point: EntryPoint) -> Callable[[Arguments], Format]:
    def make(arguments: Arguments) -> Format:
        try:
            factory = point.load()
        except (ImportError, AttributeError) as error:
            raise SystolabError(
                f"Format plug-in {point.name!r} ({point.value}) cannot be loaded: {error}"
            ) from error
        return _instance(factory, arguments, point.name)

    return make


def load_file(path: str, class_name: str, arguments: Arguments) -> Format:
    """The format ``class_name`` of a Python file, which is executed.

    Its parameters are integers, and are given to the class in their order.

    Raises:
        SystolabError: no such file or class, or its codes contradict each other.
    """
    if not class_name.isidentifier():
        raise SystolabError(
            f"Format from a file must be spelt {path}:ClassName, not {path}:{class_name}"
        )
    module = _module(path)
    factory = getattr(module, class_name, None)
    if factory is None:
        known = [name for name, value in vars(module).items() if isinstance(value, type)]
        hint = meant(class_name, known)
        raise SystolabError(f"File {path} must define {class_name}, it does not{hint}")
    return _instance(factory, arguments, f"{path}:{class_name}")


def _module(path: str) -> ModuleType:
    file = Path(path)
    if not file.is_file():
        raise SystolabError(f"Format file must exist: {path} does not")
    name = f"_systolab_format_{sha256(str(file.resolve()).encode()).hexdigest()[:16]}"
    found = importlib.util.spec_from_file_location(name, file)
    if found is None or found.loader is None:
        raise SystolabError(f"Format file must be a Python file, not {path}")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SystolabError(
            f"Format file {path} cannot be executed: {type(error).__name__}: {error}"
        ) from error
    return module


def _instance(factory: object, arguments: Arguments, base: str) -> Format:
    """What the class or function makes of the parameters, named as it is spelt."""
    names = [f"{i + 1}" for i in range(len(arguments.parameters))]
    parameters = arguments.integers(*names)
    name = ":".join([base, *filter(None, [",".join(arguments.parameters)])])
    if not callable(factory):
        raise SystolabError(f"Format {name} must be a class or a function, not {factory!r}")
    try:
        fmt = factory(*parameters)
    except TypeError as error:
        raise SystolabError(f"Format {name} cannot be made: {error}") from error
    if not isinstance(fmt, Format):
        raise SystolabError(f"Format {name} must derive from systolab.Format, not be {fmt!r}")
    named = fmt.named(name)
    validate(named)
    return named
