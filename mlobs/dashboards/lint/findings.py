"""What a rule finds."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]
# A rule's name and the end of a sentence about the panel or the dashboard.
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Args:
        dashboard: Its uid.
        panel: The title of the panel, annotation or variable; "" for the dashboard itself.
        rule: Which rule found it.
        problem: What is wrong, and what to do.
        level: A warning may be meant; an error cannot be.
    """

    dashboard: str
    panel: str
    rule: str
    problem: str
    level: Level = "error"
