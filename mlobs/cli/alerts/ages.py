"""What `--since` says."""

import time


def age_s(since: str) -> float:
    """Return how long ago a moment was, in seconds.

    Raises:
        QueryError: It is no moment.
    """
    from mlobs.server.ask.ranges import NS, read_range

    now_ns = time.time_ns()
    return (now_ns - read_range({"since": since}, now_ns).since_ns) / NS
