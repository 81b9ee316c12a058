"""The file of sinks and routes: what is right is read, what is wrong is told with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.routing.file import parse_routes, read_routes
from mlobs.cli import main
from mlobs.errors import SettingError

GOOD = """\
sinks:
  team:
    type: slack
    url: {env: SLACK_URL}
  pager:
    type: pagerduty
    routing_key: {env: PAGER_KEY}
routes:
  - name: pages
    match: [severity=critical, 'team=~"web|shop"']
    sinks: [pager]
    group_by: [alertname]
    group_wait_s: 30
    pages_per_week: 20
    demote_to: team
    continue: true
  - sinks: [team]
    quiet: {from: 22:00, to: 07:00, time_zone: Europe/Berlin, days: [mon, tue]}
    flap: {changes: 6, within_s: 1800, calm_s: 900}
"""


def test_a_good_file_is_read():
    """Hours with and without quotes, which YAML reads differently."""
    file = parse_routes(GOOD, "routes.yml")
    pages, rest = file.routes
    assert [str(one) for one in pages.match] == ['severity="critical"', 'team=~"web|shop"']
    assert (pages.goes_on, pages.demote_to, rest.name) == (True, "team", "route-2")
    (quiet,) = rest.quiet
    assert (quiet.begin.hour, quiet.end.hour, quiet.time_zone.key) == (22, 7, "Europe/Berlin")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("group_wait_s", "group_wait"),
            "line 13, routes[0].group_wait: there is no such field; did you mean 'group_wait_s'?",
        ),
        (
            ("calm_s", "calms"),
            "line 19, routes[1].flap.calms: there is no such field; did you mean 'calm_s'?",
        ),
        (("time_zone: Europe/Berlin", "timezone: UTC"), "did you mean 'time_zone'?"),
        (
            ("Europe/Berlin", "Europe/Berlon"),
            "routes[1].quiet.time_zone: there is no time zone 'Europe/Berlon'",
        ),
        (("routing_key", "routing_kye"), "did you mean 'routing_key'?"),
        (
            ("type: slack", "type: slak"),
            "email, command, callable; did you mean 'slack'?",
        ),
        (("routes:", "route:"), "line 8, route: there is no such field; did you mean 'routes'?"),
        (
            ("sinks: [pager]", "sinks: [pagr]"),
            "line 11, routes[0].sinks: there is no sink 'pagr'; did you mean 'pager'?",
        ),
        (("demote_to: team", "demote_to: pager"), "demote_to='pager' is one of the route's own sinks"),
        (("    demote_to: team\n", ""), "pages_per_week and demote_to belong together"),
        (("severity=critical", "severity"), "a label, one of = != =~ !~ and a value was wanted"),
        (("web|shop", "web|("), "is not a regular expression"),
        (("name: pages", "name: route-2"), "two routes are called 'route-2'"),
        (
            ("pages_per_week: 20", "pages_per_week: many"),
            "line 14, routes[0].pages_per_week: a whole number was expected.",
        ),
        (("    sinks: [pager]\n", ""), "routes[0].sinks: it is missing"),
        (
            ("continue: true", "continue: true\n    continue: false"),
            "line 17: 'continue' is here twice; the first is in line 16",
        ),
        (("sinks: [pager]", "sinks: [pager"), "this is not YAML"),
        (("url: {env: SLACK_URL}", "url: &a {env: SLACK_URL}\n    ca: *a"), "an alias (*name) came"),
        (("days: [mon, tue]", "days: [monday]"), "routes[1].quiet.days[0]: input should be 'mon'"),
        (("from: 22:00", "from: 24:00"), "1440 is no time of day"),
        (("from: 22:00", "from: 22"), "22 is no time of day"),
        (("from: 22:00", "from: 22:00Z"), "is no time of day"),
        (
            ("group_by: [alertname]\n    group_wait_s: 30", "group_by: [alertname]"),
            "group_by without group_wait_s",
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_field_and_the_nearest_name(change, sentence):
    """Whoever wrote it finds it at once."""
    assert change[0] in GOOD
    with pytest.raises(SettingError) as caught:
        parse_routes(GOOD.replace(*change, 1), "routes.yml")
    assert str(caught.value).startswith("routes.yml")
    assert sentence in str(caught.value)


def test_a_mistake_in_each_route_is_not_told_as_there_being_no_route():
    """Only the mistakes; that there are none is told where there are none."""
    with pytest.raises(SettingError) as caught:
        parse_routes("sinks: {team: {type: slack, url: {env: X}}}\nroutes: [{sink: [team]}]", "routes.yml")
    told = [line.partition(": ")[0] for line in str(caught.value).split("\n")]
    assert told == ["routes.yml, line 2, routes[0].sinks", "routes.yml, line 2, routes[0].sink"]
    with pytest.raises(SettingError, match=r"line 2, routes: at least one is needed\.$"):
        parse_routes("sinks: {team: {type: slack, url: {env: X}}}\nroutes: []", "routes.yml")


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "a: b", "sinks: {}\nroutes: []", "[" * 2000, "\x00", "!!python/x"]
)
def test_what_is_no_such_file_is_told(text):
    """Nothing in YAML makes an object or a mistake of ours."""
    with pytest.raises(SettingError, match=r"routes\.yml"):
        parse_routes(text, "routes.yml")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 30), st.text(max_size=4))
def test_a_damaged_file_is_read_or_told(start, length, instead):
    """Wherever it is damaged."""
    text = GOOD[:start] + instead + GOOD[start + length :]
    try:
        parse_routes(text, "routes.yml")
    except SettingError as error:
        sentence = str(error)
    else:
        return
    assert sentence.startswith("routes.yml")


def test_a_secret_in_the_wrong_place_is_not_repeated():
    """The sentence goes to logs."""
    text = GOOD.replace("{env: PAGER_KEY}", "[not-for-logs]")
    with pytest.raises(SettingError) as caught:
        parse_routes(text, "routes.yml")
    assert "not-for-logs" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff", b"a" * (2 << 20), None])
def test_a_file_that_cannot_be_read_is_told(tmp_path, content):
    """Not there, not text, too large."""
    path = tmp_path / "routes.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError, match=r"routes\.yml"):
        read_routes(path)


def routes_file(tmp_path: Path) -> str:
    path = tmp_path / "routes.yml"
    path.write_text(GOOD)
    return str(path)


def test_a_dry_run_prints_where_an_alert_would_go(tmp_path, capsys):
    """In the order in which it is told."""
    file = routes_file(tmp_path)
    assert main(["alerts", "routes", file, "--label", "severity=critical", "--label", "team=web"]) == 0
    out = capsys.readouterr().out
    assert out.index("pages") < out.index("route-2")
    assert main(["alerts", "routes", file, "--label", "severity=warning"]) == 0
    assert "pages" not in capsys.readouterr().out


def test_the_file_is_printed_with_what_each_route_does(tmp_path, capsys):
    """Quiet hours, groups, damping and budget in words."""
    assert main(["alerts", "routes", routes_file(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "grouped by alertname, waits 30 s; 20 pages a week, then team; goes on" in out
    assert "quiet mon, tue 22:00 to 07:00 Europe/Berlin; damped after 6 changes in 1800 s" in out
    assert "team (slack)" in out


def test_a_dry_run_tells_which_sinks_the_server_would_refuse_and_why(tmp_path, capsys, monkeypatch):
    """Found at a desk, not in the log of the first delivery: by number, by name, for want of a secret."""
    monkeypatch.setenv("HOOK_SECRET", "s3cr3t")
    path = tmp_path / "routes.yml"
    path.write_text(SOMEWHERE)
    told = {
        "metadata": "169.254.169.254 is a link-local, metadata or reserved address",
        "here": "localhost is at 127.0.0.1, an address of this machine",
        "chat": "is in the variable SLACK_URL, which is not set",
    }
    monkeypatch.delenv("SLACK_URL", raising=False)
    assert main(["alerts", "routes", str(path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(told)
    for sink, why in told.items():
        line = next(one for one in lines if f"sink {sink!r}" in one)
        assert line.startswith("Would be refused here: ")
        assert why in line or (sink == "here" and "localhost is at ::1" in line)
    monkeypatch.setenv("MLOBS_ALERT_ALLOW", "localhost, 169.254.0.0/16")
    monkeypatch.setenv("SLACK_URL", "https://unknown.invalid/hook")
    assert main(["alerts", "routes", str(path)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["alerts", "routes", str(path), "--label", "severity=info"]) == 0


SOMEWHERE = """
sinks:
  metadata: {type: webhook, url: "http://169.254.169.254/x", secret: {env: HOOK_SECRET}}
  here: {type: webhook, url: "http://localhost:9/x", secret: {env: HOOK_SECRET}}
  chat: {type: slack, url: {env: SLACK_URL}}
  allowed: {type: webhook, url: "http://127.0.0.1:9/x", secret: {env: HOOK_SECRET}, allow: [127.0.0.1]}
  program: {type: command, argv: [/bin/true]}
