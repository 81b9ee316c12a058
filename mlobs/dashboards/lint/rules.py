"""The rules by name: what each wants, and for whom."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule wants.

    Args:
        wants: One sentence.
        of: Whom it binds: everybody; `house` only the dashboards that ship with mlobs. Somebody else's are
            only warned of `style`, for theirs may be another, and of `names`, which we may not know.
    """

    wants: str
    of: Literal["everybody", "house", "style", "names"] = "everybody"


RULES: dict[str, Rule] = {
    # Those of the public dashboard linter.
    "template-datasource": Rule("The first variable chooses the data source.", "style"),
    "template-job": Rule("A variable chooses jobs.", "house"),
    "template-instance": Rule("A variable chooses instances.", "house"),
    "template-label-promql": Rule("A variable's query is PromQL."),
    "template-on-time-change-reload": Rule("Variables are asked again when the time range changes.", "style"),
    "panel-datasource": Rule("Panels take the data source that was chosen.", "style"),
    "panel-title-description": Rule("A panel has a title and a description.", "style"),
    "panel-units": Rule("Numbers have a unit.", "style"),
    "panel-no-targets": Rule("A panel asks something."),
    "target-logql": Rule("A query of logs is LogQL."),
    "target-logql-auto": Rule("A rate of logs is taken over $__auto.", "style"),
    "target-promql": Rule("A query is PromQL."),
    "target-rate-interval": Rule("A rate is taken over $__rate_interval.", "style"),
    "target-job": Rule("A query chooses by job.", "house"),
    "target-instance": Rule("A query chooses by instance.", "house"),
    "target-counter-agg": Rule("A counter is inside rate, irate or increase."),
    "uneditable-dashboard": Rule("The dashboard is not editable, so that nobody loses a change.", "style"),
    # Ours, about the whole.
    "shape": Rule("It is put together as Grafana does it."),
    "uid": Rule("The uid is short and stable; ours begin with mlobs-."),
    "portable": Rule("No inputs and no id, which provisioning cannot resolve."),
    "crosshair": Rule("One crosshair on all panels.", "house"),
    "panel-ids": Rule("No two panels have the same id."),
    "panel-titles": Rule("No two panels have the same title.", "house"),
    "panel-count": Rule("At most 30 panels are open at once.", "house"),
    "row-empty": Rule("A row has panels.", "style"),
    "layout-overlap": Rule("No panel lies over another."),
    "layout-width": Rule("No panel reaches beyond 24 columns."),
    "colours": Rule("Colours are those of the palette.", "house"),
    "variables-known": Rule("Variables that are used exist."),
    "variables-used": Rule("Variables that exist are used.", "house"),
    "links-known": Rule("Links lead to dashboards that exist.", "names"),
    "links-labels": Rule("A link takes only labels that the series has.", "names"),
    # Ours, about panels and queries.
    "description-sentence": Rule("A description ends with a full stop.", "house"),
    "unit-fits": Rule("A panel's unit fits what its metrics count."),
    "range-sane": Rule("A share that cannot be above 1 has 0 and 1 for its ends.", "house"),
    "legend": Rule("A query has a legend, of labels that the series has.", "house"),
    "exemplars": Rule("A percentile shows the traces behind it.", "house"),
    "series-count": Rule("At most 12 lines.", "house"),
    "mean-beside-quantiles": Rule("No mean beside percentiles.", "style"),
    "zero": Rule("Zero is shown only where it is true.", "house"),
    "metric-known": Rule("A metric is one that is emitted.", "names"),
    "label-carried": Rule("A metric is chosen by a label that it carries.", "names"),
    "label-kept": Rule("An aggregation keeps labels that are there.", "names"),
    "steady": Rule("What is stacked, and a band of states, is the same series all the time.", "house"),
    "gauge-rate": Rule("A rate or an increase is of what only grows."),
    "ratio-choices": Rule("Both halves of a ratio obey the same choices.", "house"),
    "target-sql": Rule("A panel asks one SQL question."),
    "target-sql-quoted": Rule("A choice cannot end the SQL string that it is put into."),
    "target-traceql": Rule("A query of traces is TraceQL."),
    "quantile-buckets": Rule("A percentile is of buckets, with le kept."),
}

_SERVICES = "services are told apart by service_name, which pushed and scraped metrics both have"
# What we do not follow, and why.
EXEMPT: dict[str, str] = {
    "template-job": _SERVICES,
    "template-instance": _SERVICES,
    "target-job": _SERVICES,
    "target-instance": _SERVICES,
}
