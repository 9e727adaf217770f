"""Framing: lines out of bytes, however the network cuts them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwire.framing import LineSplitter

STREAMS = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", b"\xc3", b"\0"])).map(
    b"".join
)
CUTS = st.lists(st.integers(0, 60), max_size=8)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(at), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def read(chunks: list[bytes], limit: int = 0) -> tuple[list[bytes], bool]:
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines, splitter.overlong


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"no end", []),
        (b"\n", [b""]),
        (b"one\n", [b"one"]),
        (b"one\r\n", [b"one"]),
        (b"one\ntwo\nthr", [b"one", b"two"]),
        (b"one\r\ntwo\n\r\n", [b"one", b"two", b""]),
        (b"a\rb\n", [b"a\rb"]),
        (b"a\r\r\n", [b"a\r"]),
        (b"\xff\xfe\n", [b"\xff\xfe"]),
        (b"a\0b\n", [b"a\0b"]),
    ],
)
def test_a_line_ends_with_lf_and_may_have_cr(data: bytes, lines: list[bytes]) -> None:
    assert read([data]) == (lines, False)


@pytest.mark.parametrize("data", [b"one\r\ntwo\n\nthree\r\n", b"\r\r\n\n\r"])
def test_one_byte_at_a_time_gives_the_same_lines(data: bytes) -> None:
    assert read([bytes([each]) for each in data]) == read([data])


@given(STREAMS, CUTS)
def test_any_cut_gives_the_same_lines(data: bytes, at: list[int]) -> None:
    assert read(cut(data, at)) == read([data])


@given(STREAMS.map(lambda data: data.replace(b"\r", b"")), CUTS, st.integers(1, 5))
def test_any_cut_finds_the_same_overlong_line(data: bytes, at: list[int], limit: int) -> None:
    assert read(cut(data, at), limit) == read([data], limit)


@given(STREAMS, CUTS, st.integers(1, 5))
def test_no_line_is_longer_than_the_limit(data: bytes, at: list[int], limit: int) -> None:
    lines, _ = read(cut(data, at), limit)
    assert all(len(line) <= limit for line in lines)


@pytest.mark.parametrize(
    ("chunks", "lines", "overlong"),
    [
        ([b"abc\n"], [b"abc"], False),
        ([b"abc\r\n"], [b"abc"], False),  # the line end never counts
        ([b"abc\r", b"\n"], [b"abc"], False),
        ([b"abcd\n"], [], True),
        ([b"abcd"], [], True),
        ([b"ab", b"cd"], [], True),
        ([b"a\nb\nlong\nc\n", b"d\n"], [b"a", b"b"], True),
    ],
)
def test_a_line_longer_than_the_limit_is_the_end(
    chunks: list[bytes], lines: list[bytes], overlong: bool
) -> None:
    assert read(chunks, limit=3) == (lines, overlong)


def test_no_limit_is_no_limit() -> None:
    line = b"x" * 1_000_000
    assert read([line, b"\n"], limit=0) == ([line], False)


def test_an_endless_line_takes_no_memory() -> None:
    splitter = LineSplitter(1000)
    for _ in range(100):
        splitter.feed(b"x" * 999)
        assert len(splitter._rest) <= 1000
    assert splitter.overlong
