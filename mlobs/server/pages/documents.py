"""JSON in what programs sent: read only as far as it can be walked through and written again."""

from typing import Any

import orjson


def document(text: str) -> Any:
    """Return what a text of JSON says.

    Raises:
        ValueError: It is no JSON, or is nested so deeply that it can be read and not be written.
    """
    value = orjson.loads(text)
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"The JSON cannot be written again: {error}.") from None
    return value
