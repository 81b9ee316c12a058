"""`mlobs collector validate` on misspelt keys and values of another kind, beside the real collector."""

import copy
import re
import subprocess

import pytest
import yaml

from mlobs.cli.collector.binary import binary
from mlobs.cli.collector.checks import check
from mlobs.cli.collector.components import COMPONENTS
from mlobs.cli.collector.keys import FILE, known, of_sources, write
from mlobs.cli.collector.opening import opening
from mlobs.cli.collector.reading import Source, merged, read
from mlobs.errors import SettingError
from tests.collectors.files import FOLDER, collector
from tests.collectors.sidecar import build
from tests.collectors.validated import GOOD, found, line_of
from tests.parts import require

TAIL = "  memory_limiter: {check_interval: 1s, limit_mib: 256}\n"


def sampling(policies):
    """Return a configuration with the policies."""
    more = f"  tail_sampling: {{policies: [{policies}]}}\n"
    return GOOD.replace(TAIL, TAIL + more).replace("[memory_limiter]", "[memory_limiter, tail_sampling]")


FAULTS = [
    # (what is changed, into what, the key that is named, what is said with its remedy)
    (
        "check_interval: 1s",
        "chek_interval: 1s",
        "memory_limiter.chek_interval",
        "Did you mean 'check_interval'?",
    ),
    (
        "storage: file",
        "sotrage: file",
        "sending_queue.sotrage",
        "has no setting 'sotrage'. Did you mean 'storage'?",
    ),
    ("grpc: {endpoint:", "grpc: {endpont:", "protocols.grpc.endpont", "Did you mean 'endpoint'?"),
    ("batch: {sizer: bytes}", "batch: {sizr: bytes}", "sending_queue.batch.sizr", "Did you mean 'sizer'?"),
    (
        "    sending_queue:\n",
        "    block_on_overflow: true\n    sending_queue:\n",
        "otlp_http.block_on_overflow",
        "It belongs under sending_queue: write sending_queue: {block_on_overflow: ...}.",
    ),
    (
        "fsync: true",
        'fsync: true, compaction: {on_start: "yes"}',
        "compaction.on_start",
        "Write true or false",
    ),
    ("limit_mib: 256", "limit_mib: 256MiB", "limit_mib", "is a whole number, and '256MiB' is none"),
    (
        "check_interval: 1s",
        "check_interval: 1",
        "check_interval",
        "1 without a unit is 1 nanoseconds. Write 1s",
    ),
    ("check_interval: 1s", "check_interval: 1 sec", "check_interval", "'1 sec' is none. Write a number with"),
    (
        "      batch: {sizer: bytes}\n",
        "      batch: 5\n",
        "sending_queue.batch",
        "holds settings, and 5 is none",
    ),
    (
        "      exporters: [otlp_http]",
        "      exportrs: [otlp_http]",
        "traces.exportrs",
        "Did you mean 'exporters'?",
    ),
    ("service:\n", "service:\n  telemetri: {}\n", "service.telemetri", "Did you mean 'telemetry'?"),
    (
        "service:\n",
        "service:\n  telemetry: {logs: {lvl: debug}}\n",
        "telemetry.logs.lvl",
        "Did you mean 'level'?",
    ),
]


@pytest.mark.parametrize(("part", "into", "key", "said"), FAULTS)
def test_a_setting_that_does_not_exist_or_is_of_another_kind_is_named_by_line_and_remedy(
    part, into, key, said
):
    """Where no collector is at hand, too."""
    assert part in GOOD
    text = GOOD.replace(part, into)
    [line] = [line for line in found(text) if key in line and said in line] or [found(text)]
    assert line.startswith(f"my.yaml:{line_of(key.rpartition('.')[2] + ': ', text)}: ")


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ("{name: slow, type: latencyy, latency: {threshold_ms: 5}}", "Did you mean 'latency'?"),
        ("{name: slow, latency: {threshold_ms: 5}}", "a policy has no type"),
        ("{name: slow, type: latency, latency: {treshold_ms: 5}}", "Did you mean 'threshold_ms'?"),
        ("{name: slow, type: latency, latncy: {threshold_ms: 5}}", "Did you mean 'latency'?"),
        ("{name: slow, type: latency}", "has its settings under latency:, and there are none"),
        (
            "{name: both, type: and, and: {and_sub_policy: [{name: x, type: probabilstic}]}}",
            "0.and.and_sub_policy.0.type: there is no policy of type 'probabilstic'",
        ),
    ],
)
def test_a_policy_that_does_not_exist_is_named(policies, said):
    """The collector's dry run passes it, and its start does not."""
    assert any(said in line for line in found(sampling(policies)))
    assert found(sampling("{name: all, type: always_sample}, {name: slow, type: latency, latency: {}}")) == []


