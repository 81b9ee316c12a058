"""What became of messages: the API's answers, and `mlobs alerts deliveries`, `redrive` and `test`."""

import json
import time
from urllib.parse import urlsplit

import pytest
import requests

from mlobs.alerts.delivery import Courier
from mlobs.alerts.desk import Desk
from mlobs.alerts.letters import Message
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.sinks.answer import Answer
from mlobs.cli import main
from mlobs.errors import PayloadError, QueryError
from tests.alerts.mounted import TOKENS, up
from tests.alerts.receivers import receiver
from tests.alerts.rounds import record
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for

NOW_S = 1_700_000_000.0
ADMIN = "admin-token-of-the-tests"


def message(mark="f", status="firing", changed_s=NOW_S, sink="webhook"):
    return Message(fingerprint=mark, rule="R", status=status, changed_s=changed_s, body=b"{}", sink=sink)


def dead(outbox, *messages, now_s=NOW_S):
    record(outbox, *messages)
    for one in messages:
        outbox.settle(one.id, outcome="dead", answer="404: no", now_s=now_s)


class Sink:
    kind, address, gap_s = "test", "https://example.org", 0.0
    answer = Answer("failed", "503")

    def send(self, *_, **__):
        return self.answer


def test_deliveries_can_be_narrowed_and_say_how_the_sinks_are(outbox):
    """Two sinks, three states."""
    desk = Desk(outbox, None, lambda: NOW_S)
    dead(outbox, message("a"), message("b", sink="other"))
    record(outbox, message("c"))
    assert [one["fingerprint"] for one in desk.deliveries({})["deliveries"]] == ["c", "b", "a"]
    (one,) = desk.deliveries({"sink": "webhook", "state": "dead", "limit": "5"})["deliveries"]
    assert (one["answer"], one["ended"], one["next"]) == ("404: no", "2023-11-14T22:13:20.000Z", None)
    assert {"sink": "webhook", "state": "unknown", "waiting": 1, "dead": 1} in desk.deliveries({})["sinks"]


@pytest.mark.parametrize("query", [{"state": "lost"}, {"limit": "0"}, {"limit": "many"}, {"limit": "9" * 20}])
def test_a_question_that_cannot_be_answered_is_refused(outbox, query):
    """With what was wanted."""
    with pytest.raises(QueryError, match="was wanted"):
        Desk(outbox, None, lambda: NOW_S).deliveries(query)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"[1]", b"[" * 100_000, b'{"ids": "abcdef"}', b'{"ids": ["abc"]}', b'{"ids": [1]}'),
        *(b'{"sink": 1}', b'{"since_s": "x"}', b'{"since_s": true}', b'{"sink": "a", "overtaken": 1}'),
        *(b'{"sink": "a", "more": 1}', b'{"since_s": 1e300}', b'{"since_s": -1}', b'{"sink": "\\ud800"}'),
    ],
)
def test_what_does_not_say_which_letters_is_refused(outbox, body):
    """By mistake, nothing is put back."""
    dead(outbox, message())
    with pytest.raises(PayloadError, match="was wanted"):
        Desk(outbox, None, lambda: NOW_S).redrive(body)


def test_a_sink_whose_letters_are_put_back_is_tried_at_once(outbox):
    """Who puts them back says that it is well again; the breaker need not wait."""
    sink, clock = Sink(), [NOW_S]
    now = {"clock": lambda: clock[0], "steady": lambda: clock[0]}
    courier = Courier(outbox, {"webhook": sink}, attempts_max=1, jitter=lambda: 1.0, **now)
    record(outbox, *(message(str(n)) for n in range(5)))
    courier.deliver("webhook")
    desk = Desk(outbox, courier, lambda: clock[0])
    assert desk.deliveries({})["sinks"][0]["state"] == "open"
    assert desk.deliveries({})["sinks"][0]["dead"] == 5
    sink.answer = Answer("delivered", "ok")
    assert len(desk.redrive(b'{"sink": "webhook"}')["redriven"]) == 5
    assert courier.deliver("webhook") == 1
    assert courier.deliver("webhook") == 4


