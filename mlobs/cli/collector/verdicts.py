"""What an answer means for a collector that sends there, in words. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from mlobs._extras import pip_install
from mlobs._listening import no_tls
from mlobs.cli.collector.answering import Answer
from mlobs.cli.collector.credentials import Credentials
from mlobs.cli.collector.destinations import Destination
from mlobs.cli.collector.reading import map_at
from mlobs.cli.collector.securing import OTHERS, OVER, Broken, Untrusted

REFUSED = (401, 403)
NO_OTLP = (404, 405, 410)
# What the collector tries again; what is answered otherwise it drops.
AWAY = (429, 502, 503, 504)
# As gRPC has them.
CODES: Mapping[int, str] = {
    401: "Unauthenticated",
    403: "PermissionDenied",
    404: "Unimplemented",
    500: "an error",
    503: "Unavailable",
}
# How long the collector tries again where nothing is said.
TRIED = "5m"


def doubt(one: Destination, answered: Answer) -> str:
    """Return what is to be said of an answer; "" where all is well, or nothing is known."""
    place = one.place
    if answered == "nobody":
        return f"Nobody answers at {place} yet; what comes {_waiting(one.settings)}."
    if answered == "no http":
        return f"What answers at {place} is no OTLP over HTTP; is it the gRPC port?"
    if answered == "tls":
        return f"What answers at {place} speaks TLS, and the collector does not. {_with_tls(one)}"
    if isinstance(answered, Untrusted):
        return _untrusted(one, answered)
    if isinstance(answered, Broken):
        return _broken(one, answered)
    if answered == "no grpc":
        open_ = "" if one.secure else " without TLS"
        return f"What answers at {place} is no OTLP over gRPC{open_}; is it the HTTP port?"
    if answered == "not tried":
        return (
            f"Somebody answers at {place}; whether the token is taken there was not tried, which needs the "
            f"package 'grpcio'. Install it with: {pip_install('grpc')}"
        )
    return _of_status(one, answered) if isinstance(answered, int) else ""


def well(one: Destination, answered: Answer, *, now: bool = False) -> str:
    """Return that somebody answers, where there is no doubt of it; "" where nothing is known.

    Args:
        one: Who was asked.
        answered: What it answered.
        now: Whether nobody did before.
    """
    again = " now" if now else ""
    if not isinstance(answered, int):
        return f"Somebody answers at {one.place}{again}." if now else ""
    takes = " and takes the token" if one.known.headers and answered < 300 else ""
    return f"{one.place} answers{again}{takes}."


def absent(known: Credentials, extension: Mapping[str, Any]) -> str:
    """Return what is to be said of a token file that is not there."""
    again = map_at(extension, "retry_on_failure").get("enabled") is True
    remedy = "Write it." if again else "Write it and start the collector again."
    return (
        f"The token file {known.file} is not there yet ({known.absent.lower()}); what is sent until then is "
        f"refused and dropped. {remedy}"
    )


def _of_status(one: Destination, status: int) -> str:
    place, said = one.place, CODES.get(status, str(status)) if one.grpc else str(status)
    if status in REFUSED:
        whose = "the token it was given" if one.known.headers else "a collector without a token"
        return (
            f"{place} refuses {whose} ({said}), and what a collector sends then is dropped, not kept. "
            f"{_remedy(one.known)}"
        )
    if 300 <= status < 400:
        return (
            f"{place} leads elsewhere ({said}), and a token is not carried there to try. Name the "
            f"address itself that takes OTLP."
        )
    if status in AWAY:
        return f"{place} takes nothing for now ({said}); what comes {_waiting(one.settings)}."
    if status in NO_OTLP:
        return (
            f"{place} takes no OTLP ({said}), and what a collector sends there is dropped, not kept. Name "
            f"the address that does."
        )
    if status >= 500:
        return (
            f"{place} fails ({said}), and what a collector sends then is dropped, not kept. Look at the log "
            f"of what runs there."
        )
    return ""


def _untrusted(one: Destination, answered: Untrusted) -> str:
    waits = _waiting(one.settings)
    told = f"The certificate of {one.place} is not trusted ({answered.why}); what comes {waits}."
    if answered.number in OTHERS:
        return f"{told} Send to a name that the certificate is for."
    if answered.number == OVER:
        return f"{told} Renew the certificate there."
    name = one.variables.get("ca_file")
    key = f"set ${name} to it" if name else "give it to the exporter as tls: {ca_file: FILE}"
    return (
        f"{told} Put the certificate of whoever signed it into a file, {key}, and start the collector again."
    )


def _broken(one: Destination, answered: Broken) -> str:
    if no_tls(answered.why):
        return f"What answers at {one.place} speaks no TLS, and the collector does. {_without_tls(one)}"
    return (
        f"TLS with {one.place} does not come about ({answered.why}); what comes {_waiting(one.settings)}. "
        f"Look at the log of what runs there. If it speaks no TLS: {_without_tls(one)}"
    )


def _with_tls(one: Destination) -> str:
    if not one.grpc or one.settings.get("endpoint", "").startswith("http://"):
        return "Write https:// instead of http://."
    name = one.variables.get("insecure")
    return f"Set ${name} to false." if name else "Set tls: {insecure: false} in the exporter."


def _without_tls(one: Destination) -> str:
    if not one.grpc:
        return "Write http:// instead of https://, where the network between is yours."
    if one.trusted and one.trusted.roots:
        name = one.variables.get("ca_file")
        return f"Unset {'$' + name if name else 'tls: {ca_file: ...}'}, or give it a certificate."
    name = one.variables.get("insecure")
    told = f"set ${name} to true" if name else "set tls: {insecure: true} in the exporter"
    return f"Give it a certificate, or, where the network between is yours, {told}."


def _waiting(settings: Mapping[str, Any]) -> str:
    """Return what becomes of what cannot be sent."""
    queue, again = map_at(settings, "sending_queue"), map_at(settings, "retry_on_failure")
    if queue.get("enabled") is False:
        return "is refused until somebody does"
    if again.get("enabled") is False:
        return "is dropped until somebody does"
    where = "on disk" if queue.get("storage") else "in memory"
    limit = str(again.get("max_elapsed_time", TRIED))
    most = "" if re.fullmatch(r"0[a-z]*", limit) else f", {limit} at most"
    return f"waits {where} until somebody does{most}"


def _remedy(known: Credentials) -> str:
    if known.file:
        where = f"the file that ${known.variable} names" if known.variable else known.file
        when = "again when it changes" if known.again else "at its start only"
        return f"Put a token that it takes for sending into {where}; the collector reads that {when}."
    if known.variable and known.alone:
        return f"Put a token that it takes for sending into a file, and name that with ${known.variable}."
    if known.variable:
        return (
            f"Put a line such as 'Authorization: Bearer TOKEN', with a token that it takes for sending, into "
            f"a file, name that with ${known.variable}, and start the collector again."
        )
    return "Give the exporter a token that it takes for sending."
