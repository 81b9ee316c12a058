"""On how many examples a property is tried: a fifth while somebody waits for the fast tests, else all."""

from hypothesis import HealthCheck, settings

USUAL = 100

# These machines are shared: how long one example takes says nothing about the code.
settings.register_profile(
    "whole", max_examples=USUAL, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fast", settings.get_profile("whole"), max_examples=USUAL // 5)


def choose(*, fast: bool) -> None:
    """Say which of the two it is; before a test is read that says how many examples it wants."""
    settings.load_profile("fast" if fast else "whole")


def examples(count: int) -> int:
    """Return how many there are now of what is `count` in a whole run."""
    return max(1, count * settings().max_examples // USUAL)
