"""How much each tenant may send: so many bytes a second, on average.

A tenant is what its token says. Bodies are counted as they are stored, after decompression. A tenant
may save up ten seconds of its quota, and is refused while it has sent more than it had; so a single
body larger than the quota of a second is taken, and waited for afterwards.
"""

import math
from collections.abc import Callable
from time import monotonic

from mlobs.server.receive.refusals import RefusedError

SAVED_SECONDS = 10


class Quotas:
    """What every tenant has left.

    Args:
        bytes_per_s: For each; 0 for no limit.
        clock: Seconds that never go back.
    """

    def __init__(self, bytes_per_s: int, clock: Callable[[], float] = monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # Bytes, and when that was.

    def admit(self, tenant: str) -> None:
        """Return if the tenant may send now.

        Raises:
            RefusedError: It has sent more than its quota.
        """
        if not self._bytes_per_s:
            return
        left = self._now(tenant)
        if left < 0:
            wait_s = math.ceil(-left / self._bytes_per_s)
            whose = f"The tenant {tenant!r}" if tenant else "Whoever has no tenant"
            raise RefusedError(
                429,
                "quota",
                f"{whose} has sent {-left:.0f} bytes more than MLOBS_TENANT_BYTES_PER_S allows; "
                f"try again in {wait_s} s.",
                retry_s=wait_s,
            )

    def charge(self, tenant: str, size: int) -> None:
        """Count what a tenant sent."""
        if self._bytes_per_s:
            self._left[tenant] = (self._now(tenant) - size, self._clock())

    def _now(self, tenant: str) -> float:
        most = float(SAVED_SECONDS * self._bytes_per_s)
        left, then = self._left.get(tenant, (most, 0.0))
        return min(most, left + (self._clock() - then) * self._bytes_per_s)
