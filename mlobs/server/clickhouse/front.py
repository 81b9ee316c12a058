"""What stands before the guard: where clients of ClickHouse put their token, and where they ask.

They send the token as a password: in the header X-ClickHouse-Key or the parameter `password`, if not in
Authorization. On a port of its own the interface is at /, where they expect it.
"""

from base64 import b64encode
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlobs.server.clickhouse.answers import CODE
from mlobs.server.clickhouse.endpoint import PATH
from mlobs.server.clickhouse.refusal import ACCESS_DENIED, AUTHENTICATION_FAILED

CODES = {401: AUTHENTICATION_FAILED, 403: ACCESS_DENIED}


class Front:
    """Passes requests on as the guard understands them.

    Args:
        app: The application.
        at_root: Whether the interface is at / here, and nothing else.
    """

    def __init__(self, app: ASGIApp, *, at_root: bool = False) -> None:
        self._app = app
        self._at_root = at_root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._at_root:
            if scope["path"] not in {"", "/", "/ping"}:
                answer = PlainTextResponse("There is no such path here; / and /ping are.\n", 404)
                await answer(scope, receive, send)
                return
            path = PATH + (scope["path"] or "/")
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if not scope["path"].startswith(PATH):
            await self._app(scope, receive, send)
            return

        async def with_code(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in CODES:
                names = {name.lower() for name, _ in message["headers"]}
                if CODE.lower().encode() not in names:
                    code = str(CODES[message["status"]]).encode()
                    message = {**message, "headers": [*message["headers"], (CODE.encode(), code)]}
            await send(message)

        await self._app(_with_authorization(scope), receive, with_code)


def _with_authorization(scope: Scope) -> Scope:
    headers = {name.lower(): value for name, value in scope["headers"]}
    if b"authorization" in headers:
        return scope
    key = headers.get(b"x-clickhouse-key", b"")
    if not key:
        given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=None)
        key = given.get("password", [""])[0].encode()
    if not key:
        return scope
    value = b"Basic " + b64encode(b":" + key)
    return {**scope, "headers": [*scope["headers"], (b"authorization", value)]}
