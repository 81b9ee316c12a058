"""Mail through a real SMTP server."""

import asyncio
import contextlib
import ssl
import threading
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import TypeAdapter, ValidationError

from mlobs.alerts.sinks import SinkConfig, build
from mlobs.alerts.sinks import mail as module
from mlobs.errors import SettingError
from tests.alerts.sinks.messages import DELIVERY, NASTY, NOW_S, body
from tests.certificates import signed


class Inbox:
    """Keeps mails; says what it was told to say."""

    def __init__(self):
        self.mails = []
        self.says = {}
        self.encrypted = []

    async def handle_RCPT(  # noqa: N802 # aiosmtpd's name
        self, _, __, envelope, address, ___
    ):
        if (said := self.says.get(address)) is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 # aiosmtpd's name
        self, _, session, envelope
    ):
        if (said := self.says.get("DATA")) is not None:
            return said
        self.encrypted.append(session.ssl is not None)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@contextlib.contextmanager
def server(inbox, tls_from_the_start=None, **given):
    """Listen on a free port of this machine; yield it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin():
        return await loop.create_server(
            lambda: SMTP(inbox, hostname="mail.example.org", loop=loop, **given),
            "127.0.0.1",
            0,
            ssl=tls_from_the_start,
        )

    async def end():
        listening.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    listening = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def inbox():
    return Inbox()


def mail(port, *, allow=("127.0.0.0/8",), host="mail.example.org", **given):
    config = {
        "type": "email",
        "host": host,
        "port": port,
        "security": "none",
        "sender": "alerts@example.org",
        "to": ["a@example.org", "b@example.org"],
        "allow": allow,
        **given,
    }
    checked = TypeAdapter(SinkConfig).validate_python(config)
    return build("post", checked, resolve=lambda *_: ["127.0.0.1"])


def test_a_mail_says_it_in_text_and_in_html(inbox):
    """Subject, numbers, links; the alert's fingerprint ties firing and resolved together."""
    with server(inbox) as port:
        for status in ("firing", "resolved"):
            answer = mail(port).send(DELIVERY, body(status=status), now_s=NOW_S)
            assert (answer.outcome, answer.text) == ("delivered", "250")
    first, second = inbox.mails
    assert first["Subject"] == "[FIRING] Calls of the model fail"
    assert second["Subject"] == "[RESOLVED] Calls of the model fail"
    assert first["References"] == second["References"] == "<4be1f0c2d3a49586.mlobs@example.org>"
    assert first["Message-ID"] == f"<{DELIVERY}@example.org>"
    for kind in ("plain", "html"):
        text = first.get_body((kind,)).get_content()
        for part in (
            "12% of the calls",
            "shop_api",
            "error.type timeout (80%)",
            "/runbooks/MlobsErrorRatioHigh.md",
        ):
            assert part in text


def test_labels_of_strangers_are_words_in_a_mail(inbox):
    """No header of theirs, no tag, no link."""
    evil = f"x\r\nBcc: all@example.org\r\n\r\n{NASTY}<img src=x onerror=alert(1)>"
    with server(inbox) as port:
        made = mail(port, title="${evil}", text="<b>${evil}</b>")
        assert made.send(DELIVERY, body(labels={"evil": evil}), now_s=NOW_S).outcome == "delivered"
    (seen,) = inbox.mails
    assert seen["Bcc"] is None
    page = seen.get_body(("html",)).get_content()
    assert "<img" not in page
    assert "<https://evil" not in page
    assert "&lt;b&gt;" in page  # the template is text, too


def test_starttls_checks_the_name_of_the_server(tmp_path, inbox):
    """The connection goes to a pinned address, the certificate is for the name."""
    made = signed(tmp_path, "mail.example.org")
    chain, key = made.chain, made.key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with server(inbox, tls_context=context, require_starttls=True) as port:
        good = mail(port, security="starttls", ca=chain).send(DELIVERY, body(), now_s=NOW_S)
        other = mail(port, security="starttls", ca=chain, host="other.example.org")
        wrong = other.send(DELIVERY, body(), now_s=NOW_S)
    assert (good.outcome, inbox.encrypted) == ("delivered", [True])
    assert wrong.outcome == "failed"
    assert "the certificate is not believed" in wrong.text


def test_a_server_without_starttls_gets_no_mail(inbox):
    """Somebody on the way could have taken the offer out."""
    with server(inbox) as port:
        answer = mail(port, security="starttls").send(DELIVERY, body(), now_s=NOW_S)
    assert (answer.outcome, inbox.mails) == ("failed", [])
    assert "STARTTLS" in answer.text


# aiosmtpd's word "TLS" means STARTTLS; here the connection is encrypted before it begins.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_tls_from_the_start_with_a_login(tmp_path, inbox, monkeypatch):
    """As port 465 wants it."""
    made = signed(tmp_path, "mail.example.org")
    chain, key = made.chain, made.key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    seen = []

    def login(_, __, ___, ____, who):
        seen.append((who.login, who.password))
        return AuthResult(success=who.password == b"right", handled=False)

    answers = []
    with server(inbox, context, authenticator=login, auth_require_tls=False, auth_required=True) as port:
        for password in ("right", "wrong"):
            monkeypatch.setenv("MAIL_PASSWORD", password)
            given = {"username": "mlobs", "password": {"env": "MAIL_PASSWORD"}}
            made = mail(port, security="tls", ca=chain, **given)
            answers.append(made.send(DELIVERY, body(), now_s=NOW_S))
    assert [one.outcome for one in answers] == ["delivered", "failed"]
    assert set(seen) == {(b"mlobs", b"right"), (b"mlobs", b"wrong")}
    assert "refuses the username and password" in answers[1].text


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ({"DATA": "451 try later"}, "failed"),
        ({"DATA": "554 spam"}, "dead"),
        ({"a@example.org": "550 no such user", "b@example.org": "550 no such user"}, "dead"),
        ({"a@example.org": "450 full", "b@example.org": "450 full"}, "failed"),
        ({"a@example.org": "550 no such user"}, "delivered"),
    ],
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_dead(inbox, says, outcome):
    """4xx and 5xx, as SMTP means them."""
    inbox.says = says
    with server(inbox) as port:
        answer = mail(port).send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == outcome
    if outcome == "delivered":
        assert answer.text == "250; not to 1 of 2, who were refused"


def test_a_server_that_makes_us_wait_for_ever_is_given_up(inbox, monkeypatch):
    """A tarpit says a line now and then."""
    monkeypatch.setattr(module, "SECONDS_MAX", 0.5)

    async def slowly(*_):
        await asyncio.sleep(5)
        return "250 OK"

    inbox.handle_RCPT = slowly
    before = threading.active_count()
    with server(inbox) as port:
        answer = mail(port).send(DELIVERY, body(), now_s=NOW_S)
        assert answer.outcome == "failed"
    assert threading.active_count() <= before + 1


def test_a_mail_server_on_this_machine_has_to_be_listed():
    """As for every sink."""
    answer = mail(25, allow=()).send(DELIVERY, body(), now_s=NOW_S)
    assert "127.0.0.1, an address of this machine" in answer.text
    with pytest.raises(SettingError, match=r"127\.0\.0\.1"):
        mail(25, allow=(), host="127.0.0.1")


def test_a_password_is_never_sent_in_the_clear():
    """Refused when the file is read."""
    with pytest.raises(ValidationError, match="a password is not sent without encryption"):
        mail(25, username="u", password={"env": "X"})
