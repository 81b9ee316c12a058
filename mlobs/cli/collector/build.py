"""`mlobs collector build` and `parts`: the distribution, and the files made from the vocabulary."""

import argparse
import shutil
from pathlib import Path
from typing import Any

from mlobs import assets
from mlobs.cli.collector.binary import BINARY, binary, compile_collector
from mlobs.cli.collector.dialects import dialects_part
from mlobs.cli.collector.measures import measures_part
from mlobs.cli.collector.reading import dumped
from mlobs.cli.collector.secrets import secrets_part
from mlobs.cli.verbs import add_verb

HEADERS = {
    "secrets": """\
# Takes secrets out, and cuts what is too long: in attributes of every type (a map or a list with a
# secret in it becomes text in JSON), names of spans, events, attributes and scopes, status texts,
# log bodies, labels and exemplars of metrics. Not looked at: attributes of links, bytes, units.
# No pattern says "token": counts such as gen_ai.usage.input_tokens are what cost is made of, and
# they are on the ignore list for the day somebody adds such a pattern. Part of gateway and
# all-in-one; the sidecar has the same.
# Written by `mlobs collector parts` from mlobs/cli/collector/secrets.py: change that, not this.
""",
    "dialects": """\
# Makes older and foreign names of spans into those of the current GenAI conventions, and leaves
# the former in place. Part of gateway and all-in-one.
# Written by `mlobs collector parts` from the vocabulary: change that, not this.
""",
    "measures": """\
# Derives metrics from spans, before anything is sampled: those that the server derives, under the
# same names. Part of gateway and all-in-one.
# Written by `mlobs collector parts` from the vocabulary: change that, not this.
#
# Models, agents and tools are labels, and whoever sends may name many. Of durations a service has
# 2,000 series, and what is beyond is one without labels, in the first metric of those that share
# them. Of tokens, cost and time to the first chunk there are 100,000 series in all; new ones beyond
# are left out, which only otelcol_deltatocumulative_datapoints{error="limit"} tells, until others
# have been still for two hours.
#
# MLOBS_DERIVED_METRICS   where Prometheus fetches them             127.0.0.1:8892
# MLOBS_DERIVED_TO        the exporters they go to                  [prometheus/derived]
# MLOBS_DERIVED_EVERY     how often those of durations are renewed  15s
""",
}
FROM = "  # From here on written by `mlobs collector parts`, as parts/secrets.yaml is.\n"
TO = "  # To here.\n"


def register(verbs: Any) -> None:
    """Add `build` and `parts` to the verbs of `collector`."""
    about = "Compile the collector with Go, once; takes minutes."
    build = add_verb(verbs, "build", _build, about)
    build.add_argument(
        "-o", "--output", metavar="DIR", type=Path, help="put it here as well (default: the cache)"
    )
    about = "Write the parts of configurations that are made from the vocabulary."
    parts = add_verb(verbs, "parts", _parts, about)
    parts.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        help="put them here (default: where mlobs has its own)",
    )


def rendered() -> dict[str, str]:
    """Return the text of each part that is made from the vocabulary, by its name."""
    parts = {"secrets": secrets_part(), "dialects": dialects_part(), "measures": measures_part()}
    return {name: HEADERS[name] + dumped(part) for name, part in parts.items()}


def with_secrets(sidecar: str) -> str:
    """Return the sidecar's text with the processors of the secrets' part between its two marks."""
    processors = dumped(secrets_part()).removeprefix("processors:\n")
    before, after = sidecar.partition(FROM)[0], sidecar.partition(TO)[2]
    return f"{before}{FROM}{processors}{TO}{after}"


def _build(arguments: argparse.Namespace) -> int:
    built = binary()
    if not built.exists():
        compile_collector(built)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        built = Path(shutil.copy2(built, arguments.output / BINARY))
    print(built)
    return 0


def _parts(arguments: argparse.Namespace) -> int:
    folder = arguments.output or Path(str(assets.root() / "collectors" / "parts"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        file = folder / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")
        print(file)
    if not arguments.output:
        sidecar = folder.parent / "sidecar.yaml"
        sidecar.write_text(with_secrets(sidecar.read_text(encoding="utf-8")), encoding="utf-8")
        print(sidecar)
    return 0
