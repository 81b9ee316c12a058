"""Phoenix's instrumentation of Anthropic's client."""

from exporting import ask_anthropic, provider
from openinference.instrumentation import using_session, using_user
from openinference.instrumentation.anthropic import AnthropicInstrumentor

AnthropicInstrumentor().instrument(tracer_provider=provider())
with using_session("session-1"), using_user("user-1"):
    ask_anthropic()
