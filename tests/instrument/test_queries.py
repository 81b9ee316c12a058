"""What people type into URLs is recorded as far as content is, on spans of ours and of others."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

import mlobs
from mlobs.instrument.content.redaction import Queries, redact_query, redact_url

TYPED = "q=my+card+4111111111111111&mail=bob%40example.com&api_key=0a1b2c3d4e5f&page=2"
KEPT = {
    "off": "q=REDACTED&mail=REDACTED&api_key=REDACTED&page=REDACTED",
    "redacted": "q=my card [removed: card]&mail=[removed: email]&api_key=[removed: secret]&page=2",
    "full": "q=my+card+4111111111111111&mail=bob%40example.com&api_key=[removed: secret]&page=2",
}
MODES = [pytest.param(mode, kept, id=mode) for mode, kept in KEPT.items()]


@pytest.mark.parametrize(("mode", "kept"), MODES)
def test_a_query_is_kept_as_far_as_content_is(sink, monkeypatch, mode, kept):
    """Of servers and of clients, by the names of the conventions and by the older ones."""
    monkeypatch.setattr(Queries, "mode", mode)
    url = f"https://shop.example/agent?{TYPED}"
    given = {
        "url.query": TYPED,
        "url.full": url,
        "http.url": url,
        "http.target": f"/agent?{TYPED}",
        "url.original": [url],
    }
    link = trace.Link(trace.SpanContext(1, 2, is_remote=True), {"url.full": url})
    span = trace.get_tracer("web").start_span("GET", attributes=given, links=[link])
    span.add_event("sent", {"http.url": url})
    span.end()

    @mlobs.step
    def work():
        mlobs.set({"url.full": url})

    work()
    assert mlobs.flush(60)
    [theirs], [ours] = sink.named("GET"), sink.named("step work")
    whole = f"https://shop.example/agent?{kept}"
    assert theirs.attributes["url.query"] == kept
    assert theirs.attributes["http.target"] == f"/agent?{kept}"
    assert theirs.attributes["url.full"] == theirs.attributes["http.url"] == whole
    assert list(theirs.attributes["url.original"]) == [whole]
    assert (theirs.events[0][1], theirs.link_attributes) == ({"http.url": whole}, [{"url.full": whole}])
    assert ours.attributes["url.full"] == whole


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("/plain", "/plain"),
        ("/empty?", "/empty?"),
        ("/word?my%20card", "/word?REDACTED"),  # without a name it is all value
        ("/odd?my card is=x&a&&b=", "/odd?REDACTED&REDACTED&&b=REDACTED"),  # decoded by who recorded it
        ("/a?filter[name]=x#top=1", "/a?filter[name]=REDACTED"),
        ("/#access_token=abc", "/#access_token=REDACTED"),
        ("postgres://app:hun?ter2@db/x?user=ana", "postgres://app:[removed: password]@db/x?user=REDACTED"),
    ],
)
def test_names_stay_where_they_are_names(url, kept):
    """They say which search was slow; what somebody typed may stand in their place."""
    assert redact_url(url) == kept


@pytest.mark.parametrize("mode", ["redacted", "full"])
def test_signatures_never_stay(monkeypatch, mode):
    """Whoever has one may fetch the file; these are the names of the conventions."""
    monkeypatch.setattr(Queries, "mode", mode)
    assert redact_query("sig=a%2Fb&X-Amz-Signature=c&color=blue") == (
        "sig=REDACTED&X-Amz-Signature=REDACTED&color=blue"
    )


def test_secrets_that_are_encoded_do_not_stay(monkeypatch):
    """A query has its values in percents."""
    monkeypatch.setattr(Queries, "mode", "full")
    query = urlencode({"q": "my password: hunter22", "next": "postgres://app:hunter22@db/x"})
    assert "hunter22" not in redact_query(query)


@given(st.text(max_size=60), st.sampled_from(["off", "redacted", "full"]))
def test_any_text_can_be_cleaned_and_twice_is_once(text, mode):
    """A middleware does so before the exporter does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Queries, "mode", mode)
        once = redact_query(text)
        assert redact_query(once) == once
        assert redact_url(redact_url(text)) == redact_url(text)
