"""What mlobs can be told, by flag, by environment variable or not at all.

Each field is one row: its variable is `MLOBS_` and the field's name in capitals, its sentence
is the field's description. Flags win over variables, variables over defaults. The standard
`OTEL_*` variables are honoured by the SDK settings; the field names them. A secret may be in a file, which
the variable with `_FILE` at its end names.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mlobs._addresses import http_address, public_address
from mlobs._refusals import sentence, variables
from mlobs._secret_files import secrets_in_files
from mlobs.errors import SettingError
from mlobs.semconv.spans import BY_NOUN
from mlobs.thresholds import PENDING_BYTES_MAX, Thresholds

CONTENT_MODES = ("off", "redacted", "full")
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
TRUSTED = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_CAPTURES = {"span_only": "redacted", "span_and_event": "redacted", "true": "redacted"}


def read_content(text: str) -> dict[str, str]:
    """Read what is recorded: a mode for everything, under "", and exceptions by noun.

    Raises:
        ValueError: It names a mode or a noun that is not known.
    """
    found = {"": "off"}
    for word in filter(None, (part.strip() for part in text.split(","))):
        noun, told, mode = word.rpartition("=")
        if mode not in CONTENT_MODES or (told and noun not in BY_NOUN):
            wrong = mode if mode not in CONTENT_MODES else noun
            near = difflib.get_close_matches(wrong, [*CONTENT_MODES, *BY_NOUN])
            raise ValueError(
                f"off, redacted or full was expected, and exceptions such as tool=off; {word!r} is neither"
                f"{f' (did you mean {near[0]!r}?)' if near else ''}"
            )
        found[noun] = mode
    return found


def _content(text: str) -> str:
    read_content(text)
    return text


def _captured() -> str:
    """Return what OpenTelemetry's variable asks for; what it calls capturing is redacted here."""
    return _CAPTURES.get(os.environ.get(CAPTURE, "").strip().lower(), "off")


def _trusted() -> Path | None:
    """Return the file that exporters trust, so that one variable is enough where both go to one server."""
    told = os.environ.get(TRUSTED)
    return Path(told) if told else None


Content = Annotated[str, AfterValidator(_content)]
Address = Annotated[str, AfterValidator(http_address)]
PublicAddress = Annotated[str, AfterValidator(public_address)]


class SdkSettings(BaseSettings):
    """What an instrumented program can be told."""

    model_config = SettingsConfigDict(
        env_prefix="MLOBS_", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    endpoint: Address = Field(
        "http://127.0.0.1:4318",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where OTLP over HTTP is sent.",
    )
    headers: str = Field(
        "",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_HEADERS"),
        description="Sent with each export: key=value, separated by commas.",
    )
    protocol: Literal["http/protobuf", "grpc"] = Field(
        "http/protobuf",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        description="How OTLP is sent; grpc goes to port 4317 unless the endpoint is set.",
    )
    compression: Literal["none", "gzip", "deflate", "zstd"] = Field(
        "none",
        validation_alias=AliasChoices(
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"
        ),
        description="Compresses exports: none, gzip, deflate or zstd; worth it beyond loopback.",
    )
    traces_endpoint: Address | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        description="Where spans are sent, used as it is.",
    )
    traces_headers: str = Field(
        "",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        description="Sent with spans, instead of the headers for everything.",
    )
    certificate: Path | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_CERTIFICATE"),
        description="File of the certificates to trust; that of MLOBS_CERTIFICATE if unset.",
    )
    client_certificate: Path | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        description="File of the certificate to show.",
    )
    client_key: Path | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        description="File of that certificate's key.",
    )
    timeout_s: float = Field(10.0, gt=0, le=600, description="Seconds one export may take.")
    spool: Path | None = Field(
        None, description="Folder that keeps spans while the endpoint is away; none if unset."
    )
    spool_bytes_max: int = Field(1 << 30, ge=1 << 16, description="Bytes the spool may take.")
    export_interval_s: float = Field(0.2, gt=0, le=60, description="Seconds between exports.")
    queue_spans_max: int = Field(50_000, ge=1, description="Spans that wait for export; more are dropped.")
    metrics_interval_s: float = Field(5.0, gt=0, le=3600, description="Seconds between metric exports.")
    baggage: str = Field(
        "session.id,mlobs.experiment.*,gen_ai.prompt.name,gen_ai.prompt.version",
        description="What travels to hosts a program calls; user.id and mlobs.tag.* only if named. Or none.",
    )
    semconv: Literal["stable", "compat"] = Field(
        "stable", description="compat: spans carry the older names of the conventions too."
    )
    executors: bool = Field(
        default=True, description="Executors of concurrent.futures carry the current call into what they run."
    )
    metrics: Literal["off", "process"] = Field(
        "off", description="process: derive the metrics of calls here, for who has no server or collector."
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="Port of loopback on which Prometheus finds this process's metrics.",
    )
    events: bool = Field(
        default=False, description="Emit the conventions' log event for each call that failed too."
    )
    auto: bool = Field(default=False, description="Switch on the GenAI instrumentations that are installed.")
    content: Content = Field(
        default_factory=_captured,
        description=f"What is recorded of arguments and results: off, redacted, full; or redacted,tool=off. "
        f"Unset, {CAPTURE} decides, else off.",
    )
    content_characters_max: int = Field(65_536, ge=64, description="What one attribute of content may hold.")
    prices: Path | None = Field(
        None,
        description="File of prices that go before the packaged ones; mlobs/prices/__init__.py says how.",
    )
    media: str | None = Field(
        None,
        description="Where images, sound and documents are stored: a folder, s3://...; nowhere if unset.",
    )
    completion_hook: str | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"),
        description="An installed hook that is told of the content of model calls.",
    )
    disabled: bool = Field(
        default=False,
        validation_alias=AliasChoices("OTEL_SDK_DISABLED"),
        description="Record and export nothing.",
    )


