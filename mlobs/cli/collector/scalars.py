"""What plain words of YAML are to the collector: it reads another edition of YAML than PyYAML does.

There `1e6` and `0o400` are numbers, `yes` and `on` are texts, and `1:30` is no number of seconds.
"""

import re
from functools import cache
from typing import Any

from mlobs._extras import require

BOOL, INT, FLOAT, EQUALS = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "value"))
# What a word of the kind looks like, and what it may begin with; the first that fits is it.
WORDS = (
    (BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    (
        INT,
        re.compile(r"[-+]?(?:0b[01][01_]*|0o?[0-7][0-7_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|0|[1-9][0-9_]*)$"),
        "-+0123456789",
    ),
    (
        FLOAT,
        re.compile(
            r"(?:[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+.0123456789",
    ),
)


def yaml() -> Any:
    """Return PyYAML.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("yaml", extra="server", feature="Reading a collector's configuration")


@cache
def loader() -> Any:
    """Return the loader that takes plain words as the collector does."""
    own = (BOOL, INT, FLOAT, EQUALS)

    class Loader(yaml().SafeLoader):  # type: ignore[misc]
        """Of PyYAML's forms those of times, of nothing and of merging stay."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in forms if tag not in own]
        for first, forms in yaml().SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, form, first in WORDS:
        Loader.add_implicit_resolver(tag, form, list(first))
    return Loader


@cache
def dumper() -> Any:
    """Return the dumper that quotes every text that either edition takes for something else."""

    class Dumper(yaml().SafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    for tag, form, first in WORDS:
        Dumper.add_implicit_resolver(tag, form, list(first))
    return Dumper
