"""MLflow's tracing, with its instrumentation of Anthropic's client, sent over OTLP."""

import os

import mlflow
from exporting import ask_anthropic

mlflow.set_tracking_uri(os.environ["MODEL_URL"])
mlflow.anthropic.autolog()
ask_anthropic()
mlflow.flush_trace_async_logging()
