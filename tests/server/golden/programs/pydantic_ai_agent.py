"""Pydantic AI's own spans."""

import contextlib

from exporting import provider
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.instrumented import InstrumentationSettings

settings = InstrumentationSettings(tracer_provider=provider())
Agent.instrument_all(settings)
agent = Agent("openai-chat:gpt-4o-mini", name="forecaster")


@agent.tool_plain
def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"Sunny in {city}."


agent.run_sync("Weather in Oslo?", conversation_id="session-1")
with contextlib.suppress(ModelHTTPError):
    Agent("openai-chat:broken", name="third").run_sync("Weather in Oslo?")
