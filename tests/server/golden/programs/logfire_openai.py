"""Logfire's instrumentation of OpenAI's client; it exports where the OpenTelemetry variables say."""

import logfire
from exporting import ask_openai

logfire.configure(send_to_logfire=False, console=False, metrics=False)
logfire.instrument_openai()
ask_openai()
logfire.force_flush()
