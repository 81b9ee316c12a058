"""docker/keys.py: the tokens that the services of Compose show each other."""

import json
import re
import subprocess
import sys

import pytest

from mlobs.server.access.tokens import read_tokens
from tests.docker.files import DOCKER, SERVICES, mounts


def make(folder, *words):
    done = subprocess.run(
        [sys.executable, "-I", DOCKER / "keys.py", folder, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def keys(tmp_path):
    """A folder of keys as they are first made."""
    assert make(tmp_path) == ""
    return tmp_path


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_server_takes_the_file_of_tokens(keys):
    """One for each that shows one, each for one thing; who may only send may not read."""
    tokens = read_tokens(keys / "server/tokens")
    assert sorted(sorted(token.scopes) for token in tokens) == [
        ["admin", "read"],
        ["ingest"],
        ["ingest"],
        ["ingest"],
        ["read"],
        ["read"],
    ]


def test_what_one_shows_the_other_expects(keys):
    """Each pair, and nobody has another's."""
    found = texts(keys)
    assert found["sidecar/headers"] == f"Authorization: Bearer {found['gateway/token']}\n"
    assert found["gateway/sampler-headers"] == f"Authorization: Bearer {found['sampler/token']}\n"
    for who in (
        "gateway/headers",
        "sampler/headers",
        "prometheus/token",
        "grafana/token",
        "alertmanager/token",
    ):
        [token] = re.findall(r"[0-9a-f]{48}", found[who])
        assert f" {token}\n" in found["server/tokens"]
    assert found["server/webhook"] == found["grafana/webhook"]
    made = json.loads(found["all/keys.json"])
    assert len(set(made.values())) == len(made)


def test_a_second_start_changes_nothing(keys):
    """Or every sender would be locked out."""
    before = texts(keys)
    make(keys)
    assert texts(keys) == before


def test_what_is_missing_is_made_and_what_was_lost_is_written_again(keys):
    """A start that was cut off, or a newer release with one more holder."""
    before = texts(keys)
    known = json.loads(before["all/keys.json"])
    del known["grafana"]
    (keys / "all/keys.json").unlink()
    (keys / "all/keys.json").write_text(json.dumps(known))
    (keys / "sampler/token").unlink()
    make(keys)
    after = texts(keys)
    assert after["sampler/token"] == before["sampler/token"]
    assert after["grafana/token"] != before["grafana/token"]
    assert after["gateway/headers"] == before["gateway/headers"]


def test_the_files_of_our_services_are_theirs_alone(keys):
    """Those of others run as other users, so theirs are open, in a folder only they are shown."""
    for path in keys.rglob("*"):
        if path.is_file():
            others = path.parent.name in ("prometheus", "grafana", "alertmanager")
            assert path.stat().st_mode & 0o777 == (0o444 if others else 0o400), path


def test_every_file_that_a_service_names_is_made(keys):
    """And each service is shown its own part of the volume only."""
    found = texts(keys)
    paths = re.compile(r"/run/mlobs/([\w-]+)")
    for name in SERVICES:
        told = [SERVICES[name].get("environment"), SERVICES[name].get("entrypoint")]
        if name in ("prometheus", "alertmanager"):
            told.append((DOCKER / f"{name}.yml").read_text())
        named = set(paths.findall(str(told)))
        subpaths = [mount.subpath for mount in mounts(name) if mount.source == "keys"]
        if name != "keys":
            assert subpaths == ([name] if named else [])
            assert {f"{name}/{file}" for file in named} <= set(found)
    alerting = (DOCKER / "compose.grafana-alerting.yaml").read_text()
    assert {f"grafana/{file}" for file in paths.findall(alerting)} <= set(found)


def test_show_prints_every_door_and_its_key(keys):
    """What somebody needs to log in, at the addresses that are published."""
    shown = make(keys, "show")
    made = json.loads((keys / "all/keys.json").read_text())
    assert all(made[holder] in shown for holder in ("people", "sender", "password", "webhook"))
    assert not any(
        made[holder] in shown
        for holder in ("gateway", "sampler", "router", "prometheus", "grafana", "alertmanager")
    )
    published = {port.rpartition(":")[0] for told in SERVICES.values() for port in told.get("ports", [])}
    assert set(re.findall(r"http://(127\.0\.0\.1:\d+)", shown)) <= published
