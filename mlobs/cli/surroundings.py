"""What a program's environment says, besides where spans go, that keeps them from arriving."""

import difflib
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points

from mlobs._secret_files import file_variables
from mlobs.cli.collector.configurations import variables_of_all
from mlobs.settings import SETTINGS, variable

SAMPLER, SAMPLER_SHARE, EXPORTER = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_TRACES_EXPORTER"
SAMPLERS = (
    "always_on", "always_off", "traceidratio",
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip
# Neither settings nor a collector's, and read all the same: the mark of `mlobs run`, what the program of
# a sink is told, and what docker/compose.yaml asks for.
OTHERS = ("MLOBS_RUN", "MLOBS_DELIVERY", "MLOBS_ALERTMANAGER_CONFIG")


def trouble(environment: Mapping[str, str]) -> str:
    """Return why nothing is recorded, empty if something is.

    >>> trouble({"OTEL_TRACES_SAMPLER": "always_off"})
    'OTEL_TRACES_SAMPLER=always_off keeps no trace. Unset it, or choose parentbased_always_on.'
    """
    sampler = environment.get(SAMPLER, "").strip().lower()
    if sampler in {"always_off", "parentbased_always_off"}:
        return f"{SAMPLER}={sampler} keeps no trace. Unset it, or choose parentbased_always_on."
    share = environment.get(SAMPLER_SHARE, "").strip()
    if sampler.endswith("traceidratio") and _share(share) == 0:
        return f"{SAMPLER}={sampler} with {SAMPLER_SHARE}={share} keeps no trace. Take a share above 0."
    return ""


def remarks(environment: Mapping[str, str]) -> list[str]:
    """Return what is odd, and may be the reason for spans that are missed."""
    found = []
    sampler = environment.get(SAMPLER, "").strip().lower()
    share = _share(environment.get(SAMPLER_SHARE, "").strip())
    if sampler and sampler not in {
        *SAMPLERS,
        *(one.name for one in entry_points(group="opentelemetry_traces_sampler")),
    }:
        found.append(
            f"{SAMPLER}={sampler[:60]} is no sampler that the SDK knows, so it keeps every trace; "
            f"there are {', '.join(SAMPLERS)}."
        )
    elif sampler.endswith("traceidratio") and share is not None and share < 1:
        found.append(
            f"{SAMPLER}={sampler} keeps {share:g} of the traces; a span that is missed may be another."
        )
    if environment.get(EXPORTER, "").strip().lower() == "none":
        found.append(
            f"{EXPORTER}=none is set: programs whose exporter the OpenTelemetry SDK chooses send no spans; "
            "those that call mlobs.init do."
        )
    return found + misspelt(environment)


def misspelt(environment: Mapping[str, str], read: Collection[str] = ()) -> list[str]:
    """Return a remark for each variable of ours that nothing reads; those of `read` something does."""
    ours = sorted(name for name in environment if name.startswith("MLOBS_") and name not in read)
    settings = [variable(kind, name) for kind in SETTINGS for name in kind.model_fields]
    secrets = [name for kind in SETTINGS for name in file_variables(kind).values()]
    known = [*settings, *secrets, *OTHERS]
    if not set(ours) <= set(known):  # a collector's may be in the same environment; its files say which
        known += variables_of_all()
    found = []
    for name in ours:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else "the README lists those that are."
            found.append(f"{name[:60]} is set and nothing reads it; {hint}")
    return found


def _share(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
