"""Formats from other packages (entry points) and from single files."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from systolab.formats.errors import SystolabError, meant
from systolab.formats.families.arguments import Arguments, Family
from systolab.formats.format import Format
from systolab.formats.outside.choices import shown
from systolab.formats.outside.contained import PASSING, fault, quiet
from systolab.formats.registry.validation import validate

__all__ = ["GROUP", "entry_point_families", "instance", "load_file"]

#: A plug-in package declares ``name = "module:MyFormat"`` in this entry-point group.
GROUP = "systolab.formats"


def entry_point_families() -> Iterator[Family]:
    """A family for each entry point; its module is imported when the family is first used."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        yield Family(point.name, "...", f"plug-in {point.value}", point.name, _maker(point))


def _maker(point: EntryPoint) -> Callable[[Arguments], Format]:
    def make(arguments: Arguments) -> Format:
        try:
            with quiet():
                factory = point.load()
        except PASSING:
            raise
        except BaseException as error:
            raise SystolabError(
                f"Format plug-in {point.name!r} ({point.value}) cannot be loaded: {fault(error)}"
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
            f"Format from a file must be spelt {path}:ClassName, "
            f"not {':'.join(filter(None, (path, class_name)))}"
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
    try:
        present = file.is_file()
    except OSError as error:  # a name too long for the file system
        raise SystolabError(
            f"Format file must exist: {path} cannot be looked up ({error.strerror})"
        ) from error
    if not present:
        raise SystolabError(f"Format file must exist: {path} does not")
    name = f"_systolab_format_{sha256(os.fsencode(file.resolve())).hexdigest()[:16]}"
    found = importlib.util.spec_from_file_location(name, file)
    if found is None or found.loader is None:
        raise SystolabError(f"Format file must be a Python file, not {path}")
    module = importlib.util.module_from_spec(found)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        with quiet():
            found.loader.exec_module(module)
    except BaseException as error:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before
        if isinstance(error, PASSING):
            raise
        raise SystolabError(f"Format file {path} cannot be executed: {fault(error)}") from error
    return module


def _instance(factory: object, arguments: Arguments, base: str) -> Format:
    """What the class or function makes of the parameters, named as it is spelt."""
    names = [f"{i + 1}" for i in range(len(arguments.parameters))]
    parameters = arguments.integers(*names)
    name = ":".join([base, *filter(None, [",".join(arguments.parameters)])])
    if isinstance(factory, Format):
        if parameters:
            raise SystolabError(
                f"Format {base} must be spelt without parameters, for it is an instance already, "
                f"not with {','.join(arguments.parameters)}"
            )
        fmt = factory
    elif not callable(factory) or (isinstance(factory, type) and not issubclass(factory, Format)):
        raise SystolabError(
            f"Format {name} must be a class or a function that gives a systolab.Format, "
            f"not {_kind(factory)}"
        )
    else:
        fmt = instance(factory, name, parameters)
    named = fmt.named(name)
    validate(named)
    return named


def instance(factory: Callable[..., object], name: str, parameters: Sequence[int] = ()) -> Format:
    """The format that an author's class or function makes.

    Raises:
        SystolabError: it raises, exits, takes other parameters or makes something else; what it
            refuses is said as it says it.
    """
    try:
        with quiet():
            made = factory(*parameters)
    except PASSING:
        raise
    except BaseException as error:
        raise SystolabError(f"Format {name} cannot be made: {fault(error)}") from error
    if not isinstance(made, Format):
        raise SystolabError(
            f"Format {name} must be made by what returns a systolab.Format, not {_kind(made)}"
        )
    return made


def _kind(thing: object) -> str:
    """What something is, in words: its address in memory tells nobody anything."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if isinstance(thing, ModuleType):
        return f"the module {thing.__name__}"
    if isinstance(thing, str | int | float | None):
        return shown(thing)
    return f"an object of the class {type(thing).__name__}"
