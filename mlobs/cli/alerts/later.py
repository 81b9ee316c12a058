"""What is answered to whoever is to ask again."""

from starlette.responses import JSONResponse

STARTING = "The server is starting; ask again."


def later(why: str, seconds: int = 5) -> JSONResponse:
    """Return the answer that a request cannot be served now.

    Args:
        why: One sentence.
        seconds: How long to wait before asking again.
    """
    return JSONResponse({"error": why, "status": 503}, 503, {"Retry-After": str(seconds)})