routes:
  - sinks: [metadata, here, chat, allowed, program]
"""


def test_a_file_of_rules_is_no_file_of_routes():
    """Both are YAML files that the server reads, and easily taken for each other."""
    with pytest.raises(
        SettingError, match=r"seems to be a file of alert rules, which MLOBS_ALERT_RULES names"
    ):
        parse_routes("rules: []\n", "routes.yml")


def test_a_wrong_file_ends_with_status_two(tmp_path, capsys):
    """Before anything is started with it."""
    path = tmp_path / "routes.yml"
    path.write_text(GOOD.replace("flap:", "flip:"))
    assert main(["alerts", "routes", str(path)]) == 2
    assert (
        f"{path}, line 19, routes[1].flip: there is no such field; did you mean 'flap'?"
        in capsys.readouterr().err
    )
    assert main(["alerts", "routes", routes_file(tmp_path), "--label", "severity"]) == 2
    assert "NAME=VALUE was expected" in capsys.readouterr().err


MATCHED = """
sinks:
  a: {type: command, argv: [/bin/true]}
routes:
  - sinks: [a]
    match: MATCH
"""


@pytest.mark.parametrize(
    ("match", "sentence"),
    [
        (
            "{page: true}",
            'page is True there, and labels are texts; write it in quotes, such as page: "true"',
        ),
        ("{answered: no}", "answered is False there, and labels are texts"),
        ("{team: ~}", "team is None there, and labels are texts; write it in quotes"),
        ("{version: 1.10}", "version is 1.1 there, and labels are texts"),
        ("{team: [web]}", "team is ['web'] there"),
        ('{"a b": c}', "'a b' is no label's name"),
        ("{7: c}", "'7' is no label's name"),
    ],
)
def test_what_yaml_reads_as_another_word_than_is_written_is_told(match, sentence):
    """It would never fit, and nobody would know why."""
    with pytest.raises(SettingError) as caught:
        parse_routes(MATCHED.replace("MATCH", match), "routes.yml")
    assert "line 6, routes[0].match" in str(caught.value)
    assert sentence in str(caught.value)


def test_words_and_whole_numbers_fit_as_they_are_written():
    """Also an empty word, for a label that is not there."""
    text = MATCHED.replace("MATCH", '{page: "true", tier: 1, team: ""}')
    (route,) = parse_routes(text, "routes.yml").routes
    assert all(one.holds({"page": "true", "tier": "1"}) for one in route.match)
