"""How a browser shows its token beyond loopback: a page that takes it, and a cookie that keeps it.

The cookie is for this site only and no script can read it. It stands for the header Authorization where
that did not come; on what changes something only if the browser says which page asked, so that the guard
can refuse another site's. Who comes without either is led to the page instead of being refused.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlobs.server.access.guard import Guard
from mlobs.server.access.routes import route
from mlobs.server.access.scopes import OPEN, READ
from mlobs.server.pages.handling import wants_page
from mlobs.server.pages.headers import HEADERS
from mlobs.server.pages.rendering import render
from mlobs.server.receive.refusals import RefusedError

COOKIE, SECURE_COOKIE = "mlobs_token", "__Host-mlobs_token"
DAYS_KEPT = 30
FORM_BYTES_MAX, FIELDS_MAX = 8_192, 10
PATH = "/login"


class Visitor:
    """Stands before the guard.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, with the cookie's token as its authorization."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # What needs no token is not refused for one that has become invalid.
        shows = "authorization" in headers or scope["path"].startswith((PATH, "/logout", "/static/"))
        token = "" if shows else _token(headers.get("cookie", ""))
        if token and (scope["method"] in {"GET", "HEAD"} or _says_who(headers)):
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {token}".encode())]}
            scope.setdefault("state", {})["visitor"] = "cookie"
        if not wants_page(Request(scope)):
            await self._app(scope, receive, send)
            return
        led = False

        async def lead(message: Message) -> None:
            nonlocal led
            if message["type"] == "http.response.start" and message["status"] == 401:
                led = True
                wanted = scope["path"] + (
                    f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
                )
                answer = RedirectResponse(f"{PATH}?next={quote(wanted, safe='')}", 303, headers=dict(HEADERS))
                await answer(scope, receive, send)
            if not led:
                await send(message)

        await self._app(scope, receive, lead)


async def show(request: Request) -> Response:
    """GET /login: where a browser shows its token."""
    return _form(request, request.query_params.get("next", ""), "")


async def take(request: Request) -> Response:
    """POST /login: keep the token in a cookie, if it is one that may read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            return _form(request, "", "What came is too long for a token.", 413)
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=FIELDS_MAX)
    except ValueError:
        return _form(request, "", f"More than {FIELDS_MAX} fields came; this page sends two.", 400)
    token, wanted = (fields.get(name, [""])[0].strip() for name in ("token", "next"))
    guard: Guard = request.app.state.guard
    try:
        guard.admit(f"Bearer {token}" if token else "", READ)
    except RefusedError as refused:
        return _form(request, wanted, _why(refused), refused.status)
    answer = RedirectResponse(_inside(wanted), 303, headers=dict(HEADERS))
    if guard.asks:
        secure = request.url.scheme == "https"
        answer.set_cookie(
            SECURE_COOKIE if secure else COOKIE,
            urlsafe_b64encode(token.encode()).decode(),
            max_age=DAYS_KEPT * 86_400,
            httponly=True,
            samesite="strict",
            secure=secure,
        )
    return answer


async def leave(request: Request) -> Response:
    """POST /logout: forget the token."""
    answer = RedirectResponse(PATH, 303, headers=dict(HEADERS))
    for name in (COOKIE, SECURE_COOKIE):
        answer.delete_cookie(name, httponly=True, samesite="strict", secure=name == SECURE_COOKIE)
    return answer


ROUTES = (
    route(PATH, show, scope=OPEN),
    route(PATH, take, scope=OPEN, methods=["POST"]),
    route("/logout", leave, scope=OPEN, methods=["POST"]),
)


def _form(request: Request, wanted: str, sentence: str, status: int = 200) -> Response:
    guard: Guard = request.app.state.guard
    return render(
        request,
        "login.html",
        status=status,
        section="",
        next=_inside(wanted),
        sentence=sentence,
        asks=guard.asks,
    )


def _why(refused: RefusedError) -> str:
    if refused.status == 403:
        return "This token may not read. Use one with the scope read or admin."
    return "This token is not known here. The file that MLOBS_TOKENS names has those that are."


def _inside(wanted: str) -> str:
    """Return a path of this server: what was wanted, or the first page.

    >>> _inside("/traces?q=a"), _inside("https://elsewhere"), _inside("//elsewhere")
    ('/traces?q=a', '/', '/')
    """
    inside = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if inside and wanted.partition("?")[0] != PATH else "/"


def _token(cookies: str) -> str:
    """Return the token that a request's cookies hold, "" for none."""
    try:
        found = SimpleCookie(cookies)
    except CookieError:
        return ""
    for name in (SECURE_COOKIE, COOKIE):
        if name in found:
            try:
                token = urlsafe_b64decode(found[name].value).decode("ascii")
            except (binascii.Error, ValueError):
                return ""
            return token if token.isprintable() else ""
    return ""


def _says_who(headers: Headers) -> bool:
    return "sec-fetch-site" in headers or "origin" in headers