def test_dead_letters_are_put_back_in_a_file_that_a_receiver_uses(outbox, capsys):
    """`mlobs alerts receive` has no API for it; its file is enough."""
    one, two = message("a", changed_s=NOW_S), message("b", changed_s=NOW_S + 1)
    dead(outbox, one, two, now_s=time.time())
    where = ["--file", str(outbox.path)]
    assert main(["alerts", "deliveries", *where, "--state", "dead"]) == 0
    out, err = capsys.readouterr()
    assert one.id in out
    assert "webhook: unknown; 0 waiting, 2 dead" in err
    assert main(["alerts", "redrive", *where, one.id[:8]]) == 0
    out, err = capsys.readouterr()
    assert (out.strip(), err.strip()) == (one.id, "1 dead letter was put back")
    assert main(["alerts", "redrive", *where, "--since", "1h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"redriven": [two.id], "overtaken": 0}
    assert main(["alerts", "redrive", *where, "--sink", "webhook"]) == 1
    assert {row.id for row in outbox.due(time.time())} == {one.id, two.id}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redrive"], "give ids, --sink NAME or --since 24h"),
        (["redrive", "abc"], "too short"),
        (["redrive", "--since", "yesterday"], "since='yesterday' came"),
        (["redrive", "--sink", "x", "--file", "/no/such/file"], "no such file"),
        (["test"], "No sink was named; there is none"),
        (["test", "--sink", "webhook"], "its webhook with MLOBS_ALERT_WEBHOOK_URL and MLOBS_ALERT_WEBHOOK_S"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, said, capsys):
    """And exit status 2."""
    assert main(["alerts", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_receiver_that_is_asked_is_told_from_a_server_of_an_older_release(monkeypatch, tmp_path, capsys):
    """It has no API; whose file it is, and where, is said."""
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    with webhook() as sink, receiver(tmp_path, sink) as url:
        parts = urlsplit(url)
        server = ["--server", f"{parts.scheme}://{parts.netloc}"]
        for asked in (["deliveries"], ["redrive", "--sink", "team"], ["silence"]):
            assert main(["alerts", *asked, *server]) == 2
            said = capsys.readouterr().err
            assert "is mlobs alerts receive, which cannot be asked" in said
            assert "alerts-received.sqlite" in said


def test_one_message_can_be_sent_for_a_try(monkeypatch, tmp_path, capsys):
    """Before the first night on call."""
    file = tmp_path / "routes.yml"
    with webhook() as sink:
        file.write_text(
            "sinks:\n"
            f"  team: {{type: webhook, url: '{sink.url}', secret: {{env: SECRET}}, allow: [127.0.0.1]}}\n"
            "  pager: {type: pagerduty, routing_key: {env: NOT_THERE_YET}}\n"
            "routes:\n  - sinks: [team]\n"
        )
        monkeypatch.setenv("SECRET", "s" * 16)
        given = ["--routes", str(file)]
        assert main(["alerts", "test", *given, "--sink", "team"]) == 0
        assert capsys.readouterr().out == "team: delivered: 204\n"
        sink.answers = [(403, {})]
        assert main(["alerts", "test", *given, "--sink", "team", "--status", "resolved"]) == 1
        assert "team: dead: 403" in capsys.readouterr().out
        first, second = (one.json for one in sink.arrived)
    assert (first["rule"], first["status"], second["status"]) == ("MlobsTest", "firing", "resolved")
    assert first["fingerprint"] == second["fingerprint"]
    assert main(["alerts", "test", *given, "--sink", "tea"]) == 2
    assert "There is no sink 'tea'; there are team, pager" in capsys.readouterr().err
    assert main(["alerts", "test", *given, "--sink", "pager"]) == 2
    assert "NOT_THERE_YET, which is not set" in capsys.readouterr().err


@pytest.mark.slow
def test_a_server_puts_dead_letters_back_for_whoever_may_administer_it(tmp_path, monkeypatch, capsys):
    """And shows what became of them."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKENS}admin {ADMIN}\n")
    tokens.chmod(0o600)
    box = Outbox(tmp_path / "data" / "alerts.sqlite")
    dead(box, message("a"), message("b"), now_s=time.time())
    box.close()
    with webhook() as sink, up(tmp_path, sink, MLOBS_TOKENS=str(tokens)) as url:
        server = url.removesuffix("/api/alerts/receive")
        reader = {"Authorization": "Bearer read-token-of-the-tests"}
        answer = requests.post(
            f"{server}/api/alerts/redrive", json={"sink": "webhook"}, headers=reader, timeout=60
        )
        assert answer.status_code == 403
        monkeypatch.setenv("MLOBS_TOKEN", ADMIN)
        assert main(["alerts", "redrive", "--server", server, "--sink", "webhook"]) == 0
        assert capsys.readouterr().err.strip() == "2 dead letters were put back"

        def deliveries():
            assert main(["alerts", "deliveries", "--server", server, "--json"]) == 0
            return json.loads(capsys.readouterr().out)

        # What has arrived is not yet written down: the sink first has to be heard to say so.
        wait_for(lambda: {one["state"] for one in deliveries()["deliveries"]} == {"delivered"})
        shown = deliveries()
        assert main(["alerts", "deliveries", "--server", server]) == 0
        told = capsys.readouterr().err
        assert main(["alerts", "redrive", "--server", server, "x" * 20]) == 1
        assert "mlobs alerts deliveries --state dead lists those there are" in capsys.readouterr().err
        assert main(["alerts", "redrive", "--server", server, "x" * 300_000]) == 2
        assert "More than 100000 bytes came" in capsys.readouterr().err
        metrics = requests.get(f"{server}/metrics", headers=reader, timeout=60).text
    assert {one["sink"] for one in shown["sinks"]} == {"webhook"}
    assert shown["sinks"][0]["state"] == "closed"
    assert "webhook (webhook, " in told
    assert "): well; 0 waiting, 0 dead" in told
    assert {one.id for one in sink.arrived} == {message("a").id, message("b").id}
    assert 'mlobs_alert_deliveries_total{mlobs_outcome="delivered",mlobs_sink="webhook"}' in metrics.replace(
        'mlobs_sink="webhook",mlobs_outcome="delivered"', 'mlobs_outcome="delivered",mlobs_sink="webhook"'
    )
    assert 'mlobs_alert_sink_open{mlobs_sink="webhook"} 0.0' in metrics
