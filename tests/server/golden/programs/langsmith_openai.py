"""LangSmith's SDK in its OpenTelemetry mode, with its wrapper of OpenAI's client."""

import os

os.environ.update(LANGSMITH_OTEL_ENABLED="true", LANGSMITH_OTEL_ONLY="true", LANGSMITH_TRACING="true")
os.environ.update(LANGSMITH_API_KEY="none", LANGSMITH_ENDPOINT=os.environ["MODEL_URL"])

import openai  # The variables are read on import.
from exporting import ask_openai, provider
from langsmith import Client, traceable
from langsmith.wrappers import wrap_openai
from opentelemetry import trace

made = provider()
trace.set_tracer_provider(made)
client = Client()
metadata = {"thread_id": "session-1", "user_id": "user-1"}


@traceable(run_type="tool", client=client)
def get_weather(city: str) -> str:
    return f"Sunny in {city}."


@traceable(run_type="chain", name="forecaster", client=client, metadata=metadata)
def answer() -> None:
    ask_openai(wrap_openai(openai.OpenAI(max_retries=0), tracing_extra={"client": client}))
    get_weather("Oslo")


answer()
client.flush()
made.force_flush()
