"""Pushing to a Grafana that is not there, refuses, or is none: one sentence each, with the remedy."""

import re
import ssl
import sys

import pytest

from mlobs._extras import pip_install
from mlobs.cli import main
from mlobs.dashboards.grafana.address import check_token, read_address
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.grafana.push import Wanted, push
from mlobs.dashboards.grafana.rules import Group
from mlobs.errors import MissingExtraError, ServerError, SettingError
from tests.certificates import signed
from tests.dashboards import grafana as server
from tests.dashboards.boards import BOARDS, OURS, UID

pytest.importorskip("grafana_client", reason="needs: pip install 'mlobs[grafana]'")


@pytest.fixture
def there():
    with server.running() as grafana:
        yield grafana


def pushed(url, token=server.EDITOR, timeout_s=5.0):
    return push(Grafana(url, token, timeout_s=timeout_s), Wanted(OURS))


@pytest.mark.parametrize(("url", "token", "missing"), [("", "t", "address"), ("http://x", " ", "token")])
def test_an_empty_address_or_token_is_refused(url, token, missing):
    """The client would go on as admin:admin at localhost, and perhaps be let in."""
    with pytest.raises(
        SettingError, match=f"The {missing} of .* is empty. Give it .* in the variable GRAFANA_"
    ):
        Grafana(url, token)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("grafana.example.org", "an address such as https://grafana.example.org was expected"),
        ("ftp://x", "an address such as"),
        ("http://", "an address such as"),
        ("http://x:99999", "Port out of range"),
        ("http://x y", "an address such as"),
        ("https://admin:secret@x", "holds a name or a password, which would end in logs"),
        ("https://x/?verify=0", "an address without [?] and # was expected"),
        ("https://x/#a", "an address without [?] and # was expected"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_before_anything_is_sent(url, told):
    """Above all `verify=0`, with which the client stops checking certificates."""
    with pytest.raises(SettingError, match=told) as caught:
        Grafana(url, "t")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["a b", "a\nb", "tökén", "a\x00"])
def test_a_token_that_no_header_carries_is_told(token):
    """It was copied with a line break; the library's own words would show it."""
    with pytest.raises(SettingError, match=r"characters that no token has") as caught:
        check_token(token)
    assert token not in str(caught.value)


def test_ipv6_and_paths_stay_whole():
    """The library's own reading loses the brackets, and the slash after the path."""
    assert read_address("http://[::1]:3000/g/", option="--url").text == "http://[::1]:3000/g"
    grafana = Grafana("http://[::1]:3000/g/", "t")
    assert grafana._api.client.url == "http://[::1]:3000/g/api"


def test_a_grafana_below_a_path_is_reached():
    """Behind a proxy that gives it a part of its addresses."""
    with server.running(prefix="/tools/grafana") as there:
        pushed(f"{there.url}/")
        assert set(there.dashboards) == BOARDS
        with pytest.raises(
            ServerError, match=r"is no Grafana: it sent something else than its JSON. .* of its path"
        ):
            pushed(there.url.removesuffix("/tools/grafana"))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, {"message": "bad request data"}, "400 bad request data. Its word says what it does not take"),
        (
            403,
            {"message": "No.", "title": "Access denied"},
            "403 No. The token may not do this: .* role Editor",
        ),
        (404, {"message": "Not found"}, "404 Not found. Is --url the address that you open in a browser"),
        (409, {"message": "taken"}, "409 taken. Something has that name, or changed meanwhile"),
        (412, {"message": "m", "status": "plugin-dashboard"}, "412 m. A plugin owns it"),
        (412, {"message": "m"}, "412 m. Somebody changed it meanwhile: look with mlobs dashboards diff"),
        (413, "<html>nginx</html>", "413 with an HTML page. That is a proxy or a login page speaking"),
        (422, {"message": "no"}, "422 no. Grafana read it and found it invalid"),
        (429, {"message": "slow down"}, "429 slow down. It is asked too often"),
        (500, {"message": "Failed"}, "500 Failed. That is a fault of Grafana or of what is before it"),
        (502, "<html>nginx</html>", "502 with an HTML page. That is a proxy or a login page speaking"),
        (503, "", "503 without a word. That is a fault of Grafana"),
    ],
)
def test_every_refusal_says_what_it_was_and_what_to_do(there, status, body, told):
    """The status alone sends people to the wrong page of the manual."""
    there.refuse["POST /api/folders"] = (status, body)
    with pytest.raises(
        ServerError, match=f"The Grafana at {there.url} would not make the folder 'mlobs': {told}"
    ) as e:
        pushed(there.url)
    assert "Done before that: nothing. Not done: folder mlobs, dashboard" in str(e.value)
    assert "\n" not in str(e.value)


def test_an_unknown_token_gets_the_remedy(there):
    """It is told at the first reading, before anything is written."""
    with pytest.raises(ServerError, match=r"401 Invalid API key. The token is unknown or expired: make one"):
        pushed(there.url, "glsa_wrong")
    assert there.writes == []


def test_a_token_that_may_only_read_is_told_which_role_it_lacks(there):
    """Grafana's word names the permission, ours the role."""
    with pytest.raises(ServerError, match=r"403 You'll need additional permissions .* the role Editor"):
        pushed(there.url, server.VIEWER)


