"""OpenLLMetry's instrumentation of Anthropic's client."""

from exporting import ask_anthropic, provider
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

AnthropicInstrumentor().instrument(tracer_provider=provider())
ask_anthropic()
