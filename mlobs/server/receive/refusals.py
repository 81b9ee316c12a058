"""Why a request is not taken, as HTTP and as gRPC say it.

Senders of OTLP are answered in the encoding they sent, with a google.rpc.Status; everybody else
gets `{"error": sentence, "status": number}`.
"""

from google.protobuf.json_format import MessageToJson
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from starlette.responses import JSONResponse, Response

from mlobs.errors import PayloadError

PROTOBUF, JSON = "application/x-protobuf", "application/json"
RETRY_SECONDS = 1
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="mlobs", Basic realm="mlobs", charset="UTF-8"'}
# A body that is not read to its end leaves a connection that nothing can follow on.
HEADERS = {401: CHALLENGE, 408: {"Connection": "close"}}
LATER = (429, 503)
INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 4, 7, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 12, 13, 14, 16
CODES = {
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: UNIMPLEMENTED,
    405: UNIMPLEMENTED,
    408: DEADLINE_EXCEEDED,
    413: RESOURCE_EXHAUSTED,
    415: INVALID_ARGUMENT,
    429: RESOURCE_EXHAUSTED,
    503: UNAVAILABLE,
}
DELETE = 127  # As a length, the first beyond those that are printed as a letter.
# Reasons for which a sender gives up: what is refused so is lost, perhaps all of it at once.
LOSING = (
    "no_token", "wrong_token", "scope", "content_type", "encoding", "not_otlp", "body_bytes_max",
    "json_values", "unsupported",
)  # fmt: skip
PRESSURE = ("pending", "busy", "quota")  # Reasons that pass with time.


class RefusedError(PayloadError):
    """A request that is not taken.

    Args:
        status: The HTTP status.
        reason: One word for the counter.
        sentence: What came, what was wanted, what to do.
        retry_s: When to try again, where that helps.
    """

    def __init__(self, status: int, reason: str, sentence: str, *, retry_s: int = RETRY_SECONDS) -> None:
        super().__init__(sentence)
        self.retry_s = retry_s
        self.status = status
        self.reason = reason

    @property
    def code(self) -> int:
        """The code that gRPC has for it."""
        return RESOURCE_EXHAUSTED if self.reason in PRESSURE else CODES.get(self.status, INTERNAL)

    def message(self) -> Status:
        """Return it as gRPC and OTLP over HTTP say it; under pressure, with when to try again."""
        made = Status(code=self.code, message=str(self))
        if self.reason in PRESSURE:
            again = RetryInfo()
            again.retry_delay.seconds = self.retry_s
            made.details.add().Pack(again)
        return made


def too_large(came: str, bytes_max: int) -> RefusedError:
    """Return the refusal of a body; `came` says how much of it there is."""
    return RefusedError(
        413,
        "body_bytes_max",
        f"{came[:1].upper()}{came[1:]}; a body may have {bytes_max} bytes. "
        f"Send smaller batches, or raise MLOBS_BODY_BYTES_MAX.",
    )


def media_type(content_type: str) -> str:
    """Return the first part of a Content-Type, in small letters.

    >>> media_type("Application/JSON; charset=utf-8")
    'application/json'
    """
    return content_type.partition(";")[0].strip().lower()


def answer(refused: RefusedError, content_type: str = "") -> Response:
    """Return the answer over HTTP.

    Args:
        refused: What is to be said.
        content_type: Of a request to a receiver; of others none.
    """
    headers = dict(HEADERS.get(refused.status, {}))
    if refused.status in LATER:
        headers["Retry-After"] = str(refused.retry_s)
    sent = media_type(content_type)
    if sent == PROTOBUF:
        return Response(_shown(refused.message()), refused.status, headers, PROTOBUF)
    if sent == JSON:
        return Response(MessageToJson(refused.message(), indent=None), refused.status, headers, JSON)
    return JSONResponse({"error": str(refused), "status": refused.status}, refused.status, headers)


def _shown(status: Status) -> bytes:
    """Return the encoded status so that it can also be read by people.

    Many exporters print the body as it is. The byte before the sentence is its length, which would be its
    first letter there ("rThe token ..."): it gets spaces behind it until its length is no letter.
    """
    status.message += " " * (DELETE - len(status.message.encode()))
    encoded: bytes = status.SerializeToString()
    return encoded
