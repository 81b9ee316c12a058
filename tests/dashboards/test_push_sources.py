"""Pushing data sources to a Grafana."""

import json
import re

import pytest

from mlobs.cli import main
from mlobs.dashboards.grafana import marks, sources
from mlobs.dashboards.grafana.address import read_address
from mlobs.dashboards.grafana.changes import Field
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.grafana.push import Wanted, push
from mlobs.errors import ServerError
from tests.dashboards import grafana as server

UIDS = ["mlobs-prometheus", "mlobs-tempo", "mlobs-clickhouse"]
TOKEN = "a token of the server"


@pytest.fixture
def there():
    pytest.importorskip("grafana_client", reason="needs: pip install 'mlobs[grafana]'")
    with server.running() as grafana:
        yield grafana


def address(text):
    return read_address(text, option="--x")


def all_three(token=TOKEN, host="prometheus"):
    return [
        sources.prometheus(
            address(f"http://{host}:9090"), interval="15s", tempo=True, traces=address("http://m:4318")
        ),
        sources.tempo(address("http://tempo:3200")),
        sources.clickhouse(address("http://mlobs:8123"), token),
    ]


def pushed(there, wanted, *, token=server.ADMIN):
    found = push(Grafana(there.url, token), Wanted({}, "mlobs", wanted))
    return [change for change in found if change.action != "keep" and change.kind == "data source"]


def test_the_three_data_sources_are_made_under_their_uids(there):
    """Alert rules name them; dashboards choose theirs by a variable."""
    assert [(change.uid, change.action) for change in pushed(there, all_three())] == [
        (u, "create") for u in UIDS
    ]
    held = there.sources.held
    assert held["mlobs-prometheus"]["url"] == "http://prometheus:9090"
    assert held["mlobs-prometheus"]["jsonData"]["timeInterval"] == "15s"
    assert {one["isDefault"] for one in held.values()} == {False}
    told = held["mlobs-clickhouse"]["jsonData"]
    assert (told["host"], told["port"], told["secure"], told["defaultDatabase"]) == (
        "mlobs",
        8123,
        False,
        "mlobs",
    )
    assert there.sources.secrets["mlobs-clickhouse"] == {"password": TOKEN}


def test_exemplars_lead_to_tempo_and_to_the_servers_pages():
    """Each only where there is such a thing."""
    both = all_three()[0].json_data["exemplarTraceIdDestinations"]
    assert [link.get("datasourceUid") or link["url"] for link in both] == [
        "mlobs-tempo", "http://m:4318/traces/${__value.raw}",
    ]  # fmt: skip
    neither = sources.prometheus(address("http://p"), interval="15s", tempo=False, traces=None)
    assert "exemplarTraceIdDestinations" not in neither.json_data


def test_a_span_leads_to_metrics_that_there_are():
    """By the names of the vocabulary, with the span's attributes for labels."""
    told = sources.tempo(address("http://tempo:3200")).json_data["tracesToMetrics"]
    assert told["datasourceUid"] == "mlobs-prometheus"
    assert {"key": "service.name", "value": "service_name"} in told["tags"]
    promql = pytest.importorskip("promql_parser")
    for query in told["queries"]:
        promql.parse(query["query"].replace("$__tags", 'service_name="a"'))


def test_the_second_push_writes_nothing(there):
    """Though the secret cannot be read back, and Grafana added fields."""
    pushed(there, all_three())
    there.writes.clear()
    assert pushed(there, all_three()) == []
    assert there.writes == []


@pytest.mark.slow
def test_a_changed_secret_is_noticed_and_its_mark_gives_nothing_away(there):
    """A mark that is quick to compute could be tried with every word of a dictionary."""
    pushed(there, all_three())
    (change,) = pushed(there, all_three("another token"))
    assert [field.path for field in change.fields] == ["jsonData.mlobsSecret"]
    assert there.sources.secrets["mlobs-clickhouse"] == {"password": "another token"}
    mark = there.sources.held["mlobs-clickhouse"]["jsonData"]["mlobsSecret"]
    assert re.fullmatch(r"[0-9a-f]{16}\.[0-9a-f]{16}", mark)
    (change,) = pushed(there, all_three(""))
    assert there.sources.secrets["mlobs-clickhouse"] == {"password": ""}
    assert pushed(there, all_three("")) == []


@pytest.mark.slow
def test_the_same_secret_has_another_mark_everywhere():
    """With one salt for all, one table of guesses would do for every Grafana."""
    assert marks.of_secret(TOKEN) != marks.of_secret(TOKEN)
    made = marks.of_secret(TOKEN)
    assert marks.of_secret(TOKEN, made) == made
    assert marks.of_secret("another", made) != made
    assert marks.of_secret(TOKEN, "nonsense")
    assert marks.of_secret("") == ""


def test_what_is_no_longer_asked_for_goes(there):
    """Exemplars that lead to a Tempo that is gone, and a path of an address that had one."""
    pushed(there, all_three())
    alone = sources.prometheus(address("http://prometheus:9090"), interval="15s", tempo=False, traces=None)
    (change,) = pushed(there, [alone])
    assert [field.path for field in change.fields] == ["jsonData.exemplarTraceIdDestinations"]
    assert "exemplarTraceIdDestinations" not in there.sources.held["mlobs-prometheus"]["jsonData"]
    assert pushed(there, [alone]) == []
    pushed(there, [sources.clickhouse(address("https://h/ch"), TOKEN)])
    pushed(there, [sources.clickhouse(address("https://h2:8443"), TOKEN)])
    told = there.sources.held["mlobs-clickhouse"]["jsonData"]
    assert (told["host"], "path" in told) == ("h2", False)


