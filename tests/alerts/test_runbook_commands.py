"""Each command of the runbooks, filled in as the page of an alert does, and run on a server with data."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import requests

from mlobs.alerts.runbooks import pages
from mlobs.cli import main
from mlobs.semconv import attributes as a
from mlobs.semconv.dialects.rows import TENANT
from mlobs.server.pages.alerts.leads import filled
from tests.alerts.waiting import wait_for
from tests.processes import process

LABELS = {
    a.SERVICE_NAME: "shop", a.REQUEST_MODEL: "gpt-4o", a.AGENT_NAME: "support", a.TOOL_NAME: "look",
    a.PROVIDER_NAME: "openai", a.ERROR_TYPE: "KeyError", a.USER_ID: "dora", TENANT: "acme", a.FEATURE: "age",
    a.NAME: "check", a.SINK: "hook",
}  # fmt: skip
# What whoever is woken has to know, and no alert says.
OWN_WORDS = {"PROFILE", "DATA", "CHEAPER", "NAME@VERSION", "FINGERPRINT", "TEXT"}
WORD = re.compile(r"(?<![A-Za-z_])[A-Z][A-Z@]+(?![a-z_])")
IN_QUESTION = re.compile(r"\"SELECT[^\"]*\"")
# Those that need more than the server: what they say without it.
EXPECTED = {
    "alerts test": (2, "there is none here"),
    "alerts end": (2, "No alert from elsewhere fires"),
    "alerts redrive": (1, "0 dead letters"),
    "alerts check": (2, "cannot be read"),
    "alerts routes": (2, "cannot be read"),
    "drift check": (2, "'PROFILE' cannot be read"),
    "drift profile": (2, "There is no file 'DATA'"),
    "collector run": (2, "MLOBS_ENDPOINT, which is not set"),
}
PROGRAM = """
import sys, mlobs
mlobs.init("shop")

@mlobs.guardrail
def check(text):
    return False

@mlobs.tool
def look(order):
    raise KeyError(order)

@mlobs.llm(model="gpt-4o", provider="openai")
def ask(text):
    mlobs.usage(mlobs.Usage(input=1000, output=0))
    if text == "3":
        raise KeyError(text)

@mlobs.predict(model="churn@7")
def churn(row):
    return 1.0

@mlobs.agent
def support(text):
    check(text)
    try:
        ask(text)
    except KeyError:
        pass
    look(text)

for number in range(5):
    with mlobs.session("c", user="dora", tags={"tenant": "acme"}):
        churn([number])
        try:
            support(str(number))
        except KeyError:
            pass
assert mlobs.flush()
mlobs.shutdown()
"""


def commands():
    """Return each command with the pages that have it; lines of one that is quoted belong together."""
    found = {}
    for name, path in pages().items():
        text = path.read_text(encoding="utf-8")
        shown = re.findall(r'^ {4,}(mlobs [^"\n]*(?:"[^"]*"[^"\n]*)*)$', text, re.MULTILINE)
        for one in (*shown, *re.findall(r"`(mlobs [a-z]+ [a-z]+ [^`]*)`", text)):
            found.setdefault(" ".join(one.split()), []).append(name)
    return found


def test_each_word_in_capitals_is_one_that_the_page_fills_in_or_that_is_known_only_to_people():
    """Else somebody pastes it as it is."""
    labels = {one.label: value for one, value in LABELS.items()}
    left = {}
    for command, names in commands().items():
        text = filled(command, labels, ["ab"])
        assert re.search(r"'[A-Z]+'", text) is None, (text, names)
        words = (
            set(re.findall(r"(?<![A-Za-z_])[A-Z][A-Z@]+(?![a-z_])", IN_QUESTION.sub("", text))) - OWN_WORDS
        )
        if words:
            left[command] = (words, names)
    assert left == {}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The address of a server that has calls of each kind, and one of their traces."""
    folder = tmp_path_factory.mktemp("asked")
    log = folder / "log"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MLOBS_")}
    environment |= {
        "MLOBS_ALERT_WEBHOOK_URL": "http://127.0.0.1:1/",
        "MLOBS_ALERT_WEBHOOK_SECRET": "s" * 32,
        "MLOBS_ALERT_BUDGET_USD": "100",
    }
    command = [sys.executable, "-m", "mlobs", "up", "--port", "0", "--grpc-port", "0", "--data", str(folder)]
    with process(*command, log=log, stdin=subprocess.DEVNULL, env=environment):
        wait_for(lambda: "/api/alerts" in log.read_text(), seconds=150)
        url = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())[0]
        told = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
        subprocess.run([sys.executable, "-c", PROGRAM], env=told, check=True, timeout=150)
        question = {"q": "{service:shop agent:support}", "since": "1h"}

        def traces():
            return requests.get(f"{url}/api/traces", params=question, timeout=60).json()["traces"]

        wait_for(lambda: len(traces()) == 5, seconds=120)
        yield url, traces()[0]["trace_id"]


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_a_command_does_what_it_is_there_for(asked, monkeypatch, capsys, tmp_path, command):
    """With nothing but the server's address; what needs files of ones own says which."""
    url, trace = asked
    monkeypatch.setenv("MLOBS_SERVER", url)
    monkeypatch.chdir(tmp_path)
    labels = {one.label: value for one, value in LABELS.items()}
    words = shlex.split(filled(command, labels, [trace]).replace("CHEAPER", "gpt-4o-mini"))[1:]
    try:
        status = main(words)
    except SystemExit as end:  # argparse
        status = end.code
    out, err = capsys.readouterr()
    wanted, part = EXPECTED.get(" ".join(words[:2]), (0, ""))
    assert (status, part in out + err) == (wanted, True), out + err
    if words[0] in {"traces", "sql"} and not re.search("length|ttfc|TimeToFirstChunk", command):
        assert len(out.strip().splitlines()) > 2, "it finds what it is there for"
