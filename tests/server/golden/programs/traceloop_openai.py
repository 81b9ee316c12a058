"""OpenLLMetry: Traceloop's SDK with its instrumentation of OpenAI's client."""

import os

from exporting import ask_openai
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, tool, workflow
from traceloop.sdk.instruments import Instruments

os.environ["TRACELOOP_TELEMETRY"] = "false"
Traceloop.init(
    "golden",
    exporter=OTLPSpanExporter(),
    disable_batch=True,
    instruments={Instruments.OPENAI},
    telemetry_enabled=False,
)
Traceloop.set_association_properties(
    {"session_id": "session-1", "user_id": "user-1", "tenant_id": "tenant-1"}
)


@tool(name="get_weather")
def get_weather(city: str) -> str:
    return f"Sunny in {city}."


@agent(name="forecaster")
def forecast() -> None:
    ask_openai()
    get_weather("Oslo")


@workflow(name="morning")
def morning() -> None:
    forecast()


morning()
