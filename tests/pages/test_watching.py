"""The pages of alerts and of drift, where tools fail, a model's inputs move and a webhook refuses."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.alerts.sink import webhook
from tests.alerts.webhooks import alert, alertmanager, encoded
from tests.pages.conftest import NARROW, WIDE, started
from tests.pages.teller import SECOND, Teller
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KEPT = os.environ.get("MLOBS_TEST_PICTURES")
ADMIN, READER = "admin-token-of-the-tests", "read-token-of-the-tests"
JSON = {"Content-Type": "application/json"}
REFUSED = 2  # Messages that the webhook does not take.
HOSTILE = "<script>document.title='owned'</script>\u202eevil"
# A model with a monitor, whose inputs move after a while: a process of its own, as in life.
MODEL = """
import sys, time
import numpy as np
import mlobs

mlobs.init("scorer", endpoint=sys.argv[1])
rng = np.random.default_rng(1)
def rows(count, mean, missing):
    return [{"age": None if rng.random() < missing else float(rng.normal(mean, 10)),
             "country": str(rng.choice(["DE", "FR", "IT"]))} for _ in range(count)]
known = rows(20_000, 40, 0.01)
columns = {name: [row[name] for row in known] for name in ("age", "country")}
columns["age"] = np.array([np.nan if one is None else one for one in columns["age"]])
profile = mlobs.Profile.of(columns, model="churn@3", by=["country"])
monitor = mlobs.Monitor(profile, by=["country"])
predict = mlobs.predict(model="churn@3", monitor=monitor)(lambda row: 0.5)
for row in [*rows(1_500, 40, 0.01), *rows(1_500, 58, 0.08)]:
    predict(row)
