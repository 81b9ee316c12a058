"""`mlobs collector validate` without a collector: each fault by file, line, key and remedy."""

import subprocess

import pytest
import yaml

from mlobs.cli.collector.configurations import routes, sources
from mlobs.cli.collector.reading import Source, merged, read
from mlobs.errors import DataError, SettingError
from tests.collectors.files import collector
from tests.collectors.validated import GOOD, found, line_of
from tests.processes import MLOBS


def test_a_good_configuration_has_nothing_wrong_with_it():
    """Or nobody reads what is found."""
    assert found(GOOD) == []


FAULTS = [
    # (what is changed, into what, the key that is named, what is said, the remedy)
    (
        "  otlp:\n",
        "  otpl:\n",
        "receivers.otpl",
        "has no receiver 'otpl'. Did you mean 'otlp'?",
        "It has: otlp",
    ),
    ("  otlp_http:\n", "  kafak:\n", "exporters.kafak", "Did you mean 'kafka'?", "It has:"),
    (
        "receivers: [otlp]",
        "receivers: [otpl]",
        "traces.receivers.0",
        "'otpl', which is not defined",
        "Define it",
    ),
    ("service:\n", "servcie:\n", "servcie", "no section 'servcie'. Did you mean 'service'?", "Did you mean"),
    (
        "http://127.0.0.1:4319",
        "${env:WHERE}",
        "exporters.otlp_http.endpoint",
        "$WHERE is not set",
        "${env:WHERE:-value}",
    ),
    (
        '"127.0.0.1:4317"',
        "0.0.0.0:4317",
        "receivers.otlp.protocols.grpc.endpoint",
        "listens beyond this machine",
        "add auth:",
    ),
    ('"127.0.0.1:4317"', '":4317"', "receivers.otlp.protocols.grpc.endpoint", "listens beyond", "add auth:"),
    (
        '"127.0.0.1:4317"',
        '"[::]:4317"',
        "receivers.otlp.protocols.grpc.endpoint",
        "listens beyond",
        "add auth:",
    ),
    (
        "      storage: file_storage/queue\n",
        "",
        "exporters.otlp_http.sending_queue",
        "is in memory, and a crash loses",
        "Add sending_queue: {storage:",
    ),
    (
        "storage: file_storage/queue",
        "storage: file_storage/queu",
        "sending_queue.storage",
        "no extension 'file_storage/queu'",
        "Define it",
    ),
    ("max_elapsed_time: 0s", "max_interval: 30s", "retry_on_failure", "gives up after a while", "0s}"),
    ("fsync: true", "fsync: false", "extensions.file_storage/queue", "a power cut loses", "Add fsync: true"),
    (
        "processors: [memory_limiter]",
        "processors: []",
        "traces.processors",
        "no memory_limiter",
        "first processor",
    ),
    (
        "extensions: [file_storage/queue, bearertokenauth/senders]",
        "extensions: [file_storage/queue]",
        "extensions.bearertokenauth/senders",
        "not listed in service: extensions:",
        "List it there",
    ),
    (
        "    traces:\n",
        "    trace:\n",
        "service.pipelines.trace",
        "'trace' is no signal",
        "Name pipelines traces",
    ),
    ("      exporters: [otlp_http]\n", "", "service.pipelines.traces", "has no exporters", "Add exporters:"),
]


@pytest.mark.parametrize(("part", "into", "key", "said", "remedy"), FAULTS)
def test_a_fault_is_named_by_line_and_key_and_remedy(part, into, key, said, remedy):
    """Who reads it can mend it without looking further."""
    assert part in GOOD
    lines = [line for line in found(GOOD.replace(part, into)) if key in line and said in line]
    assert lines, found(GOOD.replace(part, into))
    assert lines[0].startswith("my.yaml:")
    assert remedy in lines[0]


def test_the_line_is_the_key_s_own():
    """Of the file as it is written."""
    text = GOOD.replace('"127.0.0.1:4317"', "0.0.0.0:4317")
    [line] = found(text)
    assert line.startswith(f"my.yaml:{line_of('0.0.0.0', text)}: receivers.otlp")


def test_a_receiver_that_asks_for_a_token_may_be_open():
    """That is what the gateway does."""
    text = GOOD.replace(
        '{endpoint: "127.0.0.1:4317"}',
        "{endpoint: 0.0.0.0:4317, auth: {authenticator: bearertokenauth/senders}}",
    )
    assert found(text) == []


def test_a_limiter_that_is_not_first_is_told_to_move():
    """What stands before it has taken the memory already."""
    text = GOOD.replace("  memory_limiter: {", "  batch: {}\n  memory_limiter: {")
    text = text.replace("[memory_limiter]", "[batch, memory_limiter]")
    lines = found(text)
    assert any("is not first in the pipeline 'traces'" in line for line in lines)
    assert any("'batch' acknowledges what is only in its memory" in line for line in lines)


RENAMED = (
    "exporters.otlphttp: note: 'otlphttp' is called 'otlp_http' now; the old name is on its way out. "
    "Rename it here and in service:."
)


def test_old_names_and_unused_parts_are_notes_and_no_errors():
    """The collector takes them still."""
    text = GOOD.replace("otlp_http", "otlphttp").replace("exporters:\n", "exporters:\n  debug: {}\n", 1)
    lines = found(text)
    assert [line.partition(": ")[2] for line in lines] == [
        "exporters.debug: note: 'debug' is in no pipeline. Name it in one, or remove it.",
        RENAMED,
    ]


