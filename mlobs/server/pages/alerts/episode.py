"""Which range of time shows an alert: when it began and ended, with some time before and after."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlobs.server.ask.ranges import DAY_NS, NS, length_ns
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.period import MINUTE_NS, PRESETS

DEFAULT = {"since": "6h"}
RANGE_NS_MIN, RANGE_NS_MAX = 30 * MINUTE_NS, 7 * DAY_NS
AROUND = 2  # So many times its length before it began and after it ended.
OLD_NS = 366 * DAY_NS  # Others say what they like of when theirs began.


def around(alert: Mapping[str, Any], now_ns: int) -> dict[str, str]:
    """Return the range that an alert's page begins with, as an address says it.

    Of one that is not over it is one of the usual lengths, which goes on with it.

    Args:
        alert: With `since`, `started` and `resolved` as ISO 8601, where they are known.
        now_ns: The clock.
    """
    try:
        known = [_ns(one) for name in ("since", "started") if (one := alert.get(name))]
        began_ns = min(known)
        ended_ns = _ns(alert["resolved"]) if alert.get("resolved") else now_ns
    except (ValueError, TypeError, OverflowError):
        return DEFAULT
    if not now_ns - OLD_NS < began_ns <= ended_ns <= now_ns:
        return DEFAULT
    lasted_ns = ended_ns - began_ns
    if not alert.get("resolved"):
        wanted_ns = max(RANGE_NS_MIN, (1 + AROUND) * lasted_ns)
        lengths = {name: length_ns("since", name) for name in PRESETS}
        fits = (name for name, ns in lengths.items() if wanted_ns <= ns <= RANGE_NS_MAX)
        return {"since": next(fits, "7d")}
    margin_ns = max(AROUND * lasted_ns, (RANGE_NS_MIN - lasted_ns) // 2)
    margin_ns = min(margin_ns, max(MINUTE_NS, (RANGE_NS_MAX - lasted_ns) // 2))
    begin_ns = began_ns - margin_ns
    end_ns = min(now_ns, ended_ns + margin_ns, begin_ns + RANGE_NS_MAX)
    return {"from": stamp(begin_ns), "to": stamp(end_ns)}


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * NS)
