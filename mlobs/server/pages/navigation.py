"""The pages there are: what the bar on top shows, and where `g` and a letter lead."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A page in the bar.

    Attributes:
        name: Of the page; a template's `section` says which is shown now.
        title: What the bar says.
        path: Where it is.
        key: The letter after g.
    """

    name: str
    title: str
    path: str
    key: str


SECTIONS = (
    Section("overview", "Overview", "/", "o"),
    Section("traces", "Traces", "/traces", "t"),
    Section("sessions", "Sessions", "/sessions", "s"),
    Section("models", "Models", "/models", "m"),
    Section("drift", "Drift", "/drift", "d"),
    Section("alerts", "Alerts", "/alerts", "a"),
    Section("setup", "Setup", "/setup", "u"),
)