def test_a_connector_needs_two_ends():
    """Data that goes in and nowhere out is lost."""
    text = GOOD.replace("exporters: [otlp_http]", "exporters: [otlp_http, forward/out]")
    text += "connectors: {forward/out: }\n"
    assert any("'forward/out' is only among exporters" in line for line in found(text))


def test_own_metrics_beyond_this_machine_are_noted():
    """They name services and addresses."""
    text = GOOD.replace(
        "service:\n",
        "service:\n  telemetry:\n    metrics:\n      readers:\n"
        "        - pull: {exporter: {prometheus: {host: 0.0.0.0, port: 8888}}}\n",
    )
    [line] = found(text)
    assert "service.telemetry.metrics.readers.0.pull.exporter.prometheus.host: note:" in line


def test_a_pattern_that_eats_token_counts_is_found():
    """And cost with them."""
    text = GOOD.replace(
        "processors:\n", "processors:\n  redaction: {blocked_key_patterns: ['.*token.*']}\n", 1
    )
    text = text.replace("[memory_limiter]", "[memory_limiter, redaction]")
    [line] = found(text)
    assert "also masks gen_ai.usage.input_tokens" in line


def test_a_key_that_stands_twice_is_found():
    """The second silently wins elsewhere; the collector refuses."""
    assert any("stands twice" in line for line in found(GOOD + "receivers: {}\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("receivers: [otlp\n", "my.yaml, line 2, column 1: not YAML"),
        ("receivers:\n\totlp: {}\n", "my.yaml, line 2, column 1: not YAML"),
        ("- receivers\n", "my.yaml, line 1: a configuration is a map"),
    ],
)
def test_what_is_no_yaml_is_named_by_line(text, said):
    """An unclosed bracket is found where the parser noticed."""
    with pytest.raises(DataError, match=said):
        read([Source("my.yaml", text)], {})


def test_an_empty_file_has_no_service():
    """It is YAML, and starts nothing."""
    assert found("") == [
        "service: there is no service: section, so nothing would run. Add one with pipelines:."
    ]


@pytest.mark.parametrize("value", ["null", "3", "[]", "text", "{a: {b: }}"])
@pytest.mark.parametrize("section", ["receivers", "exporters", "processors", "service", "extensions"])
def test_whatever_a_section_is_it_is_told_and_nothing_breaks(section, value):
    """Half-written files are what people validate."""
    document = yaml.safe_load(GOOD)
    document[section] = yaml.safe_load(value)
    assert found(yaml.safe_dump(document))


def test_a_variable_is_replaced_before_it_is_judged():
    """An address by variable is judged by what it is here."""
    text = GOOD.replace('"127.0.0.1:4317"', "'${env:LISTEN:-127.0.0.1:4317}'")
    assert found(text) == []
    assert "listens beyond" in found(text, LISTEN="0.0.0.0:4317")[0]


def test_the_command_says_what_is_wrong_and_ends_with_1(tmp_path):
    """Also where no collector is built; then it says that it only read."""
    file = tmp_path / "my.yaml"
    file.write_text(GOOD.replace('"127.0.0.1:4317"', "0.0.0.0:4317"))
    done = collector("validate", str(file), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert f"{file}:7: receivers.otlp.protocols.grpc.endpoint: '0.0.0.0:4317' listens" in done.stderr
    file.write_text(GOOD)
    done = collector("validate", str(file), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0
    assert "The collector itself did not try it" in " ".join(done.stderr.split())


def test_missing_variables_are_told_with_what_they_are_for(tmp_path):
    """Before anything is started."""
    done = collector("run", "gateway", "--endpoint", "http://127.0.0.1:4319", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "$MLOBS_GATEWAY_TOKEN_FILE (the file with the token that senders show)" in done.stderr


def test_config_prints_one_file_that_says_the_same_as_its_parts():
    """For who mounts one file: every pipeline names its sinks."""
    done = collector("config", "sampler", "--sink", "clickhouse", "--sink", "mlobs")
    document = yaml.safe_load(done.stdout)
    assert document["service"]["pipelines"]["traces"]["exporters"] == ["clickhouse", "otlp_http/mlobs"]
    assert set(document["exporters"]) == {"clickhouse", "otlp_http/mlobs"}
    whole = merged(sources("sampler", ["clickhouse", "mlobs"]))
    assert document["processors"] == whole["processors"]
    assert "# MLOBS_SAMPLER_WAIT " in done.stdout


def test_a_signal_without_a_sink_is_refused():
    """Remote write takes metrics; the logs would be lost in silence."""
    with pytest.raises(
        SettingError, match=r"The logs of 'gateway' would go nowhere: remote-write takes none"
    ):
        routes("gateway", ["remote-write"])


def test_a_sink_that_does_not_exist_is_named_with_those_there_are():
    """A typo should be seen at once."""
    with pytest.raises(SettingError, match=r"There is no sink 'kafak'. There are: mlobs, clickhouse, kafka"):
        sources("gateway", ["kafak"])


def test_the_sidecar_takes_no_sink():
    """It sends to one place."""
    with pytest.raises(SettingError, match="takes no --sink"):
        sources("sidecar", ["kafka"])


def test_reading_a_configuration_needs_no_server_packages_to_explain_itself():
    """`mlobs collector --help` works in any installation."""
    done = subprocess.run([*MLOBS, "collector", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "validate" in done.stdout