monitor.flush()
mlobs.flush()
print("told", flush=True)
sys.stdin.read()
mlobs.shutdown()
"""


@dataclass(frozen=True)
class Watched:
    """A server with something wrong, and where to look."""

    url: str
    failing: str
    feature: str
    received: str


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """`mlobs up`, told of failing tools, of a model whose inputs move, and of an alert from elsewhere."""
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch, webhook() as sink:
        sink.answers += [(404, {})] * REFUSED
        patch.setenv("MLOBS_ALERT_WEBHOOK_URL", sink.url)
        patch.setenv("MLOBS_ALERT_WEBHOOK_SECRET", "s" * 32)
        patch.setenv("MLOBS_ALERT_INTERVAL_S", "1")
        patch.setenv("MLOBS_ALERT_HOLD_S", "0")
        patch.setenv("MLOBS_DRIFT_INTERVAL_S", "5")
        for url, _ in started(folder / "log", folder / "data"):
            yield from told(url, folder)


def told(url: str, folder: Path) -> Iterator[Watched]:
    teller = Teller(url, time.time_ns())
    for number in range(60):
        trace = os.urandom(16)
        root = teller.agent(trace, b"", (number + 2) * 8 * SECOND, 2 * SECOND, "support")
        error = "The order system did not answer." if number % 2 else ""
        teller.tool(trace, root.span_id, (number + 2) * 8 * SECOND, SECOND, "lookup_order", error=error)
    teller.send()
    hostile = alertmanager(alert("Disk", team=HOSTILE, summary=HOSTILE))
    answer = requests.post(f"{url}/api/alerts/receive", data=encoded(hostile), headers=JSON, timeout=60)
    assert answer.ok, answer.text
    with subprocess.Popen(
        [sys.executable, "-c", MODEL, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "MLOBS_METRICS_INTERVAL_S": "1"},
        cwd=folder,
    ) as model:
        assert model.stdout.readline() == b"told\n"

        def firing(rule):
            found = requests.get(f"{url}/api/alerts", timeout=60).json()["firing"]
            return [f"/alerts/{one['source']}/{one['fingerprint']}" for one in found if one["rule"] == rule]

        failing, received = until(lambda: firing("MlobsToolFailureRatio")), until(lambda: firing("Disk"))
        feature = until(
            lambda: re.findall(
                r'href="(/drift/feature[^"]*feature=age[^"]*)"',
                requests.get(f"{url}/drift?moved=1", timeout=60).text,
            )
        )
        yield Watched(url, failing[0], min(feature, key=len).replace("&amp;", "&"), received[0])
        model.stdin.close()


PAGES = {
    "alerts": lambda watched: "/alerts",
    "alerts, history": lambda watched: "/alerts?view=history",
    "alerts, deliveries": lambda watched: "/alerts?view=deliveries",
    "alerts, rules": lambda watched: "/alerts?view=rules",
    "alert": lambda watched: f"{watched.failing}?since=1h",
    "alert from elsewhere": lambda watched: watched.received,
    "drift": lambda watched: "/drift",
    "feature": lambda watched: f"{watched.feature}&since=15m",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_used_by_everybody(look, watched, tmp_path, name):
    for theme in ("light", "dark"):
        for width in (WIDE, NARROW):
            seen = look(PAGES[name](watched), url=watched.url, width=width, theme=theme)
            folder = Path(KEPT) if KEPT else tmp_path
            folder.mkdir(exist_ok=True, parents=True)
            picture = folder / f"{name.replace(' ', '-')}-{width}-{theme}.png"
            seen.page.screenshot(path=picture, full_page=True)
            assert seen.check() == []
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_silence_is_made_shown_and_ended_without_scripts(look, watched, tmp_path):
    seen = look(watched.failing, url=watched.url, java_script_enabled=False)
    page = seen.page
    page.get_by_text("Silence", exact=True).first.click()
    form = page.locator("form[action='/alerts/silences']")
    assert 'gen_ai_tool_name="lookup_order"' in form.locator("textarea").input_value()
    form.locator("select").select_option("30m")
    form.locator("input[name=who]").fill("ann")
    form.locator("input[name=why]").fill("the order system moves")
    if KEPT:
        page.screenshot(path=Path(KEPT) / "silence-form.png")
    form.locator("button").click()
    until(lambda: "silenced by ann until" in page.locator(".actions").inner_text())
    assert page.url.endswith(watched.failing)
    page.goto(f"{watched.url}/alerts?view=silences")
    if KEPT:
        page.screenshot(path=Path(KEPT) / "silences.png")
    row = page.locator("tr", has_text="the order system moves")
    assert "holds" in row.inner_text()
    assert "fits 1 alert now" in row.inner_text()
    page.goto(watched.url)
    assert "silenced by ann until" in page.locator(".wrong").inner_text()
    if KEPT:
        page.screenshot(path=Path(KEPT) / "overview.png")
    page.go_back()
    row.get_by_role("button", name="End now").click()
    until(lambda: "over" in row.inner_text())


def test_a_silence_that_fits_nothing_says_so(look, watched):
    page = look("/alerts", url=watched.url, java_script_enabled=False).page
    page.get_by_text("Silence", exact=True).first.click()
    form = page.locator("form[action='/alerts/silences']")
    form.locator("textarea").fill("servicename=shop")
    form.locator("input[name=who]").fill("ann")
    form.locator("input[name=why]").fill("a slip of the pen")
    form.locator("button").click()
    until(lambda: 'none has servicename="shop"' in page.locator("p.note").inner_text())
    if KEPT:
        page.screenshot(path=Path(KEPT) / "doubt.png")
    page.goto(f"{watched.url}/alerts?view=silences")
    row = page.locator("tr", has_text="a slip of the pen")
    row.get_by_role("button", name="End now").click()
    until(lambda: "over" in row.inner_text())
    assert page.locator("p.note").count() == 0


def test_rules_show_which_fire_and_which_only_prometheus_evaluates(look, watched):
    page = look("/alerts?view=rules", url=watched.url).page
    assert "firing" in page.locator("tr", has_text="MlobsToolFailureRatio").first.inner_text()
    assert "in Prometheus only" in page.locator(".figures").inner_text()


def test_a_silence_that_cannot_be_meant_is_refused_with_a_page(look, watched):
    seen = look("/alerts", url=watched.url, java_script_enabled=False)
    seen.page.get_by_text("Silence", exact=True).first.click()
    form = seen.page.locator("form[action='/alerts/silences']")
    form.locator("textarea").fill("name=~.*")
    form.locator("input[name=who]").fill("ann")
    form.locator("input[name=why]").fill("all of it")
    form.locator("button").click()
    until(lambda: "fit alerts without any label" in seen.page.locator("main").inner_text())
    seen.wrong = [one for one in seen.wrong if "400" not in one]  # The browser reports the status.


def test_who_takes_an_alert_on_is_shown_and_their_name_is_remembered(look, watched):
    page = look(watched.failing, url=watched.url).page
    page.get_by_text("Take it on", exact=True).first.click()
    form = page.locator("form[action='/alerts/taken']")
    form.locator("input[name=who]").fill("bob")
    form.locator("input[name=note]").fill("calling the shop")
    form.locator("button").click()
    until(lambda: "taken by bob" in page.locator(".actions").inner_text())
    assert page.locator("form[action='/alerts/silences'] input[name=who]").input_value() == "bob"
    page.goto(f"{watched.url}/alerts")
    assert "taken by bob" in page.locator("#live").inner_text()


def test_an_alert_whose_sender_is_gone_is_ended_by_a_button_and_one_of_a_rule_here_is_not(look, watched):
    """Without scripts; what the server's own rule finds ends with the trouble."""
    body = encoded(alertmanager(alert("Gone")))
    assert requests.post(f"{watched.url}/api/alerts/receive", data=body, headers=JSON, timeout=60).ok
    firing = requests.get(f"{watched.url}/api/alerts", timeout=60).json()["firing"]
    (mark,) = [one["fingerprint"] for one in firing if one["rule"] == "Gone"]
    seen = look(f"/alerts/alertmanager/{mark}", url=watched.url, java_script_enabled=False)
    page = seen.page
    page.get_by_text("End", exact=True).click()
    form = page.locator("form[action='/alerts/ended']")
    form.locator("input[name=who]").fill("ann")
    form.locator("input[name=why]").fill("that Prometheus is gone")
    if KEPT:
        page.screenshot(path=Path(KEPT) / "end-form.png")
    form.locator("button").click()
    until(lambda: "Ended by hand by ann" in page.locator("main").inner_text())
    assert page.get_by_text("End", exact=True).count() == 0
    page.goto(f"{watched.url}/alerts?view=history")
    assert "Ended by hand by ann" in page.locator("main").inner_text()
    page.goto(f"{watched.url}{watched.failing}")
    page.get_by_text("End", exact=True).click()
    assert form.count() == 0
    assert page.get_by_text("ends by itself once the rule no longer holds").is_visible()


