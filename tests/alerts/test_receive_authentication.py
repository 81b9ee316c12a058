"""Who may send: every way in, and none beside it."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.receive.authentication import Authenticator
from mlobs.errors import SettingError, SignatureError

SECRET = "a-secret-of-the-tests"
NOW_S = 1_700_000_000


def headers(body: bytes, *, seconds: int = NOW_S, names=("x-sig", "x-time")) -> dict[str, str]:
    mac = hmac.new(SECRET.encode(), f"{seconds}:".encode() + body, hashlib.sha256).hexdigest()
    return {names[0]: mac, names[1]: str(seconds)}


def test_a_sender_with_headers_of_its_own_is_understood():
    """Grafana lets people name them."""
    known = Authenticator(secret=SECRET, headers=("X-Sig", "X-Time"))
    assert not known.admit(headers(b"{}"))
    assert known.verify(headers(b"{}"), b"{}", NOW_S).until_s > NOW_S
    with pytest.raises(SignatureError, match="No signature came"):
        Authenticator(secret=SECRET).admit(headers(b"{}"))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_signature_fits_its_body_and_no_other(body, other):
    """Byte for byte."""
    known = Authenticator(secret=SECRET, headers=("X-Sig", "X-Time"))
    known.verify(headers(body), body, NOW_S)
    if other != body:
        with pytest.raises(SignatureError, match="does not fit"):
            known.verify(headers(body), other, NOW_S)


@given(st.integers(-1000, 1000))
def test_a_message_is_good_for_five_minutes_either_way(age_s):
    """And its mark is kept for as long."""
    known = Authenticator(secret=SECRET, headers=("X-Sig", "X-Time"))
    signed = headers(b"{}", seconds=NOW_S - age_s)
    if abs(age_s) > 300:
        with pytest.raises(SignatureError, match="300 s either way"):
            known.verify(signed, b"{}", NOW_S)
    else:
        mark = known.verify(signed, b"{}", NOW_S)
        with pytest.raises(SignatureError):
            known.verify(signed, b"{}", mark.until_s)


def test_what_is_not_asked_for_does_not_let_in():
    """A bearer token where only signatures are taken, and the other way round."""
    signs, bears = Authenticator(secret=SECRET), Authenticator(token=SECRET)
    with pytest.raises(SignatureError, match="No signature came"):
        signs.admit({"authorization": f"Bearer {SECRET}"})
    with pytest.raises(SignatureError, match="bearer token is wanted"):
        bears.admit(headers(b"{}"))
    with pytest.raises(SignatureError, match="Bearer is wanted"):
        bears.admit({"authorization": "Basic YTpi"})
    assert Authenticator().admit({})
    assert not Authenticator().asks


def test_a_short_secret_is_refused():
    """It could be guessed."""
    for name in ("secret", "token", "basic"):
        with pytest.raises(SettingError, match="at least 16 were expected"):
            Authenticator(**{name: "a:b"})
