"""Signatures of deliveries."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.signature import sign, verify
from mlobs.errors import PayloadError, SettingError, SignatureError

NOW_S = 1_700_000_000
BODY = '{"rule":"Ä"}'.encode()


def refusal(secret, timestamp, signature, body):
    with pytest.raises(SignatureError) as caught:
        verify(secret, timestamp=timestamp, signature=signature, body=body, now_s=NOW_S)
    return str(caught.value)


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
    verify(secret, timestamp=str(at), signature=sign(secret, at, body), body=body, now_s=at + late)


@pytest.mark.parametrize("late", [301, -301, 86_400])
def test_an_old_message_sent_again_is_refused(late):
    """Somebody may have recorded it."""
    sentence = refusal(b"k", str(NOW_S - late), sign(b"k", NOW_S - late, BODY), BODY)
    assert sentence == f"The message was signed {late} s ago; at most 300 s either way are taken."


@given(body=st.binary(), other=st.binary(), secret=st.binary(min_size=1), shift=st.integers(-1, 1))
def test_nothing_else_is_taken_under_the_same_signature(body, other, secret, shift):
    """Not another body, not another time, not another secret."""
    same_secret = secret.rstrip(b"\0") == b"k"  # HMAC pads keys with zeros
    if same_secret and other == body and shift == 0:
        return
    signature = sign(b"k", NOW_S, body)
    sentence = refusal(secret, str(NOW_S + shift), signature, other)
    assert sentence == "X-Mlobs-Signature does not fit the body; is the secret the same on both sides?"


@given(timestamp=st.text(), signature=st.text())
def test_headers_with_anything_in_them_are_refused_in_a_sentence(timestamp, signature):
    """They come from strangers."""
    assert refusal(b"k", timestamp, signature, BODY).startswith("X-Mlobs-")


def test_a_timestamp_that_is_none_is_named():
    """The reader should see which header it was."""
    assert refusal(b"k", "yesterday", "", b"") == (
        "X-Mlobs-Timestamp is 'yesterday', not whole seconds since 1970."
    )


@pytest.mark.parametrize(
    ("headers", "name"), [((None, "ab"), "X-Mlobs-Timestamp"), ((str(NOW_S), None), "X-Mlobs-Signature")]
)
def test_a_message_without_a_signature_is_refused(headers, name):
    """`headers.get` gives None; the sentence says where the secret is to be set."""
    assert refusal("k", *headers, BODY) == (
        f"{name} is missing. Is MLOBS_ALERT_WEBHOOK_SECRET set where the server runs?"
    )


def test_a_refusal_cannot_be_taken_for_consent():
    """It raises: a receiver that forgets to look at a result must not accept everything."""
    assert issubclass(SignatureError, PayloadError)
    verify("k", timestamp=str(NOW_S), signature=sign(b"k", NOW_S, BODY), body=BODY, now_s=NOW_S)


def test_an_empty_secret_is_no_secret():
    """Anybody can sign with it."""
    with pytest.raises(SettingError, match="The secret is empty"):
        verify("", timestamp=str(NOW_S), signature=sign(b"", NOW_S, BODY), body=BODY, now_s=NOW_S)
