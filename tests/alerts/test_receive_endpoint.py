"""The receiver on the web: who may send, what is refused with which status, and what reaches the sink."""

import base64
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from mlobs.alerts.receive.endpoint import FOR_GOOD
from mlobs.alerts.receive.inbox import Inbox
from mlobs.alerts.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from mlobs.cli.alerts.receiver import Receiver
from mlobs.errors import ServerError, SettingError, StoreError
from mlobs.settings import AlertSettings, ReceiveSettings
from tests.alerts.posted import BODY, JSON, refused
from tests.alerts.receivers import ROUTES, receiver
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import SECRET, alert, alertmanager, encoded, grafana, signed

TOKEN = "a-token-of-the-tests"
BASIC = "grafana:a-password-of-the-tests"


@pytest.fixture(autouse=True)
def _sink_secret(monkeypatch):
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    for name in ReceiveSettings.model_fields:
        monkeypatch.delenv(f"MLOBS_ALERT_RECEIVE_{name.upper()}", raising=False)


@pytest.fixture(scope="module")
def _running(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, webhook() as sink:
        patch.setenv("TEST_SINK_SECRET", "s" * 32)
        folder = tmp_path_factory.mktemp("receiver")
        with receiver(folder, sink, token=TOKEN, basic=BASIC, bytes_max=1_000_000) as url:
            yield url, sink


@pytest.fixture
def url(_running) -> str:
    return _running[0]


@pytest.fixture
def sink(_running):
    return _running[1]


def post(url: str, body: bytes, headers: dict[str, str] | None = None) -> requests.Response:
    return requests.post(url, data=body, headers=signed(body) if headers is None else headers, timeout=30)


def told(sink, name: str) -> list[str]:
    return [one.json["status"] for one in list(sink.arrived) if one.json["labels"].get("alertname") == name]


def test_what_grafana_signed_is_taken_and_told_once(url, sink):
    """Firing, a repeat, resolved, a late firing."""
    begin, end = alert("signed"), alert("signed", ends_s=1_700_000_060)
    answers = []
    for number, one in enumerate((begin, begin, end, begin, end)):
        body = encoded(grafana(one, extra=number))
        answers.append(post(url, body).json())
    assert [one["changed"] for one in answers] == [1, 0, 1, 0, 0]
    assert [answers[1]["repeated"], answers[3]["late"]] == [1, 1]
    wait_for(lambda: len(told(sink, "signed")) == 2)
    assert told(sink, "signed") == ["firing", "resolved"]


def test_what_we_sign_is_taken(url):
    """The webhook of another mlobs."""
    now_s, body = int(time.time()), encoded(alertmanager(alert("ours")))
    headers = {**JSON, SIGNATURE_HEADER: sign(SECRET.encode(), now_s, body), TIMESTAMP_HEADER: str(now_s)}
    assert post(url, body, headers).json()["changed"] == 1


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (basic(BASIC), 200),
        ("Bearer wrong", 401),
        (f"Bearer {TOKEN} ", 200),
        ("Bearer ", 401),
        ("Bearer \xe9", 401),
        (basic("grafana:wrong"), 401),
        ("Basic %%%", 401),
        (f"Token {TOKEN}", 401),
        ("x" * 5000, 401),
    ],
)
def test_bearer_and_basic_are_compared_whole(url, authorization, status):
    """What Alertmanager can send."""
    headers = {**JSON, "Authorization": authorization.encode("latin-1")}
    answer = post(url, BODY, headers)
    assert answer.status_code == status
    if status == 401:
        assert "www-authenticate" in answer.headers


def test_unsigned_wrong_stale_and_replayed_webhooks_get_401(url):
    """Each with its reason."""
    refused(post(url, BODY, JSON), 401, "No signature came; the header X-Mlobs-Signature or X-Grafana-")
    refused(post(url, BODY, signed(BODY, secret="another-secret-here")), 401, "does not fit the body")
    refused(post(url, BODY + b" ", signed(BODY)), 401, "does not fit the body")
    refused(post(url, BODY, signed(BODY, now_s=time.time() - 400)), 401, "was signed 40")
    refused(post(url, BODY, signed(BODY, now_s=time.time() + 400)), 401, "Are both clocks right?")
    body = encoded(alertmanager(alert("replayed")))
    headers = signed(body)
    assert post(url, body, headers).status_code == 200
    refused(post(url, body, headers), 401, "was taken before")


