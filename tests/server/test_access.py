"""Every route and every method asks for a token of its scope, when there are tokens at all."""

import re
from collections.abc import Iterator

import grpc
import pytest
import requests
from google.rpc.status_pb2 import Status
from starlette.routing import Route

from mlobs.cli.serving import server_with_alerts
from mlobs.server.access import route
from mlobs.server.access.middleware import guarded
from mlobs.server.access.scopes import ADMIN, INGEST, OPEN, READ, SCOPES
from mlobs.server.receive.grpc import METHODS
from mlobs.server.receive.refusals import CHALLENGE
from mlobs.server.serve import Server
from mlobs.settings import AlertSettings, ServerSettings, load
from tests.server.otlp import post
from tests.server.receiving import Receiving, receiving
from tests.server.tokens import basic, bearer, token_file

TOKENS = {scope: f"{scope}-token-0123456789" for scope in SCOPES}
UNKNOWN = "nobody-gave-this-token"
# What needs no token, with what is answered: probes, and what a browser needs to show one.
OPEN_ROUTES = {
    **{
        (method, path): 200
        for method in ("GET", "HEAD")
        for path in ("/healthz", "/readyz", "/clickhouse/ping")
    },
    ("GET", "/login"): 200,
    ("HEAD", "/login"): 200,
    ("POST", "/login"): 401,
    ("POST", "/logout"): 200,
    ("GET", "/static/x/x"): 404,
    ("HEAD", "/static/x/x"): 404,
}
ANOTHER = {INGEST: READ, READ: INGEST, ADMIN: READ}  # A scope that does not do.


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, served: Server) -> Iterator[Receiving]:
    """A listener with a token for each scope, and the routes of `mlobs up`: those of a started server too."""
    folder = tmp_path_factory.mktemp("closed")
    lines = "\n".join(f"{scope}  {token}" for scope, token in TOKENS.items())
    tokens = token_file(folder, f"# who\n\n{lines}  tenant=shop\n")
    routes = server_with_alerts(load(ServerSettings), load(AlertSettings))._routes
    with receiving(folder, tokens=tokens) as plain:
        own = {one.path for one in plain.routes}
    more = [one for one in served.routes if one.path not in own | {other.path for other in routes}]
    with receiving(folder, tokens=tokens, routes=(*routes, *more)) as started:
        assert {one.path for one in served.routes} <= {one.path for one in started.routes}
        yield started


def asked(closed: Receiving) -> list[tuple[str, str, str]]:
    """Return method, path and scope of everything that the application answers."""
    found = []
    for one in closed.routes:
        path = re.sub(r"\{[^}]*\}", "x", one.path)
        found += [(method, path, one.scope) for method in sorted(one.methods)]
    return found


def test_no_route_is_answered_without_a_token(closed):
    """All routes there are, also those that are added tomorrow; but for those that probes ask."""
    checked = asked(closed)
    for method, path, scope in checked:
        answer = requests.request(method, closed.url + path, timeout=30)
        if scope == OPEN:
            assert answer.status_code == OPEN_ROUTES[method, path]
        else:
            assert (answer.status_code, method, path) == (401, method, path)
            assert answer.headers["WWW-Authenticate"] == CHALLENGE["WWW-Authenticate"]
    assert {scope for _, _, scope in checked} >= {INGEST, READ, OPEN}
    paths = {path for _, path, _ in checked}
    assert paths >= {"/v1/traces", "/api/traces", "/api/sql", "/api/delete", "/api/backup", "/clickhouse/"}


def test_no_route_is_answered_with_a_token_for_something_else(closed):
    """Nor with one that nobody gave."""
    for method, path, scope in asked(closed):
        if scope != OPEN:
            other = bearer(TOKENS[ANOTHER[scope]])
            answer = requests.request(method, closed.url + path, headers=other, timeout=30)
            assert (answer.status_code, method, path) == (403, method, path)
            answer = requests.request(method, closed.url + path, headers=bearer(UNKNOWN), timeout=30)
            assert (answer.status_code, method, path) == (401, method, path)


def test_what_changes_something_asks_for_admin_unless_it_is_known_to_only_read(closed):
    """POST and DELETE of a new route are for administrators, or are added here on purpose."""
    reading = ("/api/sql", "/api/cost", "/api/alerts/backtest", "/clickhouse", "/clickhouse/")
    known = dict.fromkeys(reading, READ) | {
        f"/v1/{signal}": INGEST for signal in ("traces", "metrics", "logs")
    }
    known |= {"/login": OPEN, "/logout": OPEN}  # A cookie of the browser that asks, and nothing else.
    known["/api/alerts/receive"] = INGEST  # with a secret of its own it is open, and asks for that
    for method, path, scope in asked(closed):
        if method not in {"GET", "HEAD"}:
            assert scope == known.get(path, ADMIN), path


