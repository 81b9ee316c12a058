"""Stylesheet, scripts and mark: files of this package, under the hash of what they hold.

A browser may keep them for ever, as a changed file has another address. Scripts name each other by
relative addresses, so one hash stands for all files together.
"""

import gzip
import hashlib
from functools import cache
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mlobs.server.access.routes import route
from mlobs.server.access.scopes import OPEN
from mlobs.server.pages.compression import is_taken
from mlobs.server.pages.headers import HEADERS

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
KEPT = "public, max-age=31536000, immutable"
HASH_DIGITS = 12


@cache
def held() -> dict[str, bytes]:
    """Return the files by name."""
    folder = files("mlobs.server.pages") / "static"
    names = sorted(one.name for one in folder.iterdir() if one.name.rpartition(".")[2] in TYPES)
    return {name: (folder / name).read_bytes() for name in names}


@cache
def version() -> str:
    """Return the hash of all files together."""
    whole = hashlib.sha256()
    for name, body in held().items():
        whole.update(f"{name}\0{len(body)}\0".encode() + body)
    return whole.hexdigest()[:HASH_DIGITS]


def asset(name: str) -> str:
    """Return the address of a file.

    Raises:
        KeyError: There is none of that name.
    """
    if name not in held():
        raise KeyError(name)
    return f"/static/{version()}/{name}"


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(held()[name], mtime=0)


async def serve(request: Request) -> Response:
    """GET /static/{version}/{name}: a file of the pages; nothing that is anybody's."""
    name = request.path_params["name"]
    body = held().get(name)
    if body is None:
        raise HTTPException(404, f"There is no file {name[:60]!r}.")
    # A page of an older release may still be open: it is given what there is, to be asked for again.
    kept = KEPT if request.path_params["version"] == version() else "no-cache"
    headers = {**HEADERS, "Cache-Control": kept, "Vary": "Accept-Encoding"}
    if is_taken(request.headers):
        body, headers["Content-Encoding"] = _packed(name), "gzip"
    return Response(body, media_type=TYPES[name.rpartition(".")[2]], headers=headers)


ROUTES = (route("/static/{version}/{name}", serve, scope=OPEN),)