def test_a_signature_without_a_time_is_refused_with_what_to_set(url):
    """Grafana's default; anybody who saw it could send it for ever."""
    headers = signed(BODY)
    del headers["X-Grafana-Alerting-Timestamp"]
    refused(post(url, BODY, headers), 401, "hmacConfig.timestampHeader")
    refused(post(url, BODY, {**headers, "X-Grafana-Alerting-Timestamp": "1e9"}), 401, "whole seconds")
    refused(post(url, BODY, {**headers, "X-Grafana-Alerting-Timestamp": "-5"}), 401, "whole seconds")


def test_another_content_type_gets_415(url):
    """Also what a form in a browser can send without being asked."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused(post(url, BODY, {**signed(BODY), "Content-Type": kind}), 415, "application/json is taken")
    refused(post(url, BODY, {**signed(BODY), "Content-Encoding": "gzip"}), 415, "uncompressed")
    assert (
        post(url, BODY, {**signed(BODY), "Content-Type": "Application/JSON; charset=utf-8"}).status_code
        == 200
    )


def raw(url: str, head: str, body: bytes = b"") -> str:
    """Send bytes as they are, and return what is answered."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return answer.decode()


def test_100_mb_get_413_before_they_are_read(url):
    """Only the head is sent, and the answer is there."""
    head = (
        f"POST /api/alerts/receive HTTP/1.1\nHost: x\nContent-Type: application/json\n"
        f"Authorization: Bearer {TOKEN}\nContent-Length: 100000000\n\n"
    )
    assert raw(url, head).startswith("HTTP/1.1 413")


def test_a_body_in_pieces_gets_413_once_it_is_too_large(url):
    """It has no length to look at first."""
    head = (
        f"POST /api/alerts/receive HTTP/1.1\nHost: x\nContent-Type: application/json\n"
        f"Authorization: Bearer {TOKEN}\nTransfer-Encoding: chunked\n\n"
    )
    piece = b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n"
    assert raw(url, head, piece * 11).startswith("HTTP/1.1 413")


def test_nonsense_gets_400_with_the_reason(url):
    """10,000 levels, half a character, half a document, another payload."""
    for body, reason in (
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "recursion"),
        (b"\xff{}", "not JSON"),
        (BODY[:-1], "not JSON"),
        (b'{"text":"hello"}', "version"),
    ):
        refused(post(url, body), 400, reason)


@pytest.mark.slow
def test_10_000_alerts_at_once_are_taken(tmp_path):
    """And each is told once, here in messages of a hundred."""
    grouped = ROUTES + "    group_wait_s: 0.1\n"
    body = encoded(alertmanager(*(alert("many", number=str(n)) for n in range(10_000))))
    with webhook() as sink, receiver(tmp_path, sink, grouped) as url:
        assert post(url, body).json() == {"changed": 10_000, "repeated": 0, "late": 0}
        wait_for(lambda: len(sink.arrived) == 100)
        assert {one.json["count"] for one in sink.arrived} == {10_000}
        listed = {alert["fingerprint"] for one in sink.arrived for alert in one.json["alerts"]}
        assert len(listed) == 10_000
        assert max(len(one.body) for one in sink.arrived) < 200_000


@pytest.mark.slow
def test_a_storm_of_malformed_bodies_does_not_keep_good_ones_out(url, sink):
    """They are refused one by one, and the good one of each ten is taken."""

    def send(number: int) -> int:
        bad = [b"{", b"\xff", b"[" * 5000, BODY * 2, b"null"][number % 5]
        body = encoded(alertmanager(alert("storm", number=str(number)))) if number % 10 == 0 else bad
        return post(url, body, {**JSON, "Authorization": f"Bearer {TOKEN}"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(400)))
    assert statuses == [200 if number % 10 == 0 else 400 for number in range(400)]
    wait_for(lambda: len(told(sink, "storm")) == 40)


