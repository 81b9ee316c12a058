"""Langfuse's SDK, told the usage of an Anthropic model by hand, as its documentation shows."""

import os

from langfuse import Langfuse

client = Langfuse(public_key="pk-1", secret_key="sk-1", host=os.environ["MODEL_URL"])
with client.start_as_current_observation(name="ask", as_type="generation", model="claude-haiku-4-5") as call:
    call.update(
        usage_details={
            "input": 10,
            "output": 30,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 10,
        },
        cost_details={"input": 0.001, "output": 0.002, "total": 0.003},
    )
client.flush()
