"""`mlobs collector validate`: who reaches a collector, what added files take out, what was missed once."""

import argparse

import pytest

from mlobs.cli.collector.checks import check
from mlobs.cli.collector.configurations import WEIGHTS, sources
from mlobs.cli.collector.reading import Source, read
from mlobs.cli.collector.run import command, variables
from tests.collectors.files import collector
from tests.collectors.validated import GOOD, found


def with_part(part, into):
    assert part in GOOD
    return found(GOOD.replace(part, into))


def test_an_authenticator_that_no_extension_has_is_found():
    """The collector's dry run does not see it, and it does not start."""
    [line] = with_part(
        '{endpoint: "127.0.0.1:4317"}',
        "{endpoint: 0.0.0.0:4317, auth: {authenticator: bearertokenauth/nope}}",
    )
    assert "auth.authenticator: there is no extension 'bearertokenauth/nope'. Define it" in line
    text = with_part('{endpoint: "127.0.0.1:4317"}', "{endpoint: 0.0.0.0:4317, auth: {x: 1}}")
    assert any("listens beyond this machine" in line for line in text)


@pytest.mark.parametrize(
    "address", ["http://gateway.example:4328", "http://10.0.0.7:4328", "http://gateway.example/otlp"]
)
def test_a_token_in_clear_text_is_noted(address):
    """Whoever is on the way can read it, and everything else."""
    [line] = with_part("http://127.0.0.1:4319", address)
    assert f"note: 'otlp_http' sends to '{address}' without TLS, its token too. Use https://" in line
    assert with_part("http://127.0.0.1:4319", "https://gateway.example:4328") == []


def test_a_certificate_that_is_not_looked_at_is_noted():
    """Anybody may answer then."""
    [line] = with_part(
        "    endpoint: http://127.0.0.1:4319\n",
        "    endpoint: https://gateway.example\n    tls: {insecure_skip_verify: true}\n",
    )
    assert "tls.insecure_skip_verify: note: 'otlp_http' sends its token to whoever answers" in line


def test_samplers_beyond_this_machine_without_tls_are_noted_once():
    """Eight exporters share the text."""
    files = sources("gateway")
    beyond = {"MLOBS_SAMPLERS": "[sampler-0.example:4337]", "MLOBS_SAMPLER_INSECURE": "true"}
    given = {"MLOBS_ENDPOINT": "https://server", "MLOBS_GATEWAY_TOKEN_FILE": "token", **beyond}
    [line] = map(str, check(read(files, given)))
    assert "sends to 'sampler-0.example:4337' without TLS" in line


def test_derived_metrics_and_probes_that_anybody_reaches_are_noted():
    """They name every model, agent and tool."""
    given = {"MLOBS_ENDPOINT": "https://server", "MLOBS_GATEWAY_TOKEN_FILE": "token"}
    opened = {"MLOBS_DERIVED_METRICS": "0.0.0.0:8892", "MLOBS_GATEWAY_HEALTH": "0.0.0.0:13143"}
    lines = [str(one) for one in check(read(sources("gateway"), {**given, **opened}))]
    assert len(lines) == 2
    assert any("exporters.prometheus/derived.endpoint: note:" in line for line in lines)
    assert any("extensions.health_check.endpoint: note:" in line for line in lines)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("${WHERE}", "$WHERE is not set"),
        ("${env:A:-${env:WHERE}}", "$WHERE is not set"),
    ],
)
def test_every_way_to_write_a_variable_is_read(variable, said):
    """Also a default that is another variable."""
    assert any(said in line for line in with_part("http://127.0.0.1:4319", variable))
    assert found(GOOD.replace("http://127.0.0.1:4319", variable), WHERE="https://server") == []


@pytest.mark.parametrize(
    ("part", "into", "said"),
    [
        ("receivers: [otlp]", "receivers: otlp", "receivers is a list, and 'otlp' is none. Write [otlp]."),
        ("  otlp_http:\n", "  otlp_http/:\n", "ends with a slash"),
        (
            '      grpc: {endpoint: "127.0.0.1:4317"}\n',
            '      grpc: {endpoint: "127.0.0.1:4317"}\n      http: {endpoint: "127.0.0.1:4317"}\n',
            "listens already",
        ),
        (
            "processors:\n",
            "processors:\n  redaction: {blocked_key_patterns: ['output_tokens$']}\n",
            "also masks gen_ai.usage.output_tokens",
        ),
    ],
)
def test_what_was_missed_once_is_found(part, into, said):
    """Each of these passed the checks, and some the collector's dry run."""
    assert any(said in line for line in found(GOOD.replace(part, into, 1)))


@pytest.mark.parametrize(
    ("part", "into"),
    [
        ("max_elapsed_time: 0s", "max_elapsed_time: 0m"),
        ("max_elapsed_time: 0s", "<<: {max_elapsed_time: 0s}"),
    ],
)
def test_what_is_right_is_not_told_off(part, into):
    """Nought is nought in any unit, and YAML's merge key is no key."""
    assert with_part(part, into) == []


