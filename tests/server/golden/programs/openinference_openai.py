"""Phoenix's instrumentation of OpenAI's client, and its decorators."""

from exporting import ask_openai, provider
from openinference.instrumentation import OITracer, TraceConfig, using_session, using_user
from openinference.instrumentation.openai import OpenAIInstrumentor

made = provider()
OpenAIInstrumentor().instrument(tracer_provider=made)
tracer = OITracer(made.get_tracer("app"), TraceConfig())


@tracer.tool
def get_weather(city: str) -> str:
    return f"Sunny in {city}."


@tracer.agent(name="forecaster")
def answer() -> None:
    ask_openai()
    get_weather("Oslo")


with using_session("session-1"), using_user("user-1"):
    answer()
