"""Answers as ClickHouse gives them over HTTP."""

import gzip
import json
from collections.abc import Mapping

from mlobs._extras import require
from mlobs.errors import MissingExtraError
from mlobs.server.clickhouse.desk import Reply
from mlobs.server.clickhouse.refusal import ClickHouseError

SMALL = 1024  # Bytes that are not worth compressing.
CODE = "X-ClickHouse-Exception-Code"


def headers(query_id: str, form: str = "") -> dict[str, str]:
    """Return what every answer says."""
    found = {"X-ClickHouse-Server-Display-Name": "mlobs", "X-ClickHouse-Timezone": "UTC"}
    return (
        found
        | ({"X-ClickHouse-Query-Id": query_id} if query_id else {})
        | ({"X-ClickHouse-Format": form} if form else {})
    )


def of_reply(reply: Reply, query_id: str) -> dict[str, str]:
    """Return the headers of an answer."""
    read = reply.answer
    summary = {
        "read_rows": str(read.read_rows),
        "read_bytes": str(read.read_bytes),
        "written_rows": "0",
        "written_bytes": "0",
        "total_rows_to_read": "0",
        "result_rows": "0",
        "result_bytes": str(len(read.body)),
        "elapsed_ns": str(round(read.seconds * 1e9)),
    }
    return headers(query_id, reply.form) | {
        "Content-Type": reply.content_type,
        "X-ClickHouse-Summary": json.dumps(summary, separators=(",", ":")),
    }


def of_error(error: ClickHouseError, query_id: str) -> dict[str, str]:
    """Return the headers of a refusal."""
    return headers(query_id) | {CODE: str(error.code), "Content-Type": "text/plain; charset=UTF-8"}


def compressed(body: bytes, accepted: str, asked: Mapping[str, str]) -> tuple[bytes, str]:
    """Return a body in an encoding that the client takes, and the encoding's name, "" for none.

    Args:
        body: As it is.
        accepted: The header Accept-Encoding.
        asked: The parameters of the address, with which clients can forbid it.
    """
    names = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    if len(body) < SMALL or asked.get("enable_http_compression", "1") == "0":
        return body, ""
    if "zstd" in names:
        try:
            return require("zstandard", extra="zstd", feature="zstd").ZstdCompressor().compress(body), "zstd"
        except MissingExtraError:
            names.discard("zstd")
    return (gzip.compress(body, 1), "gzip") if "gzip" in names else (body, "")
