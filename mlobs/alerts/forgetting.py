"""Takes a user, a session or traces that were deleted out of what is remembered of alerts.

Edge: this is SQLite. Documents stay, since what happened and who was told is no secret, but the id in them
becomes the word `GONE`: in labels, in what contributes most, in the sentences made of these, in conditions of
silences. Links to traces that are gone go, since they would lead nowhere. The file is written anew after it,
so that the bytes are not in it either.

An id is looked for where it is known to be one, and then in all texts of the same document: a user called 1
does not take every 1 out of every message.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.routing.matchers import matcher
from mlobs.alerts.states import Alert
from mlobs.semconv import attributes as a

GONE = "deleted"
OF: Mapping[str, tuple[Any, ...]] = {
    "user": (a.USER_ID,),
    "session": (a.SESSION_ID, a.CONVERSATION_ID),
    "trace": (),
}
# Where documents are: the table, its key, and the column. All are JSON.
PLACES = (
    ("alerts", "rowid", "alert"),
    ("episodes", "number", "shown"),
    ("deliveries", "number", "body"),
    ("routing_rows", "number", "row"),
    ("received_alerts", "source || char(10) || fingerprint", "shown"),
    ("lately_ended", "source || char(10) || fingerprint", "again"),
)
KEPT = ("fingerprint", "rule", "source", "status", "version", "severity", "component", "server_url")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted.

    Args:
        what: user, session or trace.
        value: Its id.
        trace_ids: The traces that went with it.
    """

    what: str
    value: str
    trace_ids: frozenset[str]

    def names(self, alert: Alert) -> bool:
        """Return whether an alert is about it."""
        return any(alert.finding.labels.get(one.label) == self.value for one in OF[self.what])

    def without(self, document: Any) -> Any:
        """Return a document without it: the same one if it is not in there."""
        cut = _cut(document, self.trace_ids) if self.trace_ids else document
        return _replaced(cut, self._whole) if self._is_in(cut) else cut

    @property
    def _whole(self) -> re.Pattern[str]:
        # In links it is written otherwise.
        forms = dict.fromkeys((self.value, quote(self.value, safe=""), quote_plus(self.value)))
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, forms))})(?!\w)")

    def _is_in(self, document: Any) -> bool:
        names = {name for one in OF[self.what] for name in (one.name, one.label)}
        return any(self._is_named(one, names) for one in _parts(document)) if names else False

    def _is_named(self, part: Any, names: Collection[str]) -> bool:
        if isinstance(part, dict):
            by_dimension = part.get("dimension") in names and part.get("value") == self.value
            return by_dimension or any(part.get(name) == self.value for name in names)
        return isinstance(part, str) and self.value in part and _is_condition(part, names, self._whole)


def traces(outbox: Outbox) -> list[str]:
    """Return the traces that are named anywhere in the file.

    Raises:
        StoreError: The file cannot be read.
    """
    found: set[str] = set()
    for table, _, column in PLACES:
        for (text,) in outbox.read(f"SELECT {column} FROM {table} WHERE instr({column}, 'trace_ids')"):
            for part in _parts(json.loads(text)):
                if isinstance(part, dict) and isinstance(part.get("trace_ids"), list):
                    found.update(one for one in part["trace_ids"] if isinstance(one, str))
    return sorted(found)


def forget(outbox: Outbox, deleted: Deleted) -> int:
    """Take what was deleted out of the file; return how many documents had it.

    Raises:
        StoreError: The file cannot be written.
    """
    with outbox.transaction() as db:
        changed = sum(_forget(db, *place, deleted.without) for place in PLACES)
    outbox.purge()
    return changed


def _forget(db: sqlite3.Connection, table: str, key: str, column: str, without: Callable[[Any], Any]) -> int:
    changed = []
    for mark, text in db.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL"):
        before = json.loads(text)
        after = without(before)
        if after != before:
            # Bodies are bytes as they are sent, everything else is ASCII.
            is_body = isinstance(text, bytes)
            said = json.dumps(after, ensure_ascii=not is_body, separators=(",", ":") if is_body else None)
            changed.append((said.encode("utf-8", "replace") if is_body else said, mark))
    db.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", changed)
    return len(changed)


def _parts(document: Any) -> Iterator[Any]:
    """Return a document, and everything in it."""
    waiting = [document]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _replaced(part: Any, whole: re.Pattern[str]) -> Any:
    if isinstance(part, str):
        return whole.sub(GONE, part)
    if isinstance(part, list):
        return [_replaced(one, whole) for one in part]
    if isinstance(part, dict):
        return {name: one if name in KEPT else _replaced(one, whole) for name, one in part.items()}
    return part


def _cut(part: Any, trace_ids: Collection[str]) -> Any:
    """Return a document without some traces, and without links to them."""
    if isinstance(part, list):
        return [_cut(one, trace_ids) for one in part if not (isinstance(one, str) and one in trace_ids)]
    if not isinstance(part, dict):
        return part
    cut = {name: _cut(one, trace_ids) for name, one in part.items()}
    url = part.get("trace_url")
    if isinstance(url, str) and url.rsplit("/", 1)[-1] in trace_ids:
        left = cut.get("trace_ids")
        cut["trace_url"] = f"{url.rsplit('/', 1)[0]}/{left[0]}" if left else None
    return cut


def _is_condition(text: str, names: Collection[str], whole: re.Pattern[str]) -> bool:
    try:
        condition = matcher(text)
    except ValueError:
        return False
    return condition.label in names and whole.search(condition.value) is not None
