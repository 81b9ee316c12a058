"""A session says once that what was said in it was not kept."""

import os
import re

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.otlp import post, span

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
SENTENCE = re.compile(r"What was said[^<]* was not kept")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (0, ["What was said was not kept"]),
        (1, ["What was said in 3 of these 4 turns was not kept"]),
        (4, []),
    ],
)
def test_it_is_said_once_how_many_turns_are_without_words(served, said, sentence):
    made, session = ExportTraceServiceRequest(), f"unsaid-{said}"
    for number in range(4):
        words = {"mlobs__input": "Where is it?"} if number < said else {}
        span(
            made, "invoke_agent desk", trace=os.urandom(16), mlobs__kind="agent", session__id=session, **words
        )
    assert post(served.url, made.SerializeToString()).status_code == 200
    served.drain()
    page = requests.get(f"{served.url}/session?id={session}", headers=BROWSER, timeout=60).text
    assert page.count('class="turn"') == 4
    assert SENTENCE.findall(page) == sentence
