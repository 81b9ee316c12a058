"""Langfuse's SDK, with its wrapper of OpenAI's client."""

import os

from exporting import ask_openai
from langfuse import Langfuse, propagate_attributes

os.environ.update(
    LANGFUSE_PUBLIC_KEY="pk-1", LANGFUSE_SECRET_KEY="sk-1", LANGFUSE_HOST=os.environ["MODEL_URL"]
)
client = Langfuse()

from langfuse.openai import OpenAI  # noqa: E402  # It takes the client that exists by then.

with (
    client.start_as_current_observation(name="forecaster", as_type="agent"),
    propagate_attributes(user_id="user-1", session_id="session-1", metadata={"tenant_id": "tenant-1"}),
):
    ask_openai(OpenAI(max_retries=0))
    with client.start_as_current_observation(
        name="get_weather", as_type="tool", input={"city": "Oslo"}
    ) as tool:
        tool.update(output="Sunny.")
client.flush()
