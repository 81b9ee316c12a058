"""Which statements of a client that may only read are run, and in which format and with which settings.

The check is the one for users' SQL (`ask.guard`). What is more here: clients end a statement in FORMAT,
SETTINGS and a semicolon, which are taken off and judged apart, and ask a few more of the engine's own tables
when they connect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlobs.server.ask.console import SECONDS_MIN
from mlobs.server.ask.guard import SYSTEM_TABLES, tokens_problem
from mlobs.server.clickhouse.refusal import (
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    READONLY,
    UNKNOWN_FORMAT,
    ClickHouseError,
)

TOKENS = (
    "SELECT t.type AS kind, hex(substring({statement:String}, t.begin + 1, t.end - t.begin)) AS text, "
    "t.begin AS begin FROM (SELECT arrayJoin(tokenizeQuery({statement:String})) AS t) "
    "WHERE kind NOT IN ('Whitespace', 'Comment')"
)
# What clients read when they connect or help to write a statement.
TABLES = SYSTEM_TABLES | {
    f"system.{name}"
    for name in (
        "aggregate_function_combinators", "build_options", "collations", "contributors", "data_type_families",
        "databases", "formats", "keywords", "settings", "table_engines", "table_functions", "tables",
        "time_zones",
    )
} | {
    f"{schema}.{name}"
    for schema in ("information_schema", "INFORMATION_SCHEMA")
    for name in ("columns", "schemata", "tables", "COLUMNS", "SCHEMATA", "TABLES")
}  # fmt: skip
# Formats that need a file beside them, or are not for HTTP.
FORMATS_REFUSED = frozenset({
    "CapnProto", "MySQLWire", "ODBCDriver2", "PostgreSQLWire", "Protobuf", "ProtobufList", "ProtobufSingle",
    "Template", "TemplateIgnoreSpaces",
})  # fmt: skip
# Settings that a reader may give: how an answer is written, what a name means, and lower limits.
PREFIX, PREFIX_REFUSED = "output_format_", "output_format_schema"  # The latter writes a file.
SETTINGS = frozenset({
    "allow_experimental_analyzer", "cast_keep_nullable", "cast_string_to_dynamic_use_inference",
    "date_time_input_format", "date_time_output_format", "enable_analyzer", "extremes", "final",
    "format_csv_delimiter", "format_tsv_null_representation", "format_csv_null_representation",
    "group_by_use_nulls", "join_use_nulls", "limit",
    "max_block_size", "max_rows_to_read", "max_bytes_to_read",
    "max_threads", "offset", "prefer_column_name_to_alias", "result_overflow_mode", "session_timezone",
})  # fmt: skip
LIMITS = ("max_execution_time", "max_memory_usage", "max_result_rows", "max_result_bytes")
NO_WRITING = (
    "Nothing is inserted here but with a token for admin, where the server has MLOBS_CLICKHOUSE_WRITES=1."
)
READONLY_SETTING = "readonly"  # Everybody who reads here is; that a client says so too changes nothing.


@dataclass(frozen=True)
class Statement:
    """A statement without what stood behind it."""

    text: str
    form: str
    settings: Mapping[str, str]


OPEN, CLOSED = "OpeningCurlyBrace", "ClosingCurlyBrace"
Token = tuple[str, str, int]  # Kind, text, and where it begins, in bytes.


def parted(statement: str, tokens: Sequence[Token]) -> Statement:
    """Take FORMAT, SETTINGS and semicolons off the end of a statement.

    Raises:
        ClickHouseError: What is left is nothing that may be run, as far as its words show.
    """
    if [text.upper() for _, text, _ in tokens[:1]] == ["INSERT"]:  # Its data may be no text that can be read.
        raise ClickHouseError(READONLY, f"INSERT came. {NO_WRITING}")
    left, form, settings = list(tokens), "", dict[str, str]()
    while left:
        words = [text.upper() if kind == "BareWord" else "" for kind, text, _ in left]
        if left[-1][0] == "Semicolon":
            left.pop()
        elif not form and len(left) > 2 and words[-2] == "FORMAT" and words[-1]:
            form = left[-1][1]
            del left[-2:]
        elif not settings and "SETTINGS" in words and (found := _assignments(left, words)):
            settings = found
            del left[len(words) - 1 - words[::-1].index("SETTINGS") :]
        else:
            break
    if wrong := tokens_problem([(kind, text) for kind, text, _ in left]):
        raise ClickHouseError(ACCESS_DENIED, wrong)
    after = tokens[len(left)][2] if len(left) < len(tokens) else None
    return Statement(statement.encode()[:after].decode(), form, settings)


def settings_of_reader(given: Mapping[str, str], limits: Mapping[str, float]) -> dict[str, str | int | float]:
    """Return the settings that a reader's statement gets.

    Args:
        given: What was asked for.
        limits: The server's, by setting; a reader may only lower them.

    Raises:
        ClickHouseError: One may not be changed, or a limit is no number.
    """
    found: dict[str, str | int | float] = dict(limits)
    for name, value in given.items():
        if name in LIMITS:
            found[name] = _lower(name, value, limits[name])
        elif name in SETTINGS or (name.startswith(PREFIX) and name != PREFIX_REFUSED):
            found[name] = value
        elif name != READONLY_SETTING:
            raise ClickHouseError(
                READONLY,
                f"The setting {name[:60]!r} came, which a reader may not change. Leave it out; "
                f"those of answers ({PREFIX}...) and lower limits are taken.",
            )
    return found | {READONLY_SETTING: 1}


def usable_format(form: str, known: Mapping[str, str]) -> str:
    """Return the format if answers can be written in it.

    Raises:
        ClickHouseError: There is no such format, or it needs a file.
    """
    if form not in known or form in FORMATS_REFUSED:
        raise ClickHouseError(
            UNKNOWN_FORMAT, f"FORMAT {form[:60]} came, which is not written here. Try JSON, CSV or Native."
        )
    return form


def _assignments(tokens: Sequence[Token], words: Sequence[str]) -> dict[str, str]:
    """Return what the last SETTINGS sets; nothing unless that is all there is behind it."""
    rest = list(tokens[len(words) - words[::-1].index("SETTINGS") :])
    found = {}
    while rest:
        kinds = [kind for kind, _, _ in rest]
        end = kinds.index(CLOSED) + 1 if kinds[2:3] == [OPEN] and CLOSED in kinds else 3
        if kinds[:2] != ["BareWord", "Equals"] or kinds[2:3] not in (["Number"], ["StringLiteral"], [OPEN]):
            return {}
        if kinds[end:] and (kinds[end] != "Comma" or not kinds[end + 1 :]):
            return {}
        found[rest[0][1]] = _plain(rest[0][1], [text for _, text, _ in rest[2:end]])
        del rest[: end + 1]
    return found


def _plain(name: str, texts: Sequence[str]) -> str:
    """Return the value of a setting; a map as it was written."""
    value = " ".join(texts)
    if not value.startswith("'"):
        return value
    if "\\" in value or "'" in value[1:-1]:
        raise ClickHouseError(BAD_ARGUMENTS, f"The value of {name[:60]} has an escape in it.")
    return value[1:-1]


def _lower(name: str, value: str, limit: float) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ClickHouseError(BAD_ARGUMENTS, f"{name}={value[:40]!r} came; a number was expected.") from None
    if not number >= 0:
        raise ClickHouseError(BAD_ARGUMENTS, f"{name}={value[:40]!r} came; 0 or more was expected.")
    lower = min(number or limit, limit)
    # Rounded to nothing it would be no limit at all.
    return max(SECONDS_MIN, lower) if name == "max_execution_time" else max(1, int(lower))
