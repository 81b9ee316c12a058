"""Reads what a request sends: JSON of a program's, or the fields of a form of ours."""

from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request

from mlobs.errors import PayloadError

BODY_BYTES_MAX = 100_000
FIELDS_MAX = 50


async def read_body(request: Request, wanted: str, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Return a request's body.

    Raises:
        PayloadError: It is longer than `bytes_max`; `wanted` says what should have come.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise PayloadError(f"More than {bytes_max} bytes came; {wanted}.")
    return body


def read_object(body: bytes, wanted: str) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        PayloadError: It is something else; `wanted` says what should have come.
    """
    try:
        found = orjson.loads(body)  # takes no half characters, which could not be written again
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise PayloadError(f"The body is no JSON object; {wanted}.")
    return found


def read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form; of one that came twice, the first.

    Raises:
        PayloadError: It has more fields than any of ours.
    """
    try:
        found = parse_qs(body.decode("utf-8", "replace"), max_num_fields=FIELDS_MAX)
    except ValueError:
        raise PayloadError(f"More than {FIELDS_MAX} fields came; no form of ours has as many.") from None
    return {name: values[0].strip() for name, values in found.items()}
