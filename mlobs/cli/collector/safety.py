"""Checks that what a collector acknowledges is not lost, and that redaction leaves counts alone."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

from mlobs.cli.collector.components import FORMER, LOCAL, LOGGED
from mlobs.cli.collector.dialects import COUNTS
from mlobs.cli.collector.finding import Found
from mlobs.cli.collector.reading import Document, list_at, map_at

NEVER = re.compile(r"(0(ns|us|ms|s|m|h)?)+")


def queues(document: Document) -> Iterator[Found]:
    """What leaves the process waits on disk, for as long as it takes."""
    storages = map_at(document.data, "extensions")
    for name, settings in map_at(document.data, "exporters").items():
        kind = name.split("/")[0]
        kind = FORMER["exporters"].get(kind, kind)
        if kind in LOCAL:
            continue
        path = ("exporters", name)
        if kind == LOGGED:
            if not (isinstance(settings, dict) and settings.get("wal")):
                text = (
                    "what it has not sent is in memory only, and a crash loses it. Add wal: {directory: ...}."
                )
                yield Found(path, text)
            continue
        queue = map_at(settings, "sending_queue")
        storage = queue.get("storage")
        if queue.get("enabled") is False or not storage:
            yield Found(
                (*path, "sending_queue"),
                f"the queue of {name!r} is in memory, and a crash loses what it has acknowledged. "
                f"Add sending_queue: {{storage: file_storage/queue}} and that extension.",
            )
        elif str(storage) not in storages:
            yield Found(
                (*path, "sending_queue", "storage"),
                f"there is no extension {storage!r}. Define it under extensions: and list it in service:.",
            )
        retry = map_at(settings, "retry_on_failure")
        if retry.get("enabled") is False or not NEVER.fullmatch(str(retry.get("max_elapsed_time", "300s"))):
            yield Found(
                (*path, "retry_on_failure"),
                f"{name!r} gives up after a while (300s unless told) and drops what it holds. "
                f"Set retry_on_failure: {{max_elapsed_time: 0s}}; the queue's size is the limit then.",
            )
        if queue and "batch" not in queue and kind != "load_balancing":
            text = "without batch: each request goes out as it came. Add batch: {sizer: bytes, ...}."
            yield Found((*path, "sending_queue"), text, "note")


def storage(document: Document) -> Iterator[Found]:
    """Without fsync an acknowledgement is a promise of the kernel's."""
    for name, settings in map_at(document.data, "extensions").items():
        synced = isinstance(settings, dict) and settings.get("fsync") is True
        if name.split("/")[0] == "file_storage" and not synced:
            yield Found(
                ("extensions", name),
                "without fsync: true a power cut loses what was acknowledged. Add fsync: true.",
            )


def batches(document: Document) -> Iterator[Found]:
    """The batch processor acknowledges what is in its memory; connectors into metrics live there anyway."""
    connectors = map_at(document.data, "connectors")
    for name, pipeline in map_at(map_at(document.data, "service"), "pipelines").items():
        leaves = [one for one in list_at(pipeline, "exporters") if str(one) not in connectors]
        for number, processor in enumerate(list_at(pipeline, "processors")):
            if str(processor).split("/")[0] == "batch" and leaves:
                yield Found(
                    ("service", "pipelines", name, "processors", str(number)),
                    f"{processor!r} acknowledges what is only in its memory, before {leaves[0]!r} has it. "
                    f"Remove it and batch in the exporter: sending_queue: {{batch: ...}}.",
                )


def redaction(document: Document) -> Iterator[Found]:
    """A pattern that says "token" takes token counts away, and cost with them."""
    for name, settings in map_at(document.data, "processors").items():
        if name.split("/")[0] != "redaction" or not isinstance(settings, dict):
            continue
        ignored = list_at(settings, "ignored_keys")
        patterns = list_at(settings, "ignored_key_patterns")
        passed = [*patterns, *(f"^{re.escape(str(key))}$" for key in ignored)]
        taken = [row.name for row in COUNTS if not any(_matches(one, row.name) for one in passed)]
        for number, pattern in enumerate(list_at(settings, "blocked_key_patterns")):
            if eaten := next((name for name in taken if _matches(pattern, name)), None):
                yield Found(
                    ("processors", name, "blocked_key_patterns", str(number)),
                    f"{pattern!r} also masks {eaten}, and with it every cost. "
                    f"Narrow it, or add ignored_key_patterns: ['^gen_ai\\.usage\\.'].",
                )


def _matches(pattern: Any, text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # [[:alpha:]] is right there.
            return re.search(str(pattern), text) is not None
    except re.error:
        return False  # The collector's own expressions; its dry run knows them.
