"""Names from outside: spelt out where they are read by people, valid where by programs."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from systolab.formats.outside.escape import json_text, printable, writable, xml_text

TEXT = st.text(st.characters())  # lone surrogates, too


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("β ☃ \\n", "β ☃ \\n"),
        ("a\r\nverdict identical", r"a\r\nverdict identical"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp", r"\u202egnp"),
        ("\udcff", r"\udcff"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_steers_a_terminal_is_spelt_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(TEXT)
def test_printable_text_is_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@given(TEXT)
def test_writable_text_is_utf_8(text: str) -> None:
    whole = writable(text)
    assert whole == (text if text.isprintable() else whole.encode().decode())


@given(TEXT)
def test_xml_holds_every_text(text: str) -> None:
    element = ElementTree.Element("a", b=xml_text(text))
    found = ElementTree.fromstring(ElementTree.tostring(element)).get("b")
    assert found == xml_text(text)


def test_xml_keeps_what_it_can_hold() -> None:
    assert xml_text("a\tb\n\u2603\U0001f600") == "a\tb\n\u2603\U0001f600"
    assert xml_text("\x01\ufffe\ud800\0") == r"\x01\ufffe\ud800\x00"


def test_json_holds_every_text() -> None:
    text = json_text({"a\ud800": ("\x01", [None, 1.5], {"k": "\udfff\u2603"})})
    assert text.isascii()
    assert json.loads(text) == {r"a\ud800": ["\x01", [None, 1.5], {"k": "\\udfff\u2603"}]}
    json.loads(text)["a\\ud800"][2]["k"].encode()


def test_json_has_no_nan_and_no_infinities() -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    infinite = (np.float64(np.inf), [-np.inf, {"x": np.nan}])
    found = json.loads(json_text({"finite": 0.1, "infinite": infinite}), parse_constant=refuse)
    assert found == {"finite": 0.1, "infinite": ["inf", ["-inf", {"x": "nan"}]]}
