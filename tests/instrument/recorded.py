"""Content of one call as its span would have it, for tests, without a span."""

import json

from mlobs.instrument.content.policy import Defaults, policy_of
from mlobs.semconv import spans

CALL = type("CallSeen", (), {"arguments": None, "result": None, "items": None, "chunks": -1})


def recorded(noun, function, *args, result=None, items=None, mode="full", defaults=None, **options):
    """Return the content attributes of one call, JSON read again."""
    row = spans.BY_NOUN[noun]
    given = {"capture": None, "redact": (), "reduce": None, **options}
    capture = policy_of(row, function, **given).resolved(defaults or Defaults(mode))
    if capture is None:
        return {}
    call = CALL()
    call.arguments = capture.arguments(args, {})
    call.result = capture.result(result)
    if items is not None:
        call.items, call.chunks = capture.items(), len(items)
        for item in items:
            call.items.append(item)
    found = capture.attributes(call)
    return {
        key: json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
        for key, value in found.items()
    }


def chat(messages, *, system=None, tools=None):
    """A model call's signature."""