class ServerSettings(BaseSettings):
    """What `mlobs up` can be told."""

    model_config = SettingsConfigDict(env_prefix="MLOBS_", extra="ignore", frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="The address to listen on; beyond loopback only with tokens.")
    port: int = Field(4318, ge=0, le=65_535, description="The port to listen on; 0 takes a free one.")
    grpc_port: int = Field(
        4317,
        ge=0,
        le=65_535,
        description="The port for gRPC; 0 takes a free one, and so does port 0 if this is unset.",
    )
    tokens: Path | None = Field(
        None, description="File of who may send, read and change; without it, whoever is on this machine."
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate and its chain; HTTP and gRPC without TLS if unset."
    )
    tls_key: Path | None = Field(None, description="PEM file of that certificate's key.")
    public_url: PublicAddress | None = Field(
        None,
        description="Where people reach the server; links in messages begin with it. If unset, where it "
        "listens.",
    )
    data: Path = Field(Path("mlobs-data"), description="The folder that holds everything.")
    store: SecretStr = Field(
        SecretStr(""),
        description="clickhouse://user:password@host:8123/database, if the tables are there.",
    )
    clickhouse_port: int | None = Field(
        None, ge=0, le=65_535, description="A port that speaks ClickHouse's HTTP interface; none if unset."
    )
    clickhouse_writes: bool = Field(
        default=False, description="Let tokens for admin run any statement over ClickHouse's HTTP interface."
    )
    body_bytes_max: int = Field(20 << 20, ge=1024, description="Larger request bodies get 413.")
    tenant_bytes_per_s: int = Field(
        0, ge=0, description="Bytes a second that each tenant may send on average; 0 for no limit."
    )
    attribute_bytes_max: int = Field(
        1 << 20, ge=64, description="Longer attribute texts are cut when they are stored."
    )
    segment_bytes_max: int = Field(32 << 20, ge=1024, description="A journal segment is sealed at this size.")
    segment_seconds_max: float = Field(0.5, gt=0, le=60, description="A segment is sealed at this age.")
    pending_bytes_max: int = Field(
        PENDING_BYTES_MAX, ge=1 << 20, description="Journal bytes that may wait for the store; more get 503."
    )
    traces_days: int = Field(0, ge=0, description="Days that spans are kept; 0 keeps all.")
    logs_days: int = Field(0, ge=0, description="Days that log records and scores are kept; 0 keeps all.")
    metrics_days: int = Field(0, ge=0, description="Days that metric points are kept; 0 keeps all.")
    store_bytes_max: int = Field(
        0, ge=0, description="Bytes on disk; with more, the oldest days go. 0 for no limit."
    )
    memory_bytes_max: int = Field(
        1 << 30, ge=256 << 20, description="Memory the store may use for one query."
    )
    query_seconds_max: float = Field(10.0, gt=0, le=3600, description="Seconds one question may take.")


class PriceSettings(BaseSettings):
    """What a server prices calls with; programs have the same variable."""

    model_config = SettingsConfigDict(env_prefix="MLOBS_", extra="ignore", frozen=True, env_ignore_empty=True)

    prices: Path | None = Field(None, description=SdkSettings.model_fields["prices"].description)


