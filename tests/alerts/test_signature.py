"""Signatures of deliveries."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.signature import sign, verify

NOW_S = 1_700_000_000
BODY = '{"rule":"Ä"}'.encode()


def test_the_vector_in_the_documentation():
    """Whoever writes a receiver in another language checks it against this."""
    assert sign(b"secret", NOW_S, b"{}") == "90d1dfc305363e56438c2a03dac8b91f27a9842b7e361afe3743831bca23c856"


def test_openssl_signs_the_same():
    """Nothing of ours is needed to check a signature."""
    command = ["openssl", "dgst", "-sha256", "-hmac", "s3cret"]
    try:
        done = subprocess.run(command, input=b"%d:" % NOW_S + BODY, capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed; enable with: sudo apt-get install openssl")
    assert done.stdout.split()[-1].decode() == sign(b"s3cret", NOW_S, BODY)


@given(secret=st.binary(min_size=1), body=st.binary(), at=st.integers(0, 2**33), late=st.integers(-300, 300))
def test_what_was_signed_is_taken_within_five_minutes(secret, body, at, late):
    """Clocks differ; five minutes either way is what everybody allows."""
    assert verify(secret, str(at), sign(secret, at, body), body, now_s=at + late) is None


@pytest.mark.parametrize("late", [301, -301, 86_400])
def test_an_old_message_sent_again_is_refused(late):
    """Somebody may have recorded it."""
    sentence = verify(b"k", str(NOW_S), sign(b"k", NOW_S, BODY), BODY, now_s=NOW_S + late)
    assert sentence == f"The message was signed {late} s ago; at most 300 s either way are taken."


@given(body=st.binary(), other=st.binary(), secret=st.binary(min_size=1), shift=st.integers(-1, 1))
def test_nothing_else_is_taken_under_the_same_signature(body, other, secret, shift):
    """Not another body, not another time, not another secret."""
    same_secret = secret.rstrip(b"\0") == b"k"  # HMAC pads keys with zeros
    if same_secret and other == body and shift == 0:
        return
    signature = sign(b"k", NOW_S, body)
    sentence = verify(secret, str(NOW_S + shift), signature, other, now_s=NOW_S)
    assert sentence == "X-Mlobs-Signature does not fit the body; is the secret the same on both sides?"


@given(timestamp=st.text(), signature=st.text())
def test_headers_with_anything_in_them_are_refused_and_nothing_raises(timestamp, signature):
    """They come from strangers."""
    assert verify(b"k", timestamp, signature, BODY, now_s=NOW_S) is not None


def test_a_timestamp_that_is_none_is_named():
    """The reader should see which header it was."""
    assert verify(b"k", "yesterday", "", b"", now_s=NOW_S) == (
        "X-Mlobs-Timestamp is 'yesterday', not whole seconds since 1970."
    )