def test_a_variable_that_nothing_reads_is_told(tmp_path):
    """A queue would be at its default, in silence; a variable of the user's own file is none of these."""
    file = tmp_path / "my.yaml"
    file.write_text(GOOD.replace("http://127.0.0.1:4319", "${env:MLOBS_MINE}"))
    given = {"MLOBS_MINE": "https://server", "MLOBS_SIDECAR_QEUE": "/queue", "MLOBS_SIDECAR_QUEUE": "/queue"}
    done = collector("validate", str(file), XDG_CACHE_HOME=str(tmp_path), **given)
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if "nothing reads it" in line]
    assert lines == [
        "note: MLOBS_SIDECAR_QEUE is set and nothing reads it; did you mean MLOBS_SIDECAR_QUEUE?"
    ]


def test_keys_that_cannot_be_written_are_one_sentence_and_the_former_stay(tmp_path):
    """An installed package is not everybody's; half a file would end every validate."""
    file = tmp_path / FILE
    file.write_text("{}")
    write("{1}", file)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(FILE, "{1}")]
    for absent in (tmp_path / "absent" / FILE, tmp_path):
        with pytest.raises(SettingError, match=r"cannot be written: .* Run this in a checkout"):
            write("{}", absent)
    assert [one.name for one in tmp_path.parent.iterdir() if one.name.startswith(f"{tmp_path.name}.")] == []


BROKEN = ("null", "3", "[]", "text", "{a: {b: }}", "[1]", ".inf", "[[1]]", "2024-01-01")
MORE = """
processors:
  redaction: {blocked_key_patterns: [x], ignored_keys: [y]}
  tail_sampling: {policies: [{name: x, type: and, and: {and_sub_policy: [{name: y, type: latency}]}}]}
exporters:
  load_balancing:
    resolver: {static: {hostnames: ["a:1"]}}
    protocol: {otlp: {tls: {insecure: true}}}
  kafka: {brokers: ["a:1"]}
  otlp_http: {auth: {authenticator: bearertokenauth/senders}}
service:
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 8888}}}}]}}
"""


def places(told, path=()):
    for key, inner in told.items() if isinstance(told, dict) else enumerate(told):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


@pytest.mark.slow
def test_whatever_stands_anywhere_it_is_read_without_breaking():
    """Half-written files are what people validate."""
    whole = merged([Source("good.yaml", GOOD), Source("more.yaml", MORE)])
    for path in places(whole):
        for text in BROKEN:
            broken = copy.deepcopy(whole)
            within = broken
            for key in path[:-1]:
                within = within[key]
            within[path[-1]] = yaml.safe_load(text)
            document = read([Source("x.yaml", yaml.safe_dump(broken))], {})
            assert all(str(one) for one in check(document))
            assert opening("x.yaml", document, {})


def test_the_keys_are_those_of_exactly_our_components():
    """Written by the program that is compiled beside them."""
    assert {section: tuple(found) for section, found in known().items() if section != "service"} == COMPONENTS


# Whose settings contain those of an HTTP client or server: the collector passes unknown keys there in
# silence, and what was meant has no effect.
SILENT = (
    "otlp.protocols.http", "prometheus", "resource_detection", "otlp_http", "prometheus_remote_write",
    "health_check.http",
)  # fmt: skip