def test_what_is_told_to_a_plugin_is_on_the_list_of_what_is_ours():
    """Else it would stay for ever."""
    with_path = sources.clickhouse(address("https://h/ch"), TOKEN)
    for source in [*all_three(), with_path]:
        assert set(source.json_data) <= set(sources.OURS[source.type])


@pytest.mark.slow
def test_a_changed_address_keeps_what_people_set(there):
    """The name, the default, settings of the plugin, and the secret."""
    pushed(there, all_three())
    held = there.sources.held["mlobs-prometheus"]
    held.update(name="Metrics", isDefault=True)
    held["jsonData"]["customQueryParameters"] = "max_source_resolution=5m"
    there.sources.secrets["mlobs-prometheus"] = {"basicAuthPassword": "x"}
    assert pushed(there, all_three()) == []
    (change,) = pushed(there, all_three(host="other"))
    assert change.fields == (Field("url", "http://prometheus:9090", "http://other:9090"),)
    held = there.sources.held["mlobs-prometheus"]
    assert (held["name"], held["isDefault"], held["url"]) == ("Metrics", True, "http://other:9090")
    assert held["jsonData"]["customQueryParameters"] == "max_source_resolution=5m"
    assert there.sources.secrets["mlobs-prometheus"] == {"basicAuthPassword": "x"}


def test_an_edit_meanwhile_is_not_overwritten(there):
    """The version that was read goes along."""
    pushed(there, all_three())
    grafana = Grafana(there.url, server.ADMIN)
    step = sources.plan_sources(grafana, all_three(host="other"))[0]
    there.sources.held["mlobs-prometheus"]["version"] = 9
    with pytest.raises(ServerError, match=r"409 Datasource has already been updated by someone else"):
        step.write()


def test_one_that_was_made_by_hand_is_refused_and_used_if_left_out(there):
    """It has our uid, because our manual says so."""
    there.sources.add({"uid": "mlobs-prometheus", "name": "Mimir", "type": "prometheus", "access": "proxy"})
    with pytest.raises(
        ServerError, match=r"'Mimir' with the uid 'mlobs-prometheus' that was not made by us. Leave"
    ):
        pushed(there, all_three())
    assert there.writes == []
    pushed(there, all_three()[1:])


def test_a_taken_name_is_told_before_anything_is_written(there):
    """Grafana refuses it with 409."""
    there.sources.add({"uid": "x", "name": "Tempo (mlobs)", "type": "tempo", "access": "proxy"})
    with pytest.raises(ServerError, match=r"named 'Tempo \(mlobs\)' with another uid than 'mlobs-tempo'"):
        pushed(there, all_three())
    assert there.writes == []


def test_a_provisioned_one_is_kept_if_it_is_the_same_and_refused_if_not(there):
    """Grafana lets only the file change it."""
    wanted = all_three()[:1]
    there.sources.add(
        {"uid": UIDS[0], "name": "P", "type": "prometheus", "access": "proxy", "url": wanted[0].url}
        | {"jsonData": wanted[0].json_data}
    )
    there.sources.read_only.add(UIDS[0])
    assert pushed(there, wanted) == []
    with pytest.raises(ServerError, match=r"comes from its provisioning folder, and only the file there may"):
        pushed(there, all_three(host="other")[:1])


def test_data_sources_take_an_admin_and_the_rest_does_not(there):
    """The sentence names the role that is lacking."""
    with pytest.raises(ServerError, match=r"403 You'll need .* give its service account the role Admin"):
        pushed(there, all_three(), token=server.EDITOR)
    assert pushed(there, [], token=server.EDITOR) == []


def test_the_command_makes_those_whose_address_is_given(there, monkeypatch, capsys):
    """The token of the server comes from where all commands have it."""
    monkeypatch.setenv("MLOBS_TOKEN", TOKEN)
    arguments = ["dashboards", "push", "--url", there.url, "--token", server.ADMIN, "--json"]
    given = ["--prometheus", "http://p:9090/", "--scrape-interval", "1m", "--clickhouse", "https://[::1]/ch"]
    assert main([*arguments, *given]) == 0
    made = [row["uid"] for row in json.loads(capsys.readouterr().out) if row["kind"] == "data source"]
    assert made == ["mlobs-prometheus", "mlobs-clickhouse"]
    told = there.sources.held["mlobs-clickhouse"]["jsonData"]
    assert [told[key] for key in ("host", "port", "secure", "path")] == ["::1", 8443, True, "ch"]
    assert there.sources.secrets["mlobs-clickhouse"] == {"password": TOKEN}
    assert there.sources.held["mlobs-prometheus"]["jsonData"]["timeInterval"] == "1m"


@pytest.mark.parametrize("interval", ["15", "0s", "1h30", "", "1e3s"])
def test_a_scrape_interval_that_is_none_is_told(interval, capsys):
    """What rates are taken over follows from it."""
    given = ["--prometheus", "http://p", "--scrape-interval", interval]
    assert main(["dashboards", "push", "--url", "http://x", "--token", "t", *given]) == 2
    assert "a time such as 15s or 1m was expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        (["--scrape-interval", "30s"], "--prometheus"),
        (["--clickhouse-token", "t"], "--clickhouse"),
        (["--prometheus-uid", "mine"], "--alerts"),
    ],
)
def test_an_option_that_would_do_nothing_is_told(given, needed, capsys):
    """Whoever gives it believes that it did something."""
    assert main(["dashboards", "push", "--url", "http://127.0.0.1:1", "--token", "t", *given]) == 2
    assert f"{given[0]} does nothing without {needed}" in capsys.readouterr().err
