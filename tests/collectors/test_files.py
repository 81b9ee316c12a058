"""The configurations: complete, in the right order, closed to the outside."""

import re

import pytest

from mlobs.cli.collector.build import rendered, with_secrets
from mlobs.cli.collector.checks import check
from mlobs.cli.collector.components import COMPONENTS
from mlobs.cli.collector.configurations import CONFIGURATIONS, SINKS, routes, sources
from mlobs.cli.collector.measures import measures_part
from mlobs.cli.collector.reading import merged, read, required
from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.dialects import DIALECTS
from mlobs.semconv.dialects.providers import PAIRS, PROVIDER_AND_FORMAT, PROVIDERS
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.events import EVENTS
from mlobs.semconv.metrics import DERIVED, METRICS
from tests.collectors.files import FOLDER, collector
from tests.yamls import loaded

BUILDER = loaded((FOLDER / "builder.yaml").read_text())
FILES = [file for file in sorted(FOLDER.rglob("*.yaml")) if file.stem != "builder"]
PARTS = {str(file.relative_to(FOLDER).with_suffix("")): loaded(file.read_text()) for file in FILES}
SIDECAR = PARTS["sidecar"]
SECTIONS = ("receivers", "processors", "connectors", "exporters", "extensions")
# Whole configurations, as `mlobs collector` puts them together.
WHOLE = {name: merged(sources(name)) for name in CONFIGURATIONS}


def kinds(section):
    """Return the component types of a section that any configuration uses."""
    return {name.split("/")[0] for found in PARTS.values() for name in found.get(section, ())}


def built_kinds(section):
    """Return the types of the modules: `otlphttpexporter` is `otlp_http` without the underscore."""
    modules = [entry["gomod"].split()[0].rsplit("/", 1)[1] for entry in BUILDER[section]]
    found = {re.sub(f"{section.removesuffix('s')}$", "", module) for module in modules}
    return {"otlpgrpc" if (section, kind) == ("exporters", "otlp") else kind for kind in found}


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


def test_the_checks_know_exactly_what_is_compiled_in():
    """What they call unknown the collector must not have, and the other way round."""
    for section in SECTIONS:
        assert set(COMPONENTS[section]) == kinds(section)


@pytest.mark.parametrize("name", WHOLE)
def test_memory_is_limited_before_anything_else(name):
    """Where it comes in: a refusal behind a fork makes the sender repeat what the other branch took."""
    connectors = WHOLE[name].get("connectors", {}).keys()
    for pipeline in WHOLE[name]["service"]["pipelines"].values():
        inner = set(pipeline["receivers"]) <= connectors
        assert ("memory_limiter" in pipeline["processors"]) is not inner
        assert inner or pipeline["processors"][0] == "memory_limiter"


@pytest.mark.parametrize("part", ["secrets", "dialects", "measures"])
def test_what_is_made_from_the_vocabulary_is_as_it_says_now(part):
    """`mlobs collector parts` was run after the vocabulary changed."""
    assert (FOLDER / "parts" / f"{part}.yaml").read_text() == rendered()[part]


NAMES = {row.name for row in (*ATTRIBUTES, *METRICS, *EVENTS)}
FOREIGN = {marker for one in DIALECTS for marker in one.markers} | {
    source.key for one in DIALECTS for found in one.sources.values() for source in found
}
FOREIGN |= {key for one in DIALECTS for meaning in one.meanings for key in (meaning.key, meaning.name_key)}
FOREIGN |= set(PROVIDER_AND_FORMAT) | {TENANT.name}
# What the collector itself calls things.
THEIRS = {
    "host.name", "redaction.ignored.count", "otel.metric.overflow", "span.name", "span.kind", "status.code",
    "collector.instance.id", "tailsampling.cached_decision", "tailsampling.policy",
}  # fmt: skip
# Values with dots: providers, and what other tools call kinds of spans.
VALUES = {*PROVIDERS, *PROVIDERS.values(), *PAIRS.values()}
VALUES |= {meaning.value for one in DIALECTS for meaning in one.meanings}
VALUES |= {fact for one in DIALECTS for meaning in one.meanings for fact in meaning.facts.values()}
NAMED = re.compile(r'(?<=")[A-Za-z_]+(?:\.[A-Za-z_0-9-]+)+(?=")|(?<=name: |.key: )[a-z_]+\.[a-z_.]+')


