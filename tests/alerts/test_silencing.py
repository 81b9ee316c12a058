"""Silences in the file of deliveries: by the API, by the command line, and what is refused."""

import json

import pytest
import requests

from mlobs.alerts import history
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.routing import memory
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.alerts.routing.router import Router
from mlobs.alerts.silencing import Silencing
from mlobs.cli import main
from mlobs.errors import PayloadError
from tests.alerts.houses import ALARM_ROW, House, Rows
from tests.alerts.mounted import ADMIN, TOKENS, up
from tests.alerts.routed import message
from tests.alerts.sink import webhook

NOW_S = 1_700_000_000.0
GIVEN = {"matchers": ["name=a"], "for": "2h", "who": "ann", "why": "a deploy"}
ALERT = {"source": "mlobs", "fingerprint": "f", "labels": {"name": "a"}, "started": "2023-11-14T22:00:00Z"}


@pytest.fixture
def outbox(tmp_path):
    box = Outbox(tmp_path / "alerts.sqlite", extra_schema=(memory.SCHEMA,))
    yield box
    box.close()


@pytest.fixture
def silencing(outbox):
    return Silencing(outbox, lambda: NOW_S)


def test_a_silence_says_who_made_it_why_and_until_when(silencing):
    made = silencing.silence(GIVEN)
    assert made["matchers"] == ['name="a"']
    assert (made["until"], made["who"], made["why"]) == ("2023-11-15T00:13:20.000Z", "ann", "a deploy")
    assert silencing.listed()["silences"] == [made]
    over = silencing.end(made["id"], "bob")
    assert (over["state"], over["ended_by"]) == ("over", "bob")
    assert silencing.listed()["silences"] == [over]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"matchers": []}, "which alerts are meant"),
        ({"matchers": ["no operator"]}, "a label, one of = != =~ !~ and a value was wanted"),
        ({"matchers": ["name=~("]}, "is not a regular expression"),
        ({"matchers": ["name=~(a+)+$"]}, "could take very long"),
        ({"matchers": ["name=~.*.*.*x"]}, "could take very long"),
        ({"matchers": ["name!=a"]}, "fit alerts without any label"),
        ({"matchers": ["name=~.*"]}, "fit alerts without any label"),
        ({"matchers": ["name=a"] * 21}, "at most 20"),
        ({"matchers": ["name=" + "a" * 600]}, "longer than 500"),
        ({"for": "2 fortnights"}, "30m, 2h, 3d or 1w was wanted"),
        ({"for": "0h"}, "a time to come"),
        ({"for": "999w"}, "at most a year ahead"),
        ({"for": ""}, "Either for or until"),
        ({"until": "2023-11-15"}, "Either for or until"),
        ({"for": "", "until": "tomorrow"}, "a time such as"),
        ({"for": "", "until": "2023-11-14T00:00Z"}, "a time to come"),
        ({"who": " "}, "who is missing"),
        ({"why": "x" * 501}, "at most 500"),
        ({"what": "x"}, "which no silence has"),
        ({"why": "half\ud83d"}, "no text"),
        ({"matchers": ["name=half\ud83d"]}, "no text"),
    ],
)
def test_a_silence_that_cannot_be_meant_is_refused_with_a_sentence(silencing, change, sentence):
    with pytest.raises(PayloadError, match=sentence):
        silencing.silence({**GIVEN, **change})
    assert silencing.listed()["silences"] == []


def test_a_silence_that_is_not_there_cannot_be_ended(silencing):
    with pytest.raises(PayloadError, match="There is no silence 'nothing'"):
        silencing.end("nothing", "ann")


def test_an_alert_shows_who_silenced_it_and_who_has_taken_it_on(silencing):
    assert silencing.marked([ALERT]) == [{**ALERT, "silence": None, "taken": None}]
    silencing.silence(GIVEN)
    given = {"source": "mlobs", "fingerprint": "f", "who": "ann", "note": "looking"}
    silencing.take_on({**given, "started": ALERT["started"]})
    (shown,) = silencing.marked([ALERT])
    assert (shown["silence"]["who"], shown["taken"]["note"]) == ("ann", "looking")
    (again,) = silencing.marked([{**ALERT, "started": "2023-11-15T22:00:00Z"}])
    assert again["taken"] is None, "the note was about the episode before"


def test_the_history_keeps_what_fired_and_when_it_ended(outbox):
    said = {"rule": "R", "severity": "info", "summary": "s", "labels": {}, "value": 1.0, "trace_ids": []}
    for status, at_s in (("firing", NOW_S), ("resolved", NOW_S + 60), ("firing", NOW_S + 90)):
        with outbox.transaction() as db:
            history.note(db, source="mlobs", fingerprint="f", status=status, at_s=at_s, said=said)
    newest, first = history.recent(outbox, 10, source="mlobs", fingerprint="f")
    assert (newest["resolved"], first["resolved"]) == (None, "2023-11-14T22:14:20.000Z")
    assert history.recent(outbox, 10, fingerprint="g") == []


