"""Damaged data, codebooks, knowledge and cache entries."""

from __future__ import annotations

import functools
import io
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from systolab.glenside.compile import compile as compile_network
from systolab.glenside.onnx.importer import load
from systolab.glenside.search.knowledge import Knowledge
from systolab.rtl.kernel.configuration import array
from tests.fuzz.runner import Outcome
from tests.fuzz.work import command

__all__ = ["archive", "cache_entry", "codebook", "knowledge", "prepare_cache"]

_DIGITS = Path(__file__).parents[2] / "examples" / "digits_cnn.onnx"
_SMALL = ("--format", "adaptivfloat:4,2", "--array", "2x2", "--images", "1")


def _damaged(rng: random.Random, content: bytes) -> bytes:
    """Some wrong bytes, a part missing, or a part twice."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(6):
            case 0:
                del data[at:]
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at : min(end, at + 500)]
            case 3:  # near the beginning, where headers are
                at = rng.randrange(min(len(data), 160) + 1)
                data[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                data[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(data)


def _npy(rng: random.Random, values: np.ndarray) -> bytes:
    """An array, perhaps with a header that promises something else."""
    stream = io.BytesIO()
    np.save(stream, values)
    content = stream.getvalue()
    if rng.random() < 0.4:
        return content
    if rng.random() < 0.5:
        return _damaged(rng, content)
    descr = rng.choice(("<f4", "<f8", "|O", "<U9999999", "<M8", "<c16", "V0", "<f16", "(9,)<f4"))
    shape = rng.choice(("(4,)", "(1099511627776,)", "(-1,)", "(4, 0)", "(True,)", "()", "((1,),)"))
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header = rng.choice((header, header * 3, "{}", "__import__('os')", "(" * 5000, header[:-3]))
    text = header.encode().ljust(118) + b"\n"
    return (
        b"\x93NUMPY" + bytes([rng.choice((1, 1, 2, 9)), 0]) + len(text).to_bytes(2, "little") + text
    )


def archive(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """Data of a run or an array to quantise."""
    x = np.random.default_rng(rng.randrange(1 << 30)).standard_normal((8, 1, 8, 8))
    if rng.random() < 0.4:
        path = place / "x.npy"
        path.write_bytes(_npy(rng, x))
        form = rng.choice(("int:8", "adaptivfloat:8,3", "mxfp8"))
        return lambda: command("quantize", path, "--format", form, "--json", "result.json")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as pack:
        names = rng.choice((["x"], ["x", "y"], ["y"], ["x", "x"], ["../x"], ["x", "z" * 300], []))
        for name in names:
            values = np.arange(8) if name == "y" and rng.random() < 0.8 else x
            how = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
            suffix = rng.choice((".npy", ".npy", ".npy", "", ".txt"))
            pack.writestr(name + suffix, _npy(rng, values), how)
    content = stream.getvalue()
    path = place / "x.npz"
    path.write_bytes(_damaged(rng, content) if rng.random() < 0.5 else content)
    # An engine that there is not is refused before data would be read: this one is, after them.
    return lambda: _loaded(path)


def _loaded(path: Path) -> Outcome:
    """What a run does with data before it builds anything."""
    from systolab.cosim.network.data import load as load_data
    from systolab.formats.errors import SystolabError

    try:
        load_data(str(path), {"image": (1, 1, 8, 8)}, 2, 0)
    except SystolabError:
        return "refused"
    return "done"


def codebook(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A file of the values of a format."""
    path = place / rng.choice(("book.csv", "book.npy", "book.npz", "book"))
    if path.suffix == ".csv":
        words = [
            "0",
            "1",
            "-1",
            "2.5",
            "nan",
            "inf",
            "-0",
            "1e999",
            "",
            "x",
            "0x1p3",
            "1,2",
            "#",
            "\0",
        ]
        lines = [rng.choice(words) for _ in range(rng.choice((0, 1, 3, 4, 16, 300, 70_000)))]
        path.write_text(rng.choice("\n,;").join(lines), encoding="utf-8")
        if rng.random() < 0.3:
            path.write_bytes(_damaged(rng, path.read_bytes()))
    else:
        count = rng.choice((0, 1, 2, 4, 15, 16, 1024, 70_000))
        values = (
            np.random.default_rng(0).standard_normal(count).astype(rng.choice(("f4", "f8", "i8")))
        )
        path.write_bytes(_npy(rng, rng.choice((values, values.reshape(-1, 1), values * 1e30))))
    return lambda: command("show", f"codebook:{path}", "--json", "result.json")


@functools.cache
def _known() -> bytes:
    import tempfile

    known = Knowledge(array("4x4", "adaptivfloat:8,3"))
    compile_network(load(_DIGITS), known.array, known)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.json"
        known.save(path)
        return path.read_bytes()


def knowledge(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A file of knowledge; what is refused must be as it was."""
    path = place / "known.json"
    whole = rng.random() < 0.1
    path.write_bytes(_known() if whole else _damaged(rng, _known()))
    form = rng.choice(("adaptivfloat:8,3", "adaptivfloat:8,3", "e4m3fn", "mxfp8"))

    def work() -> Outcome:
        before = path.read_bytes()
        words = ("map", _DIGITS, "--array", "4x4", "--format", form, "--knowledge", path)
        outcome = command(*words, "--json", "result.json")
        if outcome == "refused" and path.read_bytes() != before:
            return "status: refused knowledge was written"
        return outcome

    return work


def prepare_cache(folder: Path) -> Path:
    """A cache with one small model, of the sources as they are now, and the network it is for."""
    place = folder / "prepared"
    weights = [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        weights,
    )
    opsets = [helper.make_opsetid("", 17)]
    place.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), place / "m.onnx")
    pid = os.fork()  # the parent must not load what children are to load
    if pid == 0:
        os.environ["SYSTOLAB_CACHE"] = str(place / "cache")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(command("run", place / "m.onnx", *_SMALL) != "done")
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise RuntimeError("the small model must build and run before its cache is damaged")
    return place


def cache_entry(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A cache of builds with a damaged, missing, foreign or linked file; the run must be right."""
    prepared = place.parent / "prepared"
    cache = place / "cache"
    shutil.copytree(prepared / "cache", cache, symlinks=True)
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    for _ in range(rng.choice((1, 1, 2))):
        path = rng.choice(files)
        content = path.read_bytes() if path.exists() else b""
        match rng.randrange(7):
            case 0:
                path.unlink(missing_ok=True)
            case 1:
                path.write_bytes(b"")
            case 2:
                path.write_bytes(content[: len(content) // 2])
            case 3:
                path.write_bytes(rng.choice((b"[1]", b"{}", b"null", b"\xff\xfe", b"(" * 9000)))
            case 4:
                path.unlink(missing_ok=True)
                path.symlink_to(rng.choice(("/dev/zero", "/etc/passwd", path.name, "absent")))
            case 5:
                path.chmod(rng.choice((0o000, 0o666, 0o777)))
            case _:
                path.write_bytes(_damaged(rng, content))

    def work() -> Outcome:
        os.environ["SYSTOLAB_CACHE"] = str(cache)
        if rng.random() < 0.2:
            return command("cache")
        return command("run", prepared / "m.onnx", *_SMALL, "--json", "result.json")

    return work
