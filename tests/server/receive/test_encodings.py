"""What comes out of a compressed body, and that a bomb does not."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mlobs.server.receive.encodings import ENCODINGS, encoding, inflate
from mlobs.server.receive.refusals import RefusedError


def streamed(data: bytes) -> bytes:
    """Compress as a stream does, without the size in front."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


MAKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstandard.compress),
    "streamed zstd": ("zstd", streamed),
}
every_maker = pytest.mark.parametrize("maker", MAKERS)


@every_maker
@given(st.binary(max_size=5_000))
def test_what_was_compressed_comes_out(maker, data):
    """Up to the last byte that a body may have."""
    name, compress = MAKERS[maker]
    assert inflate(name, compress(data), len(data)) == data


@every_maker
def test_a_byte_more_than_a_body_may_have_is_refused(maker):
    """With the limit and what to do."""
    name, compress = MAKERS[maker]
    with pytest.raises(RefusedError, match=r"a body may have 999 bytes\. .*MLOBS_BODY_BYTES_MAX") as refused:
        inflate(name, compress(b"a" * 1_000), 999)
    assert (refused.value.status, refused.value.reason) == (413, "body_bytes_max")


@pytest.mark.slow
@every_maker
def test_a_bomb_is_not_inflated_beyond_the_limit(maker):
    """Two hundred megabytes that come as a few thousand bytes take the memory of one body."""
    name, compress = MAKERS[maker]
    bomb = compress(b"\0" * 200_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError, match="came after decompression"):
            inflate(name, bomb, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("maker", ["gzip", "deflate", "zstd", "streamed zstd"])
def test_half_a_body_is_refused(maker):
    """Stored as if it were whole, it would be data nobody sent."""
    name, compress = MAKERS[maker]
    with pytest.raises(RefusedError) as refused:
        inflate(name, compress(bytes(range(256)) * 20)[:-5], 1_000_000)
    assert (refused.value.status, refused.value.reason) == (400, name)


@every_maker
def test_bytes_behind_the_end_are_refused(maker):
    """They are either a mistake or data that would be lost without a word."""
    name, compress = MAKERS[maker]
    with pytest.raises(RefusedError, match="The body") as refused:
        inflate(name, compress(b"data") + b"more", 1_000_000)
    assert (refused.value.status, refused.value.reason) == (400, name)


def test_a_gzip_of_several_members_is_the_sum_of_them():
    """The format allows it, and some senders append; the limit is for all of them together."""
    several = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"three")
    assert inflate("gzip", several, 13) == b"one two three"
    with pytest.raises(RefusedError, match="a body may have 12 bytes"):
        inflate("gzip", several, 12)


def test_a_zstd_window_that_no_sender_needs_is_refused():
    """It is memory that the sender chooses and the server pays for."""
    window = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=window).compressobj()
    body = stream.compress(b"small") + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    with pytest.raises(RefusedError, match="too much memory"):
        inflate("zstd", body + stream.flush(), 1_000_000)


@given(st.sampled_from(ENCODINGS), st.binary(max_size=2_000))
def test_no_bytes_raise_anything_else(name, body):
    """Whatever comes is inflated or refused."""
    try:
        status = 200 if len(inflate(name, body, 10_000)) <= 10_000 else 500
    except RefusedError as refused:
        status = refused.status
    assert status in {200, 400, 413}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        (" GZip ", "gzip"),
        ("deflate", "deflate"),
        ("zstd", "zstd"),
    ],
)
def test_known_encodings_are_known_however_they_are_written(header, name):
    """Headers are written in any case."""
    assert encoding(header) == name


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("br", "'br' came; gzip, deflate, zstd or none is taken here."),
        ("gzip, gzip", "'gzip, gzip' came; one encoding at most is taken here."),
        ("x" * 1_000, "came; gzip, deflate, zstd or none"),
    ],
)
def test_other_encodings_are_refused_with_what_is_taken(header, sentence):
    """Several at once are a bomb in a bomb."""
    with pytest.raises(RefusedError) as refused:
        encoding(header)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 200
    assert (refused.value.status, refused.value.reason) == (415, "encoding")
