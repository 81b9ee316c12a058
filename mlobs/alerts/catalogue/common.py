"""What several parts of the catalogue say: spans of time, labels in texts, whose fault an error is."""

from mlobs.alerts.rules import slot
from mlobs.semconv import attributes as a

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

# Requests a provider refuses because of what a user typed. A wrong key or model name (401, 403,
# 404) is not among them: no user causes it, and every user suffers from it.
USER_FAULTS = (
    "400",
    "413",
    "422",
    "content_filter",
    "invalid_request_error",
    "anthropic.BadRequestError",
    "anthropic.UnprocessableEntityError",
    "openai.BadRequestError",
    "openai.UnprocessableEntityError",
)

SERVICE, PROVIDER, MODEL, AGENT, TOOL = (
    slot(a.SERVICE_NAME),
    slot(a.PROVIDER_NAME),
    slot(a.REQUEST_MODEL),
    slot(a.AGENT_NAME),
    slot(a.TOOL_NAME),
)
