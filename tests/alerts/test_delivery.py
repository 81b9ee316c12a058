"""Messages on their way to a real HTTP server."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts import delivery
from mlobs.alerts.delivery import Courier, Webhook, judge
from mlobs.alerts.outbox import Message, Outbox
from mlobs.alerts.signature import verify
from tests.alerts.sink import webhook

SECRET = b"s3cret"


class Post:
    """An outbox, a courier and a clock that stands."""

    def __init__(self, folder, url, attempts_max=3):
        self.now_s = 1_700_000_000.0
        self.outbox = Outbox(folder / "alerts.sqlite")
        self.courier = Courier(
            self.outbox,
            Webhook(url, SECRET),
            attempts_max=attempts_max,
            clock=lambda: self.now_s,
            jitter=lambda: 1.0,
        )

    def put(self, status="firing"):
        one = Message(
            fingerprint="f",
            rule="R",
            status=status,
            changed_s=self.now_s,
            body=b'{"status":"%s"}' % status.encode(),
        )
        self.outbox.record(changed=[], over=[], messages=[one])

    def receipts(self):
        return [(one.state, one.attempts, one.answer) for one in self.outbox.recent()]


@pytest.fixture
def sink():
    with webhook() as seen:
        yield seen


@pytest.fixture
def post(tmp_path, sink):
    made = Post(tmp_path, sink.url)
    yield made
    made.outbox.close()


def test_a_message_arrives_signed_once_with_its_id(post, sink):
    """The receiver can tell who sent it and whether it knows it already."""
    post.put()
    assert post.courier.deliver() == 1
    assert post.courier.deliver() == 0
    (seen,) = sink.arrived
    assert seen.headers["content-type"] == "application/json"
    assert seen.id == post.outbox.recent()[0].id
    headers = {name: seen.headers[f"x-mlobs-{name}"] for name in ("timestamp", "signature")}
    verify(SECRET, **headers, body=seen.body, now_s=post.now_s)
    assert post.receipts() == [("delivered", 1, "204")]


def test_a_busy_sink_gets_the_same_message_again_later(post, sink):
    """Same id, new signature: the old one would be stale after five minutes."""
    sink.answers = [(503, {})]
    post.put()
    assert post.courier.deliver() == 0
    assert post.courier.deliver() == 0
    post.now_s += 2
    assert post.courier.deliver() == 1
    first, second = sink.arrived
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["x-mlobs-signature"] != second.headers["x-mlobs-signature"]


def test_retry_after_is_honoured(post, sink):
    """The sink knows better than we do when it will be ready."""
    sink.answers = [(429, {"Retry-After": "120"})]
    post.put()
    post.courier.deliver()
    post.now_s += 119
    assert post.courier.deliver() == 0
    post.now_s += 1
    assert post.courier.deliver() == 1


def test_a_refused_message_is_a_dead_letter_at_once(post, sink):
    """Sending a wrong message again makes it no better, and it would hold up the next."""
    sink.answers = [(404, {})]
    post.put("firing")
    post.put("resolved")
    post.courier.deliver()
    post.courier.deliver()
    assert sink.changes == ["firing", "resolved"]
    assert [state for state, *_ in post.receipts()] == ["delivered", "dead"]


def test_a_redirect_is_not_followed(post, sink):
    """It may point into a network that only we can reach."""
    sink.answers = [(302, {"Location": sink.url})]
    post.put()
    post.courier.deliver()
    assert len(sink.arrived) == 1
    assert post.receipts() == [
        ("dead", 1, "302: redirects are not followed; configure the address it points to")
    ]


def test_after_the_last_attempt_it_is_a_dead_letter(post, sink):
    """And stays in the file, with what the sink said."""
    sink.answers = [(500, {})] * 9
    post.put()
    for _ in range(9):
        post.courier.deliver()
        post.now_s += 1000
    assert post.receipts() == [("dead", 3, "500; given up after 3 attempts")]
    assert post.outbox.counts() == {"failed": 2, "dead": 1}


def test_nobody_listening_is_tried_again_and_the_address_is_not_shown(tmp_path):
    """The address may hold a secret."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        post = Post(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/T0K3N")
        post.put()
        assert post.courier.deliver() == 0
    assert post.receipts() == [("waiting", 1, "no answer: ConnectionError")]
    assert "T0K3N" not in post.courier.webhook.name
    post.outbox.close()


def test_a_sink_that_answers_a_byte_at_a_time_is_given_up(tmp_path, monkeypatch):
    """No socket ever times out, and yet the other messages must go."""
    monkeypatch.setattr(delivery, "SECONDS_MAX", 0.5)
    done = threading.Event()

    def drip(server):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not done.wait(0.1):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        post = Post(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}/")
        post.put()
        assert post.courier.deliver() == 0
        done.set()
        thread.join()
    assert post.receipts()[0][:2] == ("waiting", 1)
    assert "no answer within" in post.receipts()[0][2]
    post.outbox.close()


def test_retry_after_may_be_a_date():
    """HTTP allows both."""
    assert judge(503, "Tue, 14 Nov 2023 22:14:00 GMT", 1_700_000_000.0).retry_after_s == 40.0
    assert judge(503, "Tue, 14 Nov 2023 22:00:00 GMT", 1_700_000_000.0).retry_after_s == 0.0
    assert judge(503, "99999999", 0.0).retry_after_s == 3600.0


@given(retry_after=st.none() | st.text(), status=st.integers(100, 599))
def test_nothing_a_sink_says_raises(retry_after, status):
    """It is a stranger."""
    answer = judge(status, retry_after, 1_700_000_000.0)
    assert answer.outcome in {"delivered", "failed", "dead"}
    assert answer.retry_after_s is None or 0 <= answer.retry_after_s <= 3600
