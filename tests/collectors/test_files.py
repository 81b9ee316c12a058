"""The configurations: complete, in the right order, closed to the outside."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mlobs.semconv.attributes import ATTRIBUTES
from tests.processes import MLOBS

FOLDER = Path(__file__).parents[2] / "collectors"
BUILDER = yaml.safe_load((FOLDER / "builder.yaml").read_text())
CONFIGURATIONS = {
    file.stem: yaml.safe_load(file.read_text()) for file in FOLDER.glob("*.yaml") if file.stem != "builder"
}
SIDECAR = CONFIGURATIONS["sidecar"]
SECTIONS = ("receivers", "processors", "exporters", "extensions")


def kinds(section):
    """Return the component types of a section that any configuration uses."""
    return {name.split("/")[0] for found in CONFIGURATIONS.values() for name in found.get(section, ())}


def built_kinds(section):
    """Return the types of the modules: `otlphttpexporter` is `otlp_http` without the underscore."""
    modules = [entry["gomod"].split()[0].rsplit("/", 1)[1] for entry in BUILDER[section]]
    return {re.sub(f"{section.removesuffix('s')}$", "", module) for module in modules}


@pytest.mark.parametrize("section", SECTIONS)
def test_exactly_what_is_used_is_compiled_in(section):
    """What is missing stops the collector; what is unused is size and attack surface."""
    assert {kind.replace("_", "") for kind in kinds(section)} == built_kinds(section)


def test_all_modules_are_of_one_release():
    """Mixed releases compile by luck. The stable modules are numbered by themselves."""
    version = BUILDER["dist"]["version"]
    stable = {entry["gomod"].split()[1] for entry in BUILDER["providers"]}
    assert len(stable) == 1
    for section in SECTIONS:
        assert {entry["gomod"].split()[1] for entry in BUILDER[section]} == {f"v{version}"}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_memory_is_limited_before_anything_else(name):
    """A limiter behind other processors limits what was already taken in."""
    for pipeline in CONFIGURATIONS[name]["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"


def test_nothing_listens_beyond_loopback_unless_told():
    """A sidecar serves one service; it asks nobody for a password."""
    protocols = SIDECAR["receivers"]["otlp"]["protocols"].values()
    addresses = [protocol["endpoint"] for protocol in protocols]
    addresses.append(SIDECAR["extensions"]["health_check"]["endpoint"])
    assert all(re.fullmatch(r"\$\{env:MLOBS_SIDECAR_\w+:-127\.0\.0\.1:\d+\}", text) for text in addresses)


def test_what_is_acknowledged_is_on_disk():
    """Without storage the queue is memory; without fsync it is a promise of the kernel's."""
    queue = SIDECAR["exporters"]["otlp_http"]["sending_queue"]
    assert queue["storage"] in SIDECAR["service"]["extensions"]
    assert SIDECAR["extensions"][queue["storage"]]["fsync"] is True
    assert queue["batch"]
    assert SIDECAR["exporters"]["otlp_http"]["retry_on_failure"]["max_elapsed_time"] == "0s"


def test_every_variable_is_explained_at_the_top():
    """Who runs it reads the first lines and no further."""
    text = (FOLDER / "sidecar.yaml").read_text()
    used = set(re.findall(r"\$\{env:(\w+)", text))
    assert used == set(re.findall(r"^# (MLOBS_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("processor", ["redaction/secrets", "redaction/labels"])
def test_no_name_of_ours_looks_like_a_secret(processor):
    """A pattern that says "token" eats token counts, and cost with them."""
    patterns = SIDECAR["processors"][processor].get("blocked_key_patterns", [])
    assert [row.name for row in ATTRIBUTES for pattern in patterns if re.search(pattern, row.name)] == []


# Put together here, so that no scanner takes this file for a leak.
SECRETS = [
    "sk-" + "proj-" + "a1B2" * 8,
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghp_" + "a1B2c3" * 6,
    "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
    "Authorization: Bearer " + "abcdef0123456789abcdef",
    "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE",
]
HARMLESS = ["sk-short", "task-force", "the bearer of this letter", "AKIA", "eyJust.a.name", "1234567"]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_matches_a_pattern(text):
    """One example for each pattern."""
    assert any(re.search(p, text) for p in SIDECAR["processors"]["redaction/secrets"]["blocked_values"])


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_is_kept(text):
    """Masking too much makes people switch it off."""
    assert not any(re.search(p, text) for p in SIDECAR["processors"]["redaction/secrets"]["blocked_values"])


@pytest.mark.parametrize(
    ("key", "masked"),
    [
        ("http.request.header.authorization", True),
        ("authorization", True),
        ("openai.api_key", True),
        ("db.password", True),
        ("gen_ai.usage.input_tokens", False),
        ("secretary.name", False),
        ("mlobs.tag.password_resets", False),
    ],
)
def test_keys_are_masked_by_what_they_end_in(key, masked):
    """The header with the credential, and not everything with a similar name."""
    patterns = SIDECAR["processors"]["redaction/secrets"]["blocked_key_patterns"]
    assert any(re.search(pattern, key) for pattern in patterns) is masked


def collector(*arguments, **variables):
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MLOBS_")}
    return subprocess.run(
        [*MLOBS, "collector", *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_go_is_missing_the_sentence_says_so(tmp_path):
    """Most machines have no Go."""
    done = collector("build", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "needs Go 1.26 or newer, and no 'go' is on the PATH" in done.stderr


def test_without_an_endpoint_nothing_is_started(tmp_path):
    """The collector itself would say that an endpoint must be specified, not where."""
    done = collector("run", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "sends to $MLOBS_ENDPOINT, which is not set. Give the address of an mlobs server" in done.stderr


def test_a_collector_that_is_not_built_says_how_to_build_it(tmp_path):
    """One command away."""
    done = collector("run", "--endpoint", "http://127.0.0.1:4319", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip().endswith("does not exist. Build it with: mlobs collector build")


def test_an_unknown_configuration_is_named_with_those_there_are():
    """A typo should be seen at once."""
    done = collector("config", "sidcar")
    assert done.returncode == 2
    assert "'sidcar' cannot be read: No such file or directory. Give a file, or one that ships" in done.stderr
    assert "sidecar" in done.stderr


def test_config_prints_the_configuration():
    """To start one's own from."""
    assert collector("config").stdout == (FOLDER / "sidecar.yaml").read_text()
