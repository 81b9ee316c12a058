"""The OpenTelemetry project's instrumentation before it, in the conventions of 2025."""

from exporting import ask_openai, provider
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

OpenAIInstrumentor().instrument(tracer_provider=provider())
ask_openai()