@pytest.mark.parametrize("method", [*METHODS, "/grpc.health.v1.Health/Check", "/x/y"])
def test_no_method_is_answered_without_a_token_for_it(closed, method):
    """Known or not: from outside nobody finds out which there are."""
    for given_, code in (
        ((), "UNAUTHENTICATED"),
        ((("authorization", f"Bearer {UNKNOWN}"),), "UNAUTHENTICATED"),
        ((("authorization", f"Bearer {TOKENS[READ]}"),), "PERMISSION_DENIED"),
    ):
        with pytest.raises(grpc.RpcError) as error:
            closed.export(b"", method=method, metadata=given_)
        assert error.value.code().name == code


def test_a_token_of_its_scope_opens_a_route(closed):
    """Over HTTP and gRPC, as Bearer and as the password of Basic."""
    for headers in (bearer(TOKENS[INGEST]), basic(TOKENS[INGEST])):
        assert post(closed.url, b"", **headers).status_code == 200
        metadata = (("authorization", headers["Authorization"]),)
        assert closed.export(b"", metadata=metadata) == b""
    for token in (TOKENS[READ], TOKENS[ADMIN]):
        answer = requests.get(f"{closed.url}/runbooks/none", headers=basic(token, ""), timeout=30)
        assert answer.status_code == 404


def test_what_keeps_the_server_from_being_ready_is_for_readers(tmp_path):
    """A probe without a token sees which part it is, and no folder's name; a wrong token is told so."""
    tokens = token_file(tmp_path, f"read {TOKENS[READ]}\ningest {TOKENS[INGEST]}")
    why = {"journal.logs": "The journal cannot write to /srv/secret."}
    hidden = {"journal.logs": "Ask with a token to read why."}
    with receiving(tmp_path, tokens=tokens, failures=lambda: why) as failing:
        for headers, shown in (({}, hidden), (bearer(TOKENS[INGEST]), hidden), (bearer(TOKENS[READ]), why)):
            answer = requests.get(f"{failing.url}/readyz", headers=headers, timeout=30)
            assert (answer.status_code, answer.json()) == (503, {"ready": False, "failures": shown})
        answer = requests.get(f"{failing.url}/readyz", headers=bearer(UNKNOWN), timeout=30)
        assert answer.status_code == 401


def test_paths_without_a_route_ask_for_a_token_too(closed):
    """And with one, say that there is nothing."""
    for method, path in (
        ("GET", "/nothing"),
        ("POST", "/v1/profiles"),
        ("TRACE", "/"),
        ("PUT", "/v1/traces"),
    ):
        assert requests.request(method, closed.url + path, timeout=30).status_code == 401
    answer = requests.get(f"{closed.url}/nothing", headers=bearer(TOKENS[READ]), timeout=30)
    assert answer.status_code == 404


def test_refusals_are_counted_and_said_in_the_encoding_of_the_sender(closed):
    """So that an exporter's log has the sentence."""
    counted = closed.refused("no_token"), closed.refused("scope", "api")
    assert b"No token came. Send the header Authorization" in post(closed.url, b"").content
    answer = post(closed.url, b"", **bearer(UNKNOWN))
    sentence = Status.FromString(answer.content).message.rstrip()
    assert sentence.startswith("The token is not known")
    # What an exporter prints that takes the body for text: nothing before the sentence that is a letter.
    assert answer.content.decode().lstrip("\b\x10\x12\x7f").startswith(sentence)
    answer = post(closed.url, b"{}", Content_Type="application/json", **bearer(TOKENS[READ]))
    assert answer.json() == {"code": 7, "message": "The token is for read; ingest is needed here."}
    answer = requests.get(f"{closed.url}/metrics", headers=bearer(TOKENS[INGEST]), timeout=30)
    assert answer.json() == {"status": 403, "error": "The token is for ingest; read is needed here."}
    assert (closed.refused("no_token"), closed.refused("scope", "api")) == (counted[0] + 1, counted[1] + 1)


def test_with_tokens_the_server_is_asked_by_any_name(closed):
    """A page of another host has no token, so its name is no danger."""
    answer = requests.get(f"{closed.url}/healthz", headers={"Host": "mlobs.example"}, timeout=30)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_page_of_another_site_changes_nothing(closed, tmp_path, headers, status):
    """A browser adds the password by itself, and on loopback needs none."""
    assert post(closed.url, b"", **bearer(TOKENS[INGEST]), **headers).status_code == status
    with receiving(tmp_path) as unguarded:
        assert post(unguarded.url, b"", **headers).status_code == status
        own = {"Origin": unguarded.url}
        assert post(unguarded.url, b"", **own).status_code == 200


def test_a_route_without_a_scope_cannot_be_added():
    """Neither by hand nor with a scope that does not exist."""
    with pytest.raises(TypeError, match="has no scope; make it with"):
        guarded([Route("/open", lambda _: None)])
    with pytest.raises(ValueError, match="scope='write' came for /x; ingest, read, admin or open is wanted"):
        route("/x", lambda _: None, scope="write")