def test_the_command_line_silences_lists_and_ends_by_file(outbox, capsys):
    file = ["--file", str(outbox.path)]
    silence = ["alerts", "silence", "service_name=shop", "--for", "2h", "--why", "a deploy", "--who", "ann"]
    assert main([*silence, *file]) == 0
    name = capsys.readouterr().out.strip()
    assert main(["alerts", "silence", "--json", *file]) == 0
    (one,) = json.loads(capsys.readouterr().out)["silences"]
    assert (one["id"], one["matchers"], one["who"]) == (name, ['service_name="shop"'], "ann")
    assert main(["alerts", "silence", "--end", name, *file]) == 0
    assert main(["alerts", "silence", *file]) == 0
    assert "over" in capsys.readouterr().out
    assert main(["alerts", "silence", "--end", name, *file]) == 2
    assert f"There is no silence '{name}' that holds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a=b", "--for", "2h"], "--why is missing"),
        (["a=b", "--why", "x"], "give --for 2h or --until"),
        (["--for", "2h"], "Nothing says which alerts"),
        (["a=b", "--end", "x"], "needs only its id"),
    ],
)
def test_the_command_line_says_what_is_missing(capsys, words, sentence):
    assert main(["alerts", "silence", *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_only_an_admin_silences_over_the_api_and_no_other_site_does(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKENS}admin {ADMIN}\n")
    tokens.chmod(0o600)
    with webhook() as sink, up(tmp_path, sink, MLOBS_TOKENS=str(tokens)) as receive:
        url = receive.removesuffix("/api/alerts/receive")
        path, admin = f"{url}/api/alerts/silences", {"Authorization": f"Bearer {ADMIN}"}
        reader = {"Authorization": "Bearer read-token-of-the-tests"}
        assert requests.post(path, json=GIVEN, headers=reader, timeout=60).status_code == 403
        assert requests.post(path, json=GIVEN, timeout=60).status_code == 401
        foreign = {**admin, "Sec-Fetch-Site": "cross-site"}
        assert requests.post(path, json=GIVEN, headers=foreign, timeout=60).status_code == 403
        for body in (b"[1]", b'{"matchers": ["a=\\ud800"], "for": "2h", "why": "x"}'):
            refused = requests.post(path, data=body, headers=admin, timeout=60)
            assert refused.status_code == 400
            assert "The body is no JSON object" in refused.json()["error"]
        made = requests.post(path, json=GIVEN, headers=admin, timeout=60).json()
        assert made["fits"] == 0
        assert 'none has name="a"' in made["doubt"]
        listed = requests.get(path, headers=admin, timeout=60).json()["silences"]
        assert listed == [made]
        form = requests.post(f"{url}/alerts/silences/{made['id']}/end", headers=foreign, timeout=60)
        assert form.status_code == 403
        over = requests.post(
            f"{path}/{made['id']}/end", json={"who": "ann"}, headers=admin, timeout=60
        ).json()
        assert over["state"] == "over"
        assert requests.get(f"{url}/api/alerts/history", headers=admin, timeout=60).json() == {"episodes": []}


def test_what_a_silence_keeps_is_in_the_file_and_told_once_it_is_ended(outbox, silencing):
    """Another process may have made the silence: only the file is between them."""
    router = Router([Route.model_validate({"name": "team", "sinks": ["team"]})])
    dispatcher = Dispatcher(router, ["team"], outbox)
    made = silencing.silence(GIVEN)
    for name in ("a", "b"):
        with outbox.transaction() as db:
            dispatcher.put(db, [message(name)], NOW_S)
    states = {one.fingerprint: (one.state, one.answer) for one in outbox.recent()}
    assert states["b"] == ("waiting", "")
    assert states["a"] == (
        "muted",
        f"silenced by ann until 2023-11-15T00:13:20.000Z: a deploy ({made['id']})",
    )
    assert silencing.waiting() == 1
    assert dispatcher.wake(NOW_S + 60) == 0
    assert len(outbox.due(NOW_S + 60, sink="team")) == 1
    silencing.end(made["id"], "ann")
    dispatcher.wake(NOW_S + 61)
    assert {one.fingerprint for one in outbox.due(NOW_S + 61, sink="team")} == {"a", "b"}
    assert silencing.waiting() == 0


def test_a_silence_by_a_label_that_the_rule_sets_is_seen_with_the_alert(tmp_path):
    """What a message has for labels is what is shown, and what is remembered when it is over."""
    rule = {
        "name": "ShopDrift",
        "indicator": {
            "kind": "gauge",
            "metric": "mlobs.drift.alarm",
            "by": ["service.name", "mlobs.model.name", "mlobs.model.version", "mlobs.feature"],
        },
        "above": 0,
        "severity": "warning",
        "component": "shop",
        "labels": {"team": "shop"},
        "summary": "It moved.",
        "description": "It moved.",
    }
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"rules": [rule], "without": ["MlobsFeatureDrift"]}))
    house = House(tmp_path, Rows([ALARM_ROW]), rules=path)
    assert house.later(0) == [("ShopDrift", "firing")]
    made = house.alerting.silencing.silence({**GIVEN, "matchers": ["team=shop"]})
    (fires,) = house.alerting.snapshot()["firing"]
    assert (fires["labels"]["team"], fires["silence"]["id"]) == ("shop", made["id"])
    house.alerting._ask.rows = []
    house.later(15)
    (over,) = house.alerting.past()["episodes"]
    assert (over["labels"], over["since"]) == (fires["labels"], fires["since"])
    about = house.alerting.close_up("mlobs", over["fingerprint"], 0, 0, with_values=False)
    assert (about["alert"]["state"], about["alert"]["labels"]["team"]) == ("over", "shop")
    house.alerting.stop()
