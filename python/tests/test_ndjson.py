"""Lines out of chunks."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvm.client.ndjson import LineReader
from mvm.errors import TransportError


@given(
    objects=st.lists(st.dictionaries(st.text(), st.text() | st.integers()), max_size=6),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    ended=st.booleans(),
)
def test_wherever_the_stream_is_cut(objects: list[Any], cuts: list[int], ended: bool) -> None:
    stream = b"\n".join(json.dumps(one).encode() for one in objects) + (b"\n" if ended else b"")
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = LineReader()
    read = [one for start, stop in pairwise(edges) for one in reader.push(stream[start:stop])]
    assert read + reader.end() == objects


def test_a_line_has_a_limit() -> None:
    reader = LineReader(limit=10)
    assert reader.push(b'"12345678"\n"1') == ["12345678"]
    with pytest.raises(TransportError, match="longer than 10 bytes"):
        reader.push(b"234567890")


@pytest.mark.parametrize("line", [b"{\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_json_is_refused(line: bytes) -> None:
    with pytest.raises(TransportError) as caught:
        LineReader().push(line)
    assert caught.value.code == "PROTOCOL_VIOLATION"