class ClientSettings(BaseSettings):
    """Whom the command line asks."""

    model_config = SettingsConfigDict(env_prefix="MLOBS_", extra="ignore", frozen=True, env_ignore_empty=True)

    server: Address = Field("http://127.0.0.1:4318", description="The server that commands ask.")
    token: SecretStr = Field(SecretStr(""), description="The token that commands send to it.")
    certificate: Path | None = Field(
        default_factory=_trusted,
        description=(
            f"File of the certificates that commands and collectors trust; that of {TRUSTED} if unset."
        ),
    )


class AlertSettings(Thresholds):
    """Where alerts go and how often rules are evaluated."""

    model_config = SettingsConfigDict(
        env_prefix="MLOBS_ALERT_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    webhook_url: Address | None = Field(None, description="Where alerts are delivered; nowhere if unset.")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Signs deliveries with HMAC-SHA256.")
    interval_s: float = Field(15.0, gt=0, le=3600, description="Seconds between evaluations.")
    attempts_max: int = Field(20, ge=1, le=100, description="Attempts before a delivery is given up.")
    runbook_base: Address | None = Field(
        None, description="The folder of the runbook pages; the server's /runbooks if unset."
    )
    routes: Path | None = Field(
        None, description="File of sinks and routes; everything goes to the webhook if unset."
    )
    rules: Path | None = Field(
        None,
        description="File of your own alert rules, besides the packaged ones; read again when it changes.",
    )
    dashboard_url: Address | None = Field(
        None, description="A dashboard that messages link to, with var-service added; none if unset."
    )
    allow: str = Field(
        "", description="Hosts and networks alerts may be sent to though private, separated by commas."
    )


class ReceiveSettings(BaseSettings):
    """Which webhooks are taken from elsewhere, and where `mlobs alerts receive` listens."""

    model_config = SettingsConfigDict(
        env_prefix="MLOBS_ALERT_RECEIVE_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    host: str = Field(
        "127.0.0.1", description="The receiver's address; beyond loopback only with a secret, token or basic."
    )
    port: int = Field(4321, ge=0, le=65_535, description="The receiver's port; 0 takes a free one.")
    secret: SecretStr = Field(SecretStr(""), description="Takes webhooks signed with it, HMAC-SHA256.")
    token: SecretStr = Field(SecretStr(""), description="Takes webhooks with Authorization: Bearer and it.")
    basic: SecretStr = Field(SecretStr(""), description="Takes webhooks with this name:password.")
    signature_header: str = Field(
        "", description="One more header that may hold the signature, besides Grafana's and ours."
    )
    timestamp_header: str = Field("", description="The header with the time of that signature.")
    bytes_max: int = Field(20 << 20, ge=1024, description="Larger webhooks get 413.")


class DriftSettings(BaseSettings):
    """How the server judges what all processes of a service have seen together."""

    model_config = SettingsConfigDict(
        env_prefix="MLOBS_DRIFT_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    floor: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of values that may sit in the wrong bin, at least; a monitor's own if that is "
        "wider or this is unset.",
    )
    false_alarms_per_year: float = Field(
        1.0, gt=0, description="False alarms a year that a model's fleet may raise, on average at most."
    )
    block_rows: int = Field(200, ge=1, description="Rows of a fleet that are judged together, at least.")
    interval_s: float = Field(60.0, gt=0, le=240, description="Seconds between looks at a fleet's counts.")


SETTINGS: tuple[type[BaseSettings], ...] = (
    SdkSettings,
    ServerSettings,
    PriceSettings,
    ClientSettings,
    AlertSettings,
    ReceiveSettings,
    DriftSettings,
)

S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S], **given: Any) -> S:
    """Read settings from the environment; values in `given` that are not None win.

    Raises:
        SettingError: A value cannot be used. The sentence names the variable or the argument, and the value.
    """
    return _load(kind, given, "{name}={value!r}")


def from_flags(kind: type[S], **given: Any) -> S:
    """Do as `load` for a command whose flags gave the values; the sentence names the flag.

    Raises:
        SettingError: A value cannot be used.
    """
    return _load(kind, given, "--{flag} {value}")


def variable(kind: type[BaseSettings], field: str) -> str:
    """Return the environment variable of a setting."""
    return variables(kind, field)[-1]  # those before it are for spans only


def _load(kind: type[S], arguments: Mapping[str, Any], spelling: str) -> S:
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return kind(**{**secrets_in_files(kind), **given})
    except ValidationError as error:
        sentences = [sentence(kind, problem, given, spelling) for problem in error.errors()]
        raise SettingError(" ".join(sentences)) from None
