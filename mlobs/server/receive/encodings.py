"""Compressed bodies, which are never inflated beyond what a body may have."""

import zlib

from mlobs._extras import require
from mlobs.errors import MissingExtraError
from mlobs.server.receive.messages import GZIP_MAGIC
from mlobs.server.receive.refusals import RefusedError, too_large

ENCODINGS = ("gzip", "deflate", "zstd")
GZIP, ZLIB, RAW = 31, 15, -15  # As zlib numbers its formats.
ZSTD_WINDOW_LOG_MAX = 23  # 8 MiB: what RFC 9659 allows in HTTP; more is memory that no sender needs.


def encoding(header: str) -> str:
    """Return the encoding that a Content-Encoding header names, "" for none.

    Raises:
        RefusedError: It names several, or one that is not known.
    """
    named = header.strip().lower()
    if named in {"", "identity"}:
        return ""
    if "," in named:
        raise RefusedError(
            415, "encoding", f"Content-Encoding {header[:80]!r} came; one encoding at most is taken here."
        )
    if named not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise RefusedError(
            415, "encoding", f"Content-Encoding {header[:80]!r} came; {known} or none is taken here."
        )
    return named


def inflate(name: str, body: bytes, bytes_max: int) -> bytes:
    """Return a body without its compression.

    Args:
        name: One of ENCODINGS.
        body: As it came.
        bytes_max: What it may have afterwards; not a byte more is inflated to find out.

    Raises:
        RefusedError: It is not what its encoding says, or it is larger than `bytes_max`.
    """
    if name == "zstd":
        return _unzstd(body, bytes_max)
    pieces: list[bytes] = []
    size = 0
    while body or not pieces:  # One file may be several, one behind the other.
        piece, body = _member(name, body, bytes_max - size)
        size += len(piece)
        if size > bytes_max:
            raise too_large("more came after decompression", bytes_max)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _member(name: str, body: bytes, left: int) -> tuple[bytes, bytes]:
    """Inflate one member up to a byte more than is left; return it and what follows."""
    inflater = zlib.decompressobj(GZIP if name == "gzip" else _deflate_format(body))
    try:
        whole = inflater.decompress(body, left + 1)
    except zlib.error as error:
        raise _broken(name, f"({len(body)} bytes) is not {name}: {error}") from None
    if len(whole) <= left and not inflater.eof:
        raise _broken(name, f"ends before its end ({name}, {len(body)} bytes)")
    rest = inflater.unused_data
    if rest and len(whole) <= left and not (name == "gzip" and rest.startswith(GZIP_MAGIC)):
        raise _broken(name, f"has {len(rest)} bytes behind the end of its {name}")
    return whole, rest


def _deflate_format(body: bytes) -> int:
    """Return which of the two formats it is that senders call deflate."""
    return ZLIB if len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0 else RAW


def _broken(name: str, what: str) -> RefusedError:
    return RefusedError(400, name, f"The body {what}.")


def _unzstd(body: bytes, bytes_max: int) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore] # Python 3.14
    except ImportError:
        return _unzstd_by_package(body, bytes_max)
    options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
    inflater = zstd.ZstdDecompressor(options=options)
    try:
        whole = bytes(inflater.decompress(body, bytes_max + 1))
    except zstd.ZstdError as error:
        raise _broken("zstd", f"({len(body)} bytes) is not zstd: {error}") from None
    if len(whole) > bytes_max:
        raise too_large("more came after decompression", bytes_max)
    if not inflater.eof:
        raise _broken("zstd", f"ends before its end (zstd, {len(body)} bytes)")
    if inflater.unused_data:
        raise _broken("zstd", f"has {len(inflater.unused_data)} bytes behind the end of its zstd")
    return whole


def _unzstd_by_package(body: bytes, bytes_max: int) -> bytes:
    try:
        package = require("zstandard", extra="zstd", feature="A body compressed with zstd")
    except MissingExtraError as error:
        raise RefusedError(415, "encoding", str(error)) from None
    inflater = package.ZstdDecompressor(max_window_size=1 << ZSTD_WINDOW_LOG_MAX)
    try:
        # The package makes room for the size that a frame declares, whatever it is told here.
        declared = package.get_frame_parameters(body).content_size
        if declared != package.CONTENTSIZE_UNKNOWN and declared > bytes_max:
            raise too_large(f"{declared} bytes came after decompression", bytes_max)
        room = max(bytes_max, 1)
        whole = bytes(inflater.decompress(body, max_output_size=room, allow_extra_data=False))
        again = inflater.decompressobj()
        if declared == package.CONTENTSIZE_UNKNOWN:  # Of these frames it overlooks what is behind them.
            again.decompress(body)
    except package.ZstdError as error:
        # It says the same of a frame that is cut and of one that is larger than the room for it.
        if _unzstd_is_larger(inflater, package, body, bytes_max):
            raise too_large("more came after decompression", bytes_max) from None
        raise _broken("zstd", f"({len(body)} bytes) is not zstd, or not all of it: {error}") from None
    if again.unused_data:
        raise _broken("zstd", f"has {len(again.unused_data)} bytes behind the end of its zstd")
    return whole


def _unzstd_is_larger(inflater: object, package: object, body: bytes, bytes_max: int) -> bool:
    """Return whether more than `bytes_max` come out of a frame that could not be inflated."""
    try:
        return len(inflater.stream_reader(body).read(bytes_max + 1)) > bytes_max  # type: ignore[attr-defined]
    except package.ZstdError:  # type: ignore[attr-defined]
        return False
