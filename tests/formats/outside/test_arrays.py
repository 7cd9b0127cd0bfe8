"""NumPy's files: plain arrays are read as NumPy reads them; what is damaged is refused."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.outside import arrays
from systolab.formats.outside.arrays import read_archive, read_array
from systolab.formats.registry.registry import get


def _npy(array: NDArray[Any], pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickle)
    return file.getvalue()


def _headed(shape: str, descr: str = "'<f8'", data: bytes = b"", version: int = 1) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def _zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def _array_refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(SystolabError) as caught:
        read_array(path, "File")
    return str(caught.value)


def _archive_refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(SystolabError) as caught:
        read_archive(path, "File", ["x"], ["y"])
    return str(caught.value)


PLAIN: list[NDArray[Any]] = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
    np.arange(5, dtype=">f4"),
    np.array(7, dtype=np.uint8),
    np.zeros((0, 3), np.float16),
    np.array([True, False]),
    np.array(["a", "bc"]),
    np.arange(3, dtype=np.longdouble),
    np.full(300_000, 1.5),
]


@pytest.mark.parametrize("array", PLAIN, ids=lambda array: f"{array.dtype}-{array.ndim}")
def test_plain_arrays_are_those_of_numpy(path: Path, array: NDArray[Any]) -> None:
    path.write_bytes(_npy(array))
    found = [read_array(path, "File")]
    for save in (np.savez, np.savez_compressed):
        with path.open("wb") as file:
            save(file, x=array, y=np.zeros(2), z=np.array([{}], dtype=object))
        both = read_archive(path, "File", ["x"], ["y", "no"])
        assert sorted(both) == ["x", "y"]
        found.append(both["x"])
    for each in found:
        np.testing.assert_array_equal(each, array, strict=each.dtype == array.dtype)
        assert each.dtype == array.dtype.newbyteorder("=")
        assert each.flags.writeable


def test_versions_of_the_file(path: Path) -> None:
    path.write_bytes(_headed("(2,)", data=bytes(16), version=2))
    assert read_array(path, "File").tolist() == [0, 0]
    assert _array_refusal(path, _headed("(2,)", data=bytes(16), version=3)) == (
        "File must be an .npy file of a plain array: it has an unknown version"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no NumPy array"),
        (b"\x93NUMPY", "it is no NumPy array"),
        (b"hello, world", "it is no NumPy array"),
        (_headed("(10**12,)"), "it has a damaged header"),
        (_headed("(" * 3000), "it has a damaged header"),
        (_headed("(-1,)"), "it has an impossible shape"),
        (_headed("(" + "1," * 33 + ")", data=bytes(8)), "it has an impossible shape"),
        (_headed("(1000000000000,)"), "it has more than 1073741824 bytes"),
        (_headed("(0, 1000000000000)"), "it has more than 1073741824 bytes"),
        (_headed("(100000000,)"), "it has 800000000 bytes by its header, but 0 in the file"),
        (_headed("(1,)", data=bytes(9)), "it has 8 bytes by its header, but 9 in the file"),
        (_headed("(1,)", "'|O'", bytes(8)), "it holds objects or records, not numbers"),
        (_headed("(1,)", "[('a', '<f8')]", bytes(8)), "it holds objects or records, not numbers"),
        (_headed("(1,)", "'|V8'", bytes(8)), "it holds objects or records, not numbers"),
        (_headed("(1000000000000,)", "'<U0'"), "it holds objects or records, not numbers"),
        (_headed("(1,)", "'banana'", bytes(8)), "it has a damaged header"),
        (
            b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 31),
            "it has a header of 2147483648 bytes, more than 10000",
        ),
        (_npy(np.array([{}], dtype=object), pickle=True), "it holds objects or records, not num"),
    ],
)
def test_hostile_headers(path: Path, content: bytes, reason: str) -> None:
    start = "File must be an .npy file of a plain array: "
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracemalloc.start()
        found = _array_refusal(path, content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.startswith(start + reason)
        assert peak < 1 << 24  # nothing was allocated for it
        inside = _archive_refusal(path, _zipped({"x.npy": content}, zipfile.ZIP_DEFLATED))
    start = "File must be an .npz file of plain arrays: "
    assert inside.startswith(start + reason.replace("it ", "array x ", 1))


def test_one_kind_is_not_the_other(path: Path) -> None:
    array = _npy(np.zeros(3))
    assert _archive_refusal(path, array) == "File must be an .npz file, not a single array"
    assert _array_refusal(path, _zipped({"x.npy": array})) == (
        "File must hold one array, not an archive of several"
    )


def test_members(path: Path) -> None:
    array = _npy(np.zeros(3))
    assert _archive_refusal(path, _zipped({})) == "File must hold an array named x, not none"
    assert _archive_refusal(path, _zipped({f"{i}.npy": array for i in range(10)})) == (
        "File must hold an array named x, not 0, 1, 2, 3, 4, 5, 6, 7, 2 more"
    )
    for method, number in ((zipfile.ZIP_BZIP2, 12), (zipfile.ZIP_LZMA, 14)):
        assert _archive_refusal(path, _zipped({"x.npy": array}, method)) == (
            f"File must be an .npz file of plain arrays: array x has compression method {number}, "
            f"not 0 or 8"
        )
    content = bytearray(_zipped({"x.npy": array}))
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + offset] |= 1
    assert _archive_refusal(path, bytes(content)) == (
        "File must be an .npz file of plain arrays: array x is encrypted"
    )


def test_only_members_that_are_needed_are_read(path: Path) -> None:
    bomb = bytearray(_zipped({"x.npy": _npy(np.ones(2)), "bomb.npy": bytes(1 << 22)}, 8))
    start = bomb.index(b"bomb.npy") + len(b"bomb.npy")
    bomb[start : start + 8] = b"\xff" * 8  # no deflated data
    path.write_bytes(bytes(bomb))
    assert read_archive(path, "File", ["x"], ["y"])["x"].tolist() == [1, 1]


def test_what_unpacks_to_more_than_the_limit_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "LIMIT", 1 << 16)
    ok = _zipped({"x.npy": _npy(np.zeros(1 << 13))}, zipfile.ZIP_DEFLATED)
    path.write_bytes(ok)
    assert read_archive(path, "File", ["x"])["x"].shape == (1 << 13,)
    more = _zipped({"x.npy": _npy(np.zeros((1 << 13) + 1))}, zipfile.ZIP_DEFLATED)
    assert _archive_refusal(path, more) == (
        "File must be an .npz file of plain arrays: array x has more than 65536 bytes"
    )


def test_a_size_that_the_archive_states_wrongly_is_noticed(path: Path) -> None:
    content = _npy(np.zeros(100))
    for wrong, reason in (
        (len(content) - 1, "Bad CRC-32 for file 'x.npy'"),  # of what it is cut to
        (len(content) + 1, "array x has 800 bytes by its header, but 801 in the file"),
        (1 << 31, f"array x has 800 bytes by its header, but {(1 << 31) - 128} in the file"),
    ):
        archive = bytearray(_zipped({"x.npy": content}, zipfile.ZIP_DEFLATED))
        struct.pack_into("<I", archive, archive.index(b"PK\1\2") + 24, wrong)
        refusal = _archive_refusal(path, bytes(archive))
        assert refusal == f"File must be an .npz file of plain arrays: {reason}"


def test_a_directory_of_millions_of_members_is_not_read(path: Path) -> None:
    archive = bytearray(_zipped({"x.npy": _npy(np.zeros(3))}))
    end = archive.index(b"PK\5\6")
    entry = bytes(archive[archive.index(b"PK\1\2") : end])
    struct.pack_into("<I", archive, end + 12, len(entry) * 40_000)
    archive[end:end] = entry * 39_999
    assert _archive_refusal(path, bytes(archive)) == (
        "File must be an .npz file of plain arrays: its directory has more than 1048576 bytes"
    )


def test_no_memory_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", full)
    assert _array_refusal(path, _npy(PLAIN[0])) == "File must fit into memory"
    assert _archive_refusal(path, _zipped({"x.npy": _npy(PLAIN[0])})) == "File must fit into memory"


@pytest.mark.parametrize("compressed", [False, True])
def test_random_damage_is_refused_or_harmless(path: Path, compressed: bool) -> None:
    rng = random.Random(1)
    whole = _npy(np.arange(40.0))
    save = np.savez_compressed if compressed else np.savez
    file = io.BytesIO()
    save(file, x=np.arange(40.0), y=np.arange(3))
    refusals = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(600):
            for content in (whole, file.getvalue()):
                damaged = bytearray(content)
                for _ in range(rng.choice((1, 1, 2, 8))):
                    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
                if rng.random() < 0.2:
                    del damaged[rng.randrange(len(damaged)) :]
                path.write_bytes(bytes(damaged))
                try:
                    if content is whole:
                        read_array(path, "File")
                    else:
                        read_archive(path, "File", ["x"], ["y"])
                except SystolabError as error:
                    refusals.append(str(error))
    assert len(refusals) > 400
    assert not any("\n" in refusal for refusal in refusals)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("c.csv", b"", "must hold 2, 4, 8, ... 65536 values, not none"),
        ("c.csv", b"# nothing\n , ,\n", "must hold 2, 4, 8, ... 65536 values, not none"),
        ("c.npy", _npy(np.zeros(0)), "must hold 2, 4, 8, ... 65536 values, not none"),
        ("c.npy", b"", "must be an .npy file of a plain array: it is no NumPy array"),
        ("c.npy", _npy(np.array([1j, 0])), "must hold real numbers, not complex128"),
        ("c.csv", b"\xff\xfe", "must be text in UTF-8: "),
        ("c.csv", b"0, " + b"x" * 100, "must hold numbers, not 'xxxxxxxxxxxxxxxxxxxx...'"),
        ("c.csv", b"0," * (1 << 23) + b"1", "must have at most 16777216 bytes, not 16777217"),
    ],
)
def test_codebooks(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SystolabError) as caught:
        get(f"codebook:{path}")
    assert str(caught.value).startswith(f"Codebook file '{path}' {reason}")
