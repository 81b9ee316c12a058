"""Signs a webhook's body and checks such signatures.

The signature is the hexadecimal HMAC-SHA256, under the shared secret, of the time of sending
in whole seconds since 1970, a colon, and the body's bytes as sent: what Grafana's webhooks
do when they send a timestamp. The time is part of it so that an old message cannot be sent
again.
"""

import hashlib
import hmac

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


def verify(secret: bytes, timestamp: str, signature: str, body: bytes, *, now_s: float) -> str | None:
    """Return None if `body` was signed with `secret` lately, else one sentence that says what is wrong.

    `timestamp` and `signature` are the headers as they came; nothing is assumed about them. The
    time to compare does not depend on the secret.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return f"{TIMESTAMP_HEADER} is {timestamp[:40]!r}, not whole seconds since 1970."
    expected = sign(secret, int(timestamp), body)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        return f"{SIGNATURE_HEADER} does not fit the body; is the secret the same on both sides?"
    age_s = now_s - int(timestamp)
    if abs(age_s) > AGE_S_MAX:
        return f"The message was signed {age_s:.0f} s ago; at most {AGE_S_MAX} s either way are taken."
    return None