def test_dead_letters_are_put_back_by_a_button(look, watched):
    dead = f"{watched.url}/api/alerts/deliveries?state=dead"
    until(lambda: len(requests.get(dead, timeout=60).json()["deliveries"]) == REFUSED)
    page = look("/alerts?view=deliveries&state=dead", url=watched.url).page
    buttons = page.get_by_role("button", name="Put back", exact=True)
    assert buttons.count() == REFUSED
    buttons.first.click()
    until(lambda: buttons.count() == REFUSED - 1)


def test_what_strangers_say_in_alerts_is_shown_as_text(look, watched):
    page = look(watched.received, url=watched.url).page
    assert page.title() != "owned"
    assert "<script>" in page.locator("main").inner_text()
    assert "U+202E" in page.locator("main").inner_text()


def test_a_feature_shows_its_distributions_evidence_traces_and_segments(look, watched):
    seen = look(url=watched.url)
    page, path = seen.page, f"{watched.feature}&since=15m"
    # Exemplars and segments come when the model's metrics do.
    until(lambda: seen.go(path) and page.locator("table.examples tbody tr").count() >= 1)
    text = page.locator("main").inner_text()
    assert "moved" in page.locator("h1").inner_text()
    assert page.locator("svg.chart").count() == 4
    assert page.locator("svg.chart .limit").count() == 1
    assert "Segments" in text
    assert [one.inner_text() for one in page.locator("main .drift th .tag").all()].count("DE") == 1
    rows = page.locator("table.examples tbody tr")
    assert rows.count() >= 1
    rows.first.locator("a").click()
    until(lambda: "predict" in page.locator("h1").inner_text())


def test_an_alert_shows_its_values_beside_the_limit_and_its_runbook(look, watched):
    page = look(f"{watched.failing}?since=1h", url=watched.url).page
    chart = page.locator("svg.chart")
    assert chart.locator(".limit").count() == 1
    assert "50 %" in (chart.get_attribute("data-chart") or "")
    assert page.locator("#runbook h3").first.inner_text() == "What it means"
    assert page.locator("table.examples tbody tr").count() >= 1


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/alerts/mlobs/nothing", 404, "There is no such alert"),
        ("/alerts?view=elsewhere", 400, "one of now, history, deliveries, silences, rules was wanted"),
        ("/alerts?stat=dead", 400, "stat"),
        ("/drift/feature?service=a", 400, "model is missing"),
        ("/drift/feature?service=a&amp;model=b&feature=c", 400, "amp;model"),
        ("/drift/feature?service=a&model=b&feature=c", 404, "Nobody watches this feature now"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_check(watched, path, status, sentence):
    answer = requests.get(f"{watched.url}{path}", headers={"Accept": "text/html"}, timeout=60)
    assert (answer.status_code, sentence in answer.text) == (status, True), answer.text[-1500:]


def test_another_site_changes_nothing(watched):
    form = {"matchers": "a=b", "for": "2h", "who": "x", "why": "y"}
    for path in ("silences", "silences/x/end", "taken", "redrive"):
        answer = requests.post(
            f"{watched.url}/alerts/{path}", data=form, headers={"Sec-Fetch-Site": "cross-site"}, timeout=60
        )
        assert answer.status_code == 403
    assert "a=" not in requests.get(f"{watched.url}/api/alerts/silences", timeout=60).text


def test_who_may_only_read_sees_no_buttons_and_may_not_press_them(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"read {READER}\nadmin {ADMIN}\n")
    tokens.chmod(0o600)
    for url, _ in started(tmp_path / "log", tmp_path / "data", "--tokens", str(tokens)):
        for token, may in ((READER, False), (ADMIN, True)):
            headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
            page = requests.get(f"{url}/alerts", headers=headers, timeout=60)
            assert ('action="/alerts/silences"' in page.text) is may
            form = {"matchers": "a=b", "for": "2h", "who": "x", "why": "y"}
            answer = requests.post(
                f"{url}/alerts/silences", data=form, headers=headers, timeout=60, allow_redirects=False
            )
            assert answer.status_code == (303 if may else 403)
