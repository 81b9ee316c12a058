"""What the pages are told of the alerts, beyond what the API answers."""

from typing import TYPE_CHECKING, Any

from mlobs.cli.alerts.fitting import doubt, fitting

if TYPE_CHECKING:
    from mlobs.alerts.alerting import Alerting


def now(alerting: "Alerting") -> dict[str, Any]:
    """Return what fires and who evaluates; `elsewhere` counts the rules that only Prometheus can."""
    elsewhere = sum("server" not in rule.engines for rule in alerting.watch.rules)
    return {**alerting.snapshot(), "elsewhere": elsewhere}


def past(alerting: "Alerting") -> dict[str, Any]:
    """Return what has fired and the silences, each with a doubt where it seems to fit nothing."""
    found = alerting.past()
    return {**found, "silences": doubted(alerting, found["silences"])}


def doubted(alerting: "Alerting", silences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return silences with how many alerts each fits now, and a doubt where it seems to fit nothing.

    Both are None once it is over.
    """
    if not any(one["state"] == "holds" for one in silences):
        return [{**one, "fits": None, "doubt": None} for one in silences]
    said, rules = alerting.snapshot(), alerting.watch.rules
    alerts = [*said["firing"], *said["pending"]]

    def marks(silence: dict[str, Any]) -> dict[str, Any]:
        if silence["state"] != "holds":
            return {"fits": None, "doubt": None}
        texts = silence["matchers"]
        return {"fits": fitting(texts, alerts), "doubt": doubt(texts, alerts, rules) or None}

    return [{**one, **marks(one)} for one in silences]
