"""Sends a message as mail, and lays it out as text and HTML.

Edge: this is the network. The server's address is judged and pinned as for the other sinks. A mail
has a Message-ID made of the delivery's id, so a mail that is sent again is known to be the same,
and refers to the alert's fingerprint, so that mail programs show firing and resolved together.
"""

import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from mlobs.alerts.sinks.answer import Answer
from mlobs.alerts.sinks.deadline import within
from mlobs.alerts.sinks.dialing import Dialer, reason
from mlobs.alerts.sinks.escaping import hypertext, line
from mlobs.alerts.sinks.template import fill
from mlobs.alerts.sinks.told import Told, told

SECONDS_MAX = 20.0  # An SMTP server takes a dozen exchanges, and may make strangers wait at each.
SUBJECT_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who sends to whom, and how.

    Args:
        sender: From.
        to: To.
        security: starttls, tls or none.
        username: For the server, or None.
        password: For the server.
    """

    sender: str
    to: tuple[str, ...]
    security: str
    username: str | None = None
    password: str = ""


def for_mail(
    shown: Told, account: Account, *, title: str | None = None, text: str | None = None, now_s: float
) -> EmailMessage:
    """Return a mail about a message.

    Args:
        shown: The message.
        account: From and to.
        title: A template for the subject.
        text: A template instead of the description.
        now_s: The mail's date.
    """
    domain = account.sender.rpartition("@")[2]
    mail = EmailMessage()
    subject = shown.headline if title is None else fill(title, shown)
    mail["Subject"] = line(subject, SUBJECT_CHARACTERS_MAX)
    mail["From"], mail["To"] = account.sender, ", ".join(account.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    mail["Message-ID"] = f"<{shown.delivery}@{domain}>"
    mail["References"] = (
        f"<{''.join(c for c in shown.field('fingerprint') if c.isalnum())[:64]}.mlobs@{domain}>"
    )
    mail["Auto-Submitted"] = "auto-generated"  # so that no holiday notice comes back
    plain = shown.text if text is None else fill(text, shown)
    facts = {**shown.facts, "fingerprint": shown.mark}
    parts = [
        subject,
        plain,
        "\n".join(f"* {one}" for one in shown.listed),
        "\n".join(f"{name}: {value}" for name, value in facts.items()),
        "\n".join(f"{name}: {url}" for name, url in shown.links.items()),
    ]
    mail.set_content("\n\n".join(part for part in parts if part))
    rich = hypertext(shown.text) if text is None else fill(hypertext(text), shown, hypertext)
    mail.add_alternative(_page(shown, hypertext(subject), rich, facts), subtype="html")
    return mail


def _page(shown: Told, subject: str, text: str, facts: dict[str, str]) -> str:
    alerts = "".join(f"<li>{hypertext(one)}</li>" for one in shown.listed)
    rows = "".join(
        f"<tr><th align='left'>{hypertext(name)}</th><td>{hypertext(value)}</td></tr>"
        for name, value in facts.items()
    )
    links = " · ".join(
        f"<a href='{hypertext(url)}'>{hypertext(name)}</a>" for name, url in shown.links.items()
    )
    text = text.replace("\n", "<br>")
    return (
        f"<html><body><h2>{subject}</h2><p>{text}</p>{f'<ul>{alerts}</ul>' if alerts else ''}"
        f"<table>{rows}</table><p>{links}</p></body></html>"
    )


class Mail:
    """A list of people who are sent mail.

    Args:
        dialer: Opens connections to the SMTP server.
        account: From, to, and how.
        trust: Which certificates are believed.
        title: A template for the subject.
        text: A template instead of the description.
    """

    kind = "email"
    gap_s = 0.0

    def __init__(
        self,
        dialer: Dialer,
        account: Account,
        trust: ssl.SSLContext,
        *,
        title: str | None = None,
        text: str | None = None,
    ) -> None:
        self.address = f"smtp://{dialer.host}:{dialer.port}"
        self._dialer = dialer
        self._account = account
        self._trust = trust
        self._title, self._text = title, text

    def send(self, delivery_id: str, body: bytes, *, now_s: float) -> Answer:
        """Send one mail and say how it went."""
        mail = for_mail(
            told(body, delivery_id), self._account, title=self._title, text=self._text, now_s=now_s
        )
        open_: list[_Smtp] = []
        _, answers = within(SECONDS_MAX, lambda: self._exchange(mail, open_), name="mlobs-sink")
        if answers:
            return answers[0]
        for one in open_:
            if one.sock is not None:
                with contextlib.suppress(OSError):  # it may be closed by now
                    one.sock.shutdown(socket.SHUT_RDWR)
        return Answer("failed", f"no answer within {SECONDS_MAX:.3g} s")

    def _exchange(self, mail: EmailMessage, open_: list["_Smtp"]) -> Answer:
        account = self._account
        try:
            with contextlib.closing(
                _Smtp(self._dialer, self._trust if account.security == "tls" else None)
            ) as server:
                open_.append(server)
                server.connect(self._dialer.host, self._dialer.port)
                if account.security == "starttls":
                    server.starttls(context=self._trust)
                if account.username is not None:
                    server.login(account.username, account.password)
                refused = server.send_message(mail)
                with contextlib.suppress(smtplib.SMTPException, OSError):  # it is taken by now
                    server.quit()
        except Exception as error:  # noqa: BLE001 # whatever a stranger makes of SMTP, it is no answer
            return _judged(error)
        left_out = f"; not to {len(refused)} of {len(account.to)}, who were refused" if refused else ""
        return Answer("delivered", f"250{left_out}")


class _Smtp(smtplib.SMTP):
    """Connects to the judged address, encrypted from the start if `trust` is given.

    The host stays the name, which STARTTLS checks.
    """

    def __init__(self, dialer: Dialer, trust: ssl.SSLContext | None) -> None:
        super().__init__(timeout=SECONDS_MAX)
        self._dialer = dialer
        self._tls_trust = trust
        self._host = dialer.host

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        dialed = self._dialer.dial(timeout)
        if self._tls_trust is None:
            return dialed
        return self._tls_trust.wrap_socket(dialed, server_hostname=self._dialer.host)


def _judged(error: Exception) -> Answer:
    match error:
        case smtplib.SMTPAuthenticationError():
            return Answer("failed", f"{error.smtp_code}: the server refuses the username and password")
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({code for code, _ in error.recipients.values()})
            outcome = "dead" if codes and min(codes) >= 500 else "failed"
            return _smtp(outcome, codes[0] if codes else 0, "no recipient is taken")
        case smtplib.SMTPResponseException():
            said = error.smtp_error
            shown = line(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said), 100)
            return _smtp("dead" if error.smtp_code >= 500 else "failed", error.smtp_code, shown)
        case smtplib.SMTPNotSupportedError():
            return Answer("failed", "the server does not offer what is configured (STARTTLS or a login)")
    return Answer("failed", reason(error))


def _smtp(outcome: str, code: int, said: str) -> Answer:
    if outcome == "dead":
        return Answer(
            "dead", f"{code}: the server refused the mail ({said}); sending it again would not help"
        )
    return Answer("failed", f"{code} {said}")
