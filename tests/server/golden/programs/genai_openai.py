"""The OpenTelemetry project's own instrumentation, in the current conventions."""

from exporting import ask_openai, provider
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

OpenAIInstrumentor().instrument(tracer_provider=provider())
ask_openai()
