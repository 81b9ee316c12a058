"""Whether a webhook may be believed: a signature, a bearer token, or a name and a password.

A signature covers the bytes as they came, and the time of sending: hexadecimal HMAC-SHA256 of
"seconds:body". Grafana makes it like that once `timestampHeader` is set, and so do we. Without
a time in it, somebody who saw a message once could send it for ever; so that is refused, with a
sentence that says what to set. What was taken once is not taken again while its time is good.

Every comparison takes as long for a wrong secret as for the right one.
"""

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass

from mlobs.alerts.signature import AGE_S_MAX, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from mlobs.errors import SettingError, SignatureError

GRAFANA_SIGNATURE_HEADER = "X-Grafana-Alerting-Signature"
GRAFANA_TIMESTAMP_HEADER = "X-Grafana-Alerting-Timestamp"
PAIRS = (
    (SIGNATURE_HEADER, TIMESTAMP_HEADER),
    (GRAFANA_SIGNATURE_HEADER, GRAFANA_TIMESTAMP_HEADER),
)
CREDENTIALS_CHARACTERS_MAX = 4096
SECRET_CHARACTERS_MIN = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """What must not be taken twice, and until when it could be."""

    mac: bytes
    until_s: float


class Authenticator:
    """Knows the secrets.

    Args:
        secret: Signs bodies; "" if nobody signs.
        token: Comes as Authorization: Bearer; "" if nobody has one.
        basic: name:password; "" if nobody has them.
        headers: Two more headers to look for a signature and its time in.

    Raises:
        SettingError: A secret is too short, or `basic` has no colon.
    """

    def __init__(
        self, *, secret: str = "", token: str = "", basic: str = "", headers: tuple[str, str] | None = None
    ) -> None:
        for name, value in (("SECRET", secret), ("TOKEN", token), ("BASIC", basic)):
            if value and len(value) < SECRET_CHARACTERS_MIN:
                raise SettingError(
                    f"MLOBS_ALERT_RECEIVE_{name} has {len(value)} characters; at least "
                    f"{SECRET_CHARACTERS_MIN} were expected. Make one with: openssl rand -hex 24"
                )
        if basic and ":" not in basic:
            raise SettingError("MLOBS_ALERT_RECEIVE_BASIC has no colon in it; name:password was expected.")
        self._secret = secret.encode()
        self._token = token.encode()
        self._basic = basic.encode()
        self._pairs = PAIRS if headers is None else (headers, *PAIRS)

    @property
    def asks(self) -> bool:
        """Whether anything is asked for."""
        return bool(self._secret or self._token or self._basic)

    @property
    def signs(self) -> bool:
        """Whether signatures are taken."""
        return bool(self._secret)

    def admit(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers alone are enough; if not, there is a signature still to `verify`.

        Args:
            headers: Of the request; names in any case.

        Raises:
            SignatureError: They are not enough, whatever the body is.
        """
        if not self.asks:
            return True
        authorization = headers.get("authorization", "")
        if authorization and (self._token or self._basic):
            self._check(authorization)
            return True
        if not self._secret:
            wanted = "a bearer token" if self._token else "a name and a password (basic)"
            raise SignatureError(f"No Authorization header came; {wanted} is wanted.")
        self._signature(headers)
        return False

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers have a token, or a name and a password, that is known here."""
        authorization = headers.get("authorization", "")
        if not authorization or not (self._token or self._basic):
            return False
        try:
            self._check(authorization)
        except SignatureError:
            return False
        return True

    def verify(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Mark:
        """Return what to remember of a message that was signed.

        Args:
            headers: Of the request.
            body: The bytes as they came.
            now_s: The receiver's clock.

        Raises:
            SignatureError: It was not signed with the secret, or not lately.
        """
        signature, timestamp, name = self._signature(headers)
        expected = sign(self._secret, timestamp, body)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise SignatureError(f"{name} does not fit the body; is the secret the same on both sides?")
        age_s = now_s - timestamp
        if abs(age_s) > AGE_S_MAX:
            raise SignatureError(
                f"The message was signed {age_s:.0f} s ago; at most {AGE_S_MAX} s either way are taken. "
                f"Are both clocks right?"
            )
        return Mark(bytes.fromhex(expected), timestamp + AGE_S_MAX + 1.0)

    def _signature(self, headers: Mapping[str, str]) -> tuple[str, int, str]:
        """Return signature, time, and the name of the signature's header."""
        for signed, timed in self._pairs:
            signature = headers.get(signed.lower())
            if signature is None:
                continue
            timestamp = headers.get(timed.lower())
            if timestamp is None:
                raise SignatureError(
                    f"{signed} came without {timed}, so the message could be sent again by anybody who saw "
                    f"it. In Grafana, set 'Timestamp header' (hmacConfig.timestampHeader) to {timed}."
                )
            if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
                raise SignatureError(f"{timed} is not whole seconds since 1970.")
            return signature, int(timestamp), signed
        names = " or ".join(signed for signed, _ in self._pairs)
        raise SignatureError(f"No signature came; the header {names} is wanted.")

    def _check(self, authorization: str) -> None:
        scheme, _, rest = authorization[:CREDENTIALS_CHARACTERS_MAX].partition(" ")
        came = rest.strip()
        if scheme.lower() == "bearer" and self._token:
            if hmac.compare_digest(self._token, came.encode("utf-8", "replace")):
                return
            raise SignatureError("The bearer token is not the one that is known here.")
        if scheme.lower() == "basic" and self._basic:
            try:
                pair = b64decode(came, validate=True)
            except (Base64Error, ValueError):
                raise SignatureError("Basic came without base64 of name:password.") from None
            if hmac.compare_digest(self._basic, pair):
                return
            raise SignatureError("The name or the password is not the one that is known here.")
        kinds = [word for word, known in (("Bearer", self._token), ("Basic", self._basic)) if known]
        raise SignatureError(f"An Authorization of another kind came; {' or '.join(kinds)} is wanted.")