def test_health_and_metrics_are_open(url):
    """What an orchestrator and Prometheus ask."""
    base = url.removesuffix("/api/alerts/receive")
    assert requests.get(f"{base}/-/healthy", timeout=10).text == "healthy\n"
    assert requests.get(f"{base}/-/ready", timeout=10).status_code == 200
    post(url, b"{", {**JSON, "Authorization": f"Bearer {TOKEN}"})
    text = requests.get(f"{base}/metrics", timeout=10).text
    assert 'mlobs_alert_received_total{mlobs_outcome="changed"}' in text
    assert all(f'mlobs_alert_refused_total{{mlobs_reason="{reason}"}}' in text for reason in FOR_GOOD)


def test_from_elsewhere_metrics_want_the_credentials_of_webhooks(url):
    """They name the sinks; a page in a browser that calls itself this machine gets nothing either."""
    base = url.removesuffix("/api/alerts/receive")
    elsewhere = {"Host": "receiver.example"}
    refusal = requests.get(f"{base}/metrics", headers=elsewhere, timeout=10)
    assert refusal.status_code == 401
    assert "MLOBS_ALERT_RECEIVE_TOKEN" in refusal.text
    for authorization, status in ((f"Bearer {TOKEN}", 200), (basic(BASIC), 200), ("Bearer wrong", 401)):
        headers = {**elsewhere, "Authorization": authorization}
        assert requests.get(f"{base}/metrics", headers=headers, timeout=10).status_code == status
    assert requests.get(f"{base}/-/healthy", headers=elsewhere, timeout=10).status_code == 200


def test_that_the_disk_fails_is_no_news_of_where_the_file_is(tmp_path, monkeypatch):
    """Whoever asks whether it is ready may be a stranger."""

    def fails(*_, **__):
        raise StoreError(f"{tmp_path} is full")

    with webhook() as sink, receiver(tmp_path, sink) as url, monkeypatch.context() as patch:
        patch.setattr("mlobs.alerts.outbox.Outbox.transaction", fails)
        refused(post(url, encoded(alertmanager(alert("disk")))), 503, "cannot be written down now")
        answer = requests.get(url.replace("/api/alerts/receive", "/-/ready"), timeout=10)
        assert (answer.status_code, str(tmp_path) in answer.text) == (503, False)


def test_left_out_alerts_are_said_in_the_message_and_counted(url, sink):
    """max_alerts of Alertmanager cuts, and says so."""
    body = encoded(alertmanager(alert("cut"), truncatedAlerts=17))
    assert post(url, body).status_code == 200
    wait_for(lambda: told(sink, "cut"))
    (one,) = [one.json for one in sink.arrived if one.json["labels"].get("alertname") == "cut"]
    assert one["truncated"] == 17


def test_replays_are_known_after_a_restart(tmp_path):
    """The marks are on the disk."""
    with webhook() as sink:
        headers = signed(BODY)
        with receiver(tmp_path, sink) as url:
            assert post(url, BODY, headers).status_code == 200
        with receiver(tmp_path, sink) as url:
            refused(post(url, BODY, headers), 401, "was taken before")
            again = encoded(alertmanager(alert(), extra=1))
            assert post(url, again).json()["repeated"] == 1


def test_a_receiver_that_asks_for_nothing_takes_what_comes_to_this_machine_only(tmp_path):
    """Without a secret it listens on loopback, and knows no other name for itself."""
    with webhook() as sink, receiver(tmp_path, sink, secret="") as url:
        assert post(url, BODY, JSON).status_code == 200
        assert post(url, BODY, {**JSON, "Host": "evil.example"}).status_code == 403
        assert requests.get(url, timeout=10).status_code == 405


def refusal(folder, **given) -> str:
    settings = ReceiveSettings(**{"port": 0, **given.pop("receive", {})})
    with (
        pytest.raises((SettingError, ServerError)) as caught,
        Receiver(settings, AlertSettings(**given), folder),
    ):
        pass
    return str(caught.value)