def with_more(shape, more, path):
    """Return a map with every key of a shape in it, and one that no component has in each map."""
    if isinstance(shape, list):
        return [with_more(shape[0], more, f"{path}.0")]
    if not isinstance(shape, dict):
        return True if shape == "bool" else None
    if set(shape) == {"*"}:
        return {"x": with_more(shape["*"], more, f"{path}.x")}
    told = {key: with_more(inner, more, f"{path}.{key}") for key, inner in shape.items() if key != "*"}
    if "*" not in shape:
        more[path] = f"unknown{len(more)}"
        told[more[path]] = 1
    return told


def without(told, keys):
    if isinstance(told, list):
        return [without(one, keys) for one in told]
    if isinstance(told, dict):
        return {key: without(inner, keys) for key, inner in told.items() if key not in keys}
    return told


def refused(folder, section, name, told):
    """Return the keys that the collector's dry run refuses."""
    document = {"service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}}}
    document.setdefault(section, {})[name] = told
    file = folder / "x.yaml"
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [str(binary()), "validate", f"--config=file:{file}"], capture_output=True, text=True, check=False
    )
    lines = re.findall(r"has invalid keys: (.*)", done.stderr + done.stdout)
    return {key.strip() for line in lines for key in line.split(",")}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("section", "name"), [(one, name) for one in COMPONENTS for name in COMPONENTS[one]])
def test_the_collector_takes_every_key_we_know_and_refuses_what_we_refuse(tmp_path, section, name):
    """In every map of every component: it stops at the first few, so what it named is taken out again."""
    build()
    more = {}
    told = with_more(known()[section][name], more, name)
    left = set(more.values())
    while left and (named := refused(tmp_path, section, name, told)):
        assert named <= left, "the collector refuses a key that we take"
        left -= named
        told = without(told, named)
    passed = {path for path, key in more.items() if key in left and not path.startswith(SILENT)}
    assert passed == set(), "the collector takes what we refuse"
    assert refused(tmp_path, section, name, told) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "into"),
    [
        ("limit_mib: 256", "limit_mib: '256'"),
        ("limit_mib: 256", "limit_mib: true"),
        ("limit_mib: 256", "limit_mib: 256.0"),
        ("limit_mib: 256", "limit_mib: '${env:SIZE:-256}'"),
        ("fsync: true", "fsync: 'true'"),
        ("fsync: true", "fsync: 1"),
        ("fsync: true", "fsync: yes"),
        ("fsync: true", "fsync: on"),
        ("fsync: true", "fsync: True"),
        ("limit_mib: 256", "limit_mib: 1e3"),
        ("limit_mib: 256", "limit_mib: 0o400"),
        ("limit_mib: 256", "limit_mib: 0400"),
        ("limit_mib: 256", "limit_mib: 0x1F"),
        ("limit_mib: 256", "limit_mib: 089"),
        ("limit_mib: 256", "limit_mib: 4:16"),
        ("limit_mib: 256", "limit_mib: '${env:SIZE:-1e3}'"),
        ("check_interval: 1s", "check_interval: '1'"),
        ("check_interval: 1s", "check_interval: 1m30s"),
        ("check_interval: 1s", "check_interval: 1 s"),
        ("check_interval: 1s", "check_interval: 1d"),
        ("max_elapsed_time: 0s", "max_elapsed_time: 0"),
        ("batch: {sizer: bytes}", "batch: [sizer]"),
        ("batch: {sizer: bytes}", "batch: {sizer: [bytes]}"),
    ],
)
def test_a_value_of_another_kind_is_refused_where_the_collector_refuses_it(tmp_path, part, into):
    """And taken where it takes it."""
    build()
    assert part in GOOD
    text = GOOD.replace(part, into).replace("/tmp/token", str(tmp_path / "token"))
    (tmp_path / "token").write_text("x")
    file = tmp_path / "x.yaml"
    file.write_text(text)
    done = subprocess.run(
        [str(binary()), "validate", f"--config=file:{file}"], capture_output=True, check=False
    )
    wrong = [line for line in found(text) if into.partition(":")[0] in line]
    assert bool(wrong) is bool(done.returncode), done.stderr.decode()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_keys_are_what_the_sources_say():
    """`mlobs collector keys` was run after the versions changed."""
    require("go")
    build()  # What is compiled for it is in Go's cache then.
    assert of_sources() == (FOLDER / FILE).read_text()