@pytest.mark.parametrize("part", PARTS)
def test_every_name_in_a_configuration_is_in_the_vocabulary(part):
    """A name that changes there must not live on here."""
    text = (FOLDER / f"{part}.yaml").read_text()
    for shared in re.findall(r"^\s+namespace: (\S+)$", text, re.MULTILINE):
        assert any(name.startswith(shared) for name in NAMES)
        text = re.sub(rf'"{re.escape(shared)}\.(calls|duration)"', "", text)
    found = {name for line in text.splitlines() for name in NAMED.findall(line)}
    assert found - NAMES - FOREIGN - THEIRS - VALUES == set()


def test_secrets_are_taken_out_at_the_gateway_as_beside_the_service():
    """Who sends past a sidecar is not less careful for it."""
    processors = PARTS["parts/secrets"]["processors"]
    assert processors == {name: SIDECAR["processors"][name] for name in processors}
    text = (FOLDER / "sidecar.yaml").read_text()
    assert with_secrets(text) == text
    for name in ("gateway", "all-in-one"):
        for signal in ("traces", "logs"):
            assert "redaction/secrets" in WHOLE[name]["service"]["pipelines"][signal]["processors"]


def test_all_metrics_that_the_server_derives_are_derived_by_the_gateway():
    """Under the same name, with the same unit, labels and bounds."""
    measures = measures_part()
    amounts = {one["name"]: one for one in measures["connectors"]["signal_to_metrics/amounts"]["spans"]}
    for metric in DERIVED:
        if metric.measures:
            made = amounts[metric.name]
            assert made["unit"] == metric.unit
            assert [label["key"] for label in made["attributes"]] == [label.name for label in metric.labels]
            assert tuple(made.get("histogram", {}).get("buckets", ())) == metric.buckets
        else:
            [shared] = [
                one
                for name, one in measures["connectors"].items()
                if name.startswith("span_metrics/") and metric.name.startswith(one["namespace"] + ".")
            ]
            names = {label["name"] for label in shared["dimensions"]}
            assert names >= {label.name for label in metric.labels}
            assert len(shared["histogram"]["explicit"]["buckets"]) == len(metric.buckets)


def test_nothing_listens_beyond_loopback_unless_told():
    """A sidecar serves one service; it asks nobody for a password."""
    protocols = SIDECAR["receivers"]["otlp"]["protocols"].values()
    addresses = [protocol["endpoint"] for protocol in protocols]
    addresses.append(SIDECAR["extensions"]["health_check"]["endpoint"])
    assert all(re.fullmatch(r"\$\{env:MLOBS_SIDECAR_\w+:-127\.0\.0\.1:\d+\}", text) for text in addresses)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("sink", SINKS)
def test_our_own_configurations_have_nothing_wrong_with_them(name, sink):
    """Every check of `mlobs collector validate`, with every sink: queues on disk, tokens, limiters."""
    sinks = () if name == "sidecar" else tuple(dict.fromkeys((sink, "mlobs")))
    files = sources(name, sinks)
    variables = {**dict.fromkeys(required(files), "x"), **routes(name, sinks)}
    unused = [found for found in check(read(files, variables)) if "is in no pipeline" not in found.text]
    assert unused == []


@pytest.mark.parametrize("part", PARTS)
def test_every_variable_is_explained_at_the_top(part):
    """Who runs it reads the first lines and no further."""
    text = (FOLDER / f"{part}.yaml").read_text()
    used = set(re.findall(r"\$\{env:(\w+)", text))
    assert used == set(re.findall(r"^# (MLOBS_\w+)", text, re.MULTILINE))


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