def test_it_does_not_start_where_anybody_could_send_or_nobody_would_be_told(tmp_path):
    """One sentence each."""
    hook = {"webhook_url": "http://127.0.0.1:1/", "webhook_secret": "s" * 32}
    assert "whoever reaches this machine" in refusal(tmp_path, receive={"host": "0.0.0.0"}, **hook)
    assert "Nobody would be told" in refusal(tmp_path)
    assert "has 3 characters" in refusal(tmp_path, receive={"secret": "abc"}, **hook)
    assert "has no colon" in refusal(tmp_path, receive={"basic": "a" * 20}, **hook)
    assert "belong together" in refusal(tmp_path, receive={"signature_header": "X-Sig"}, **hook)
    with Receiver(ReceiveSettings(port=0), AlertSettings(**hook), tmp_path) as running:
        assert "Another receiver holds" in refusal(tmp_path, **hook)
        port = int(running.url.rpartition(":")[2])
        assert "--port 0 takes a free one" in refusal(tmp_path / "b", receive={"port": port}, **hook)


def test_a_body_counts_as_held_until_it_is_written(tmp_path, monkeypatch):
    """A disk that hangs is when bodies pile up."""
    go = threading.Event()
    write = Inbox._write
    monkeypatch.setattr(Inbox, "_write", lambda self, batch: (go.wait(30), write(self, batch))[1])
    body = encoded({**alertmanager(alert("held")), "more": "m" * 900})
    with webhook() as sink, receiver(tmp_path, sink, bytes_max=len(body) + 100, token=TOKEN) as url:
        bearer = {**JSON, "Authorization": f"Bearer {TOKEN}"}
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(post, url, body, bearer) for _ in range(12)]
            wait_for(lambda: sum(one.done() for one in asked) == 8)
            go.set()
            answers = [one.result() for one in asked]
    assert sorted(one.status_code for one in answers) == [200] * 4 + [503] * 8
    assert {one.headers["retry-after"] for one in answers if one.status_code == 503} == {"5"}


TWO = """\
sinks:
  hook:
    type: webhook
    url: {url}
    secret: {{env: TEST_SINK_SECRET}}
    allow: ["127.0.0.1"]
  down:
    type: command
    argv: ["false"]
routes:
  - sinks: [down, hook]
"""


@pytest.mark.slow
def test_a_sink_without_room_does_not_keep_others_from_being_told(tmp_path, monkeypatch):
    """Its messages are dropped and counted; the sender could not help by sending again."""
    monkeypatch.setattr("mlobs.alerts.outbox.WAITING_MAX", 3)
    with webhook() as sink, receiver(tmp_path, sink, TWO) as url:
        for number in range(5):
            assert post(url, encoded(alertmanager(alert("room", number=str(number))))).status_code == 200
            wait_for(lambda number=number: len(told(sink, "room")) == number + 1)
        text = requests.get(url.replace("/api/alerts/receive", "/metrics"), timeout=10).text
        assert 'mlobs_alert_deliveries_total{mlobs_outcome="dropped",mlobs_sink="down"} 2.0' in text


def test_when_there_is_no_room_the_answer_is_503_and_when_to_come_again(tmp_path, monkeypatch):
    """Never 429, which Alertmanager takes for a refusal; and nothing is half written."""
    monkeypatch.setattr("mlobs.alerts.outbox.WAITING_MAX", 3)
    with webhook() as sink:
        sink.answers = [(503, {"Retry-After": "3600"})] * 100
        with receiver(tmp_path, sink) as url:
            for number in range(3):
                assert post(url, encoded(alertmanager(alert(str(number))))).status_code == 200
            answer = post(url, encoded(alertmanager(alert("4"), alert("5"))))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "Too many messages wait" in answer.json()["error"]
        monkeypatch.setattr("mlobs.alerts.outbox.WAITING_MAX", 100)
        with receiver(tmp_path, sink) as url:
            assert post(url, encoded(alertmanager(alert("4"), alert("5"), n=1))).json()["changed"] == 2
