"""MLflow's tracing, with its instrumentation of OpenAI's client, sent over OTLP."""

import os

import mlflow
from exporting import ask_openai
from mlflow.entities import SpanType

mlflow.set_tracking_uri(os.environ["MODEL_URL"])
mlflow.openai.autolog()


@mlflow.trace(span_type=SpanType.TOOL)
def get_weather(city: str) -> str:
    return f"Sunny in {city}."


@mlflow.trace(name="forecaster", span_type=SpanType.AGENT)
def answer() -> None:
    mlflow.update_current_trace(metadata={"mlflow.trace.session": "session-1", "mlflow.trace.user": "user-1"})
    ask_openai()
    get_weather("Oslo")


answer()
mlflow.flush_trace_async_logging()