GIVEN = {"MLOBS_ENDPOINT": "https://server", "MLOBS_SAMPLER_TOKEN_FILE": "t", "MLOBS_GATEWAY_TOKEN_FILE": "t"}


def validated(tmp_path, name, text, *more, **variables):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return collector(
        "validate", name, *more, "--with", str(file), XDG_CACHE_HOME=str(tmp_path), **GIVEN, **variables
    )


def test_a_list_of_yours_that_replaces_ours_is_told(tmp_path):
    """Lists are not joined: one policy of yours is the only policy."""
    text = "processors: {tail_sampling: {policies: [{name: mine, type: always_sample}]}}\n"
    done = validated(tmp_path, "sampler", text)
    assert done.returncode == 0
    assert "this replaces the list of" in done.stderr
    assert "these are in it no more: errors, slow, costly, judged-badly" in done.stderr


@pytest.mark.parametrize(
    "name", ["sidecar", *(pytest.param(one, marks=pytest.mark.slow) for one in ("gateway", "all-in-one"))]
)
def test_a_pipeline_that_loses_its_redaction_is_an_error(tmp_path, name):
    """It is what the tier is there for."""
    text = "service: {pipelines: {traces: {processors: [memory_limiter]}}}\n"
    done = validated(tmp_path, name, text)
    assert done.returncode == 1
    assert "without 'redaction/secrets' the secrets in traces go through" in done.stderr


@pytest.mark.slow
def test_an_extension_that_a_list_of_yours_leaves_out_is_told_with_that_list(tmp_path):
    """The fault is in the file that replaced it."""
    done = validated(tmp_path, "gateway", "service: {extensions: [health_check]}\n")
    assert done.returncode == 1
    assert f"not listed in service: extensions: ({tmp_path / 'mine.yaml'}:1)" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLOBS_SAMPLER_COSTLY_USD", "a quarter"),
        ("MLOBS_SAMPLER_SCORE_BELOW", "0.5 or true"),
        ("MLOBS_SAMPLER_BASE_PERCENT", "150"),
        ("MLOBS_SAMPLER_SLOW_MS", "30s"),
        ("MLOBS_SAMPLER_METRICS_PORT", "nan"),
    ],
)
def test_a_text_where_a_number_belongs_is_refused(tmp_path, variable, value):
    """The collector would not start, or put it into a condition."""
    done = collector("run", "sampler", XDG_CACHE_HOME=str(tmp_path), **GIVEN, **{variable: value})
    assert done.returncode == 2
    assert f"${variable} is {value!r}. Give a number" in done.stderr


def test_what_is_scraped_needs_the_name_of_its_service(tmp_path):
    """Or all services would write one series."""
    scraped = {"MLOBS_SIDECAR_SCRAPE": "[127.0.0.1:9464]"}
    done = collector("run", XDG_CACHE_HOME=str(tmp_path), **GIVEN, **scraped)
    assert "Set $MLOBS_SIDECAR_SCRAPE_JOB to the service's name" in done.stderr


@pytest.mark.parametrize("name", ["tail_sampling", "tail_sampling/mine"])
def test_whoever_samples_gets_the_weights(name, tmp_path, monkeypatch):
    """Under any name the processor has; without them every count is too small, silently."""
    built = tmp_path / "mlobs-collector"
    built.touch()
    monkeypatch.setattr("mlobs.cli.collector.run.binary", lambda: built)
    file = Source("x.yaml", f"processors:\n  {name}: {{}}\n")
    assert command("", [file], {})[-1] == WEIGHTS


@pytest.mark.parametrize(
    ("samplers", "insecure"),
    [(None, "true"), ("[127.0.0.1:4337, localhost:4338]", "true"), ("[127.0.0.1:4337, s-1:4337]", None)],
)
def test_only_samplers_on_this_machine_are_sent_to_without_tls(monkeypatch, samplers, insecure):
    """The token to tier two is no business of the network's."""
    monkeypatch.delenv("MLOBS_SAMPLERS", raising=False)
    monkeypatch.delenv("MLOBS_SAMPLER_INSECURE", raising=False)
    if samplers:
        monkeypatch.setenv("MLOBS_SAMPLERS", samplers)
    given = argparse.Namespace(configuration="gateway", sink=[], endpoint="")
    assert variables(given).get("MLOBS_SAMPLER_INSECURE") == insecure


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    """The collector would read the file of no name, and not start; a script has often just left it empty."""
    monkeypatch.setenv("MLOBS_HEADERS_FILE", "")
    monkeypatch.setenv("MLOBS_TOKEN_FILE", "")
    monkeypatch.setenv("ELSE", "")
    found = variables(argparse.Namespace(configuration="sidecar", sink=[], endpoint="http://server"))
    assert "MLOBS_HEADERS_FILE" not in found
    assert "MLOBS_TOKEN_FROM_FILE" not in found
    assert found["ELSE"] == ""
