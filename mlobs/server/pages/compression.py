"""Pages as browsers take them: compressed, where that saves something and the browser says it can read it."""

import gzip

from starlette.datastructures import Headers
from starlette.responses import Response

LEVEL = 1  # A page is made for each visit: higher levels take longer than what they save takes to send.
BYTES_MIN = 1_000


def is_taken(headers: Headers) -> bool:
    """Return whether whoever asks can read gzip.

    >>> [is_taken(Headers({"accept-encoding": text})) for text in ("br, gzip;q=0.8", "gzip;q=0", "")]
    [True, False, False]
    """
    for part in headers.get("accept-encoding", "").split(","):
        name, _, quality = part.replace(" ", "").lower().partition(";q=")
        if name == "gzip":
            return quality.strip("0.") != "" or quality == ""
    return False


def compressed(headers: Headers, response: Response, level: int = LEVEL) -> Response:
    """Return a text that is whole, compressed if it is large and the headers of a request say that it may be.

    Args:
        headers: Of the request.
        response: That has all it will say; others are passed on as they are.
        level: 1 is fast, 9 is small.
    """
    is_text = response.headers.get("content-type", "").startswith("text/")
    if not is_text or "content-encoding" in response.headers:
        return response
    response.headers.add_vary_header("Accept-Encoding")
    if is_taken(headers) and len(response.body) >= BYTES_MIN:
        response.body = gzip.compress(response.body, level, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response