def test_a_refused_reading_leaves_everything_as_it_was(there):
    """The plan is whole before the first write."""
    there.refuse[f"GET /api/dashboards/uid/{UID}"] = (500, {"message": "database is locked"})
    with pytest.raises(ServerError, match=f"would not read the dashboard '{UID}': 500 database is locked"):
        pushed(there.url)
    assert there.writes == []


def test_a_page_of_html_with_404_is_not_taken_for_a_dashboard_that_is_missing(there):
    """A proxy that hides Grafana would have everything made anew."""
    there.refuse[f"GET /api/dashboards/uid/{UID}"] = (404, "<html>nothing here</html>")
    with pytest.raises(ServerError, match=r"404 with an HTML page. That is a proxy"):
        pushed(there.url)


def test_a_login_page_is_told(there):
    """Single sign-on answers 200, with a page."""
    there.page = "<!DOCTYPE html><form>Sign in</form>"
    with pytest.raises(
        ServerError, match=r"is no Grafana: it sent something else than its JSON. Is a login or a proxy"
    ):
        pushed(there.url)


def test_another_server_is_no_grafana(there):
    """It speaks JSON, but has no health as Grafana does."""
    there.refuse["GET /api/health"] = (200, {"status": "UP"})
    with pytest.raises(ServerError, match=r"is no Grafana"):
        pushed(there.url)


def test_json_of_another_form_is_no_grafana(there):
    """A gateway that wraps every answer in a list of its own."""
    there.refuse[f"GET /api/dashboards/uid/{UID}"] = (200, ["wrapped"])
    with pytest.raises(ServerError, match="is no Grafana"):
        pushed(there.url)
    assert there.writes == []


def test_without_the_extra_the_sentence_says_how_to_get_it(monkeypatch):
    """It replaces urllib3 in its environment, so nobody gets it unasked."""
    monkeypatch.setitem(sys.modules, "grafana_client.client", None)
    monkeypatch.setitem(sys.modules, "grafana_client", None)
    with pytest.raises(MissingExtraError, match=re.escape(pip_install("grafana"))):
        Grafana("http://x", "t")


def test_a_redirect_is_told_and_not_followed(there):
    """A write that is sent on becomes a read, and would look like a success."""
    there.redirect = "https://login.example.org/?next=secret"
    with pytest.raises(ServerError, match=r"sends on to https://login\.example\.org/\. Give --url") as caught:
        pushed(there.url)
    assert "secret" not in str(caught.value)


def test_a_grafana_that_is_not_there_is_one_sentence():
    """A stack trace of three libraries says less."""
    with pytest.raises(
        ServerError,
        match=r"No Grafana can be reached at http://127\.0\.0\.1:9: Connection refused\. Is the address",
    ):
        pushed("http://127.0.0.1:9")


def test_a_name_that_nobody_knows_is_one_sentence():
    """The reserved ending: no resolver knows it."""
    with pytest.raises(ServerError, match=r"No Grafana can be reached at http://grafana\.invalid: "):
        pushed("http://grafana.invalid")


def test_a_grafana_that_does_not_answer_is_given_up(there):
    """After --timeout."""
    there.silent = True
    with pytest.raises(ServerError, match=r"did not say how it is in time. .* give --timeout more seconds"):
        pushed(there.url, timeout_s=0.3)
    with pytest.raises(SettingError, match=r"--timeout is 0; more than 0"):
        Grafana(there.url, "t", timeout_s=0)


def test_http_where_https_was_expected_is_told(there):
    """The library says: wrong version number."""
    with pytest.raises(ServerError, match=r"does not speak TLS. Is it http:// and not https://"):
        pushed(there.url.replace("http:", "https:"))


def test_an_untrusted_certificate_is_told_and_can_be_trusted(tmp_path, monkeypatch):
    """Most Grafanas inside a company have one of the company's own."""
    made = signed(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    with server.running(tls=context) as there:
        with pytest.raises(
            ServerError, match=r"The certificate of https.* is not trusted: .* REQUESTS_CA_BUNDLE"
        ):
            pushed(there.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.chain))
        pushed(there.url)
        assert set(there.dashboards) == BOARDS


def test_the_command_says_it_in_one_line_with_status_2_and_never_the_token(there, capsys):
    """The log of a pipeline is read by many."""
    assert main(["dashboards", "push", "--url", there.url, "--token", "glsa_secret"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"mlobs: The Grafana at {there.url} would not read the folder 'mlobs': 401 ")
    assert printed.count("\n") == 1
    assert "glsa_secret" not in printed


def test_an_editor_s_token_of_an_older_grafana_is_told_the_role_that_it_takes():
    """Before 11 only Admins may write alert rules by the API; whoever is an Editor was told to become one."""
    with server.running() as there:
        there.release, there.alerting_role = "10.4.2", 3
        told = r"403 You'll need .* give its service account the role Editor, or Admin before Grafana 11\."
        wanted = Wanted(OURS, groups=[Group("g", 60, ())])
        with pytest.raises(ServerError, match=told):
            push(Grafana(there.url, server.EDITOR), wanted)
