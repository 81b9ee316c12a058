"""Signs a webhook's body and checks such signatures.

The signature is the hexadecimal HMAC-SHA256, under the shared secret, of the time of sending
in whole seconds since 1970, a colon, and the body's bytes as sent: what Grafana's webhooks
do when they send a timestamp. The time is part of it so that an old message cannot be sent
again.
"""

import hashlib
import hmac

from mlobs.errors import SettingError, SignatureError

SIGNATURE_HEADER = "X-Mlobs-Signature"
TIMESTAMP_HEADER = "X-Mlobs-Timestamp"
DELIVERY_HEADER = "X-Mlobs-Delivery"
AGE_S_MAX = 300


def sign(secret: bytes, timestamp_s: int, body: bytes) -> str:
    """Return the signature of `body`.

    >>> sign(b"secret", 1_700_000_000, b"{}")
    '90d1dfc305363e56438c2a03dac8b91f27a9842b7e361afe3743831bca23c856'
    """
    return hmac.new(secret, b"%d:" % timestamp_s + body, hashlib.sha256).hexdigest()


def verify(
    secret: bytes | str, *, timestamp: str | None, signature: str | None, body: bytes, now_s: float
) -> None:
    """Return if `body` was signed with `secret` lately; raise if not.

    The time to compare does not depend on the secret.

    Args:
        secret: Shared with the sender.
        timestamp: The header X-Mlobs-Timestamp as it came, or None.
        signature: The header X-Mlobs-Signature as it came, or None.
        body: The bytes as they came, before they are parsed.
        now_s: The receiver's clock, such as `time.time()`.

    Raises:
        SignatureError: The sentence says what is wrong.
        SettingError: The secret is empty, so that anybody could have signed.
    """
    key = secret.encode() if isinstance(secret, str) else secret
    if not key:
        raise SettingError("The secret is empty. Give the MLOBS_ALERT_WEBHOOK_SECRET of the sender.")
    if timestamp is None or signature is None:
        raise SignatureError(
            f"{TIMESTAMP_HEADER if timestamp is None else SIGNATURE_HEADER} is missing. "
            f"Is MLOBS_ALERT_WEBHOOK_SECRET set where the server runs?"
        )
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureError(f"{TIMESTAMP_HEADER} is {timestamp[:40]!r}, not whole seconds since 1970.")
    expected = sign(key, int(timestamp), body)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise SignatureError(
            f"{SIGNATURE_HEADER} does not fit the body; is the secret the same on both sides?"
        )
    age_s = now_s - int(timestamp)
    if abs(age_s) > AGE_S_MAX:
        raise SignatureError(
            f"The message was signed {age_s:.0f} s ago; at most {AGE_S_MAX} s either way are taken."
        )
