"""A cost report: asks the store, prices, and puts the answer together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mlobs.server.answers import moment
from mlobs.server.ask.compiling import Condition
from mlobs.server.ask.listing import Ask, Row
from mlobs.server.ask.ranges import Range
from mlobs.server.costs import statements
from mlobs.server.costs.figures import Figures, of_everything, of_group, unpriced, usd
from mlobs.server.costs.groupings import Groups, groups
from mlobs.server.costs.pricing import SCALE, Prices, Pricing, edges, prices
from mlobs.server.costs.sources import SURVEY, UNKNOWN, Source, source, survey_params

UNPRICED_MAX = 100
OTHERS = "others"
FEW_MAX = 100_000  # Calls whose agent is looked for in their traces only, and not in all.
UNIT = 10**SCALE
NOTHING: Row = {"parts": {}, "traces": 0, "successful_traces": 0, "groups": 0}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        where: For the calls.
        within: The range.
        by: What costs are divided by.
        limit: Rows at most.
        pricing: How calls are priced.
        then: How they are priced for comparison, if `pricing` is not what they cost.
        known: Whether `call_sums` has all calls there are: those that a cluster had before were not added up.
    """

    where: Condition
    within: Range
    by: Sequence[str]
    limit: int
    pricing: Pricing
    then: Pricing | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Also:
    """What else the same calls are divided by.

    Attributes:
        by: Names of groups.
        limit: Rows at most.
        apart: How many of the groups of the report, the dearest, are told apart, where `by` ends in the name
            that it is divided by; all if None. The others are one group, which is called something else.
    """

    by: Sequence[str]
    limit: int
    apart: int | None = None


def report(ask: Ask, asked: Question, also: Also | None = None) -> Row:
    """Return what the calls of a range cost.

    Args:
        ask: To the store.
        asked: What is asked.
        also: What else they are divided by, for `also_rows`; all calls are priced once, and traces are not
            counted.

    Raises:
        QueryError: Nothing is grouped by one of the names, or the store refused the question.
    """
    wanted = groups(asked.by)  # refuses before anything is read
    more = None if also is None else groups(also.by)
    priced = _priced(ask, asked)
    divided = _divided(ask, asked, wanted, priced) if asked.by else None
    if divided is not None and divided.unknown:  # A model's first call came in between.
        priced = _priced(ask, asked)
        divided = _divided(ask, asked, wanted, priced)
    whole = priced.total if divided is None else divided.whole
    found: Row = {
        "from": moment(asked.within.since_ns),
        "to": moment(min(asked.within.until_ns, asked.within.now_ns)),
        "total": whole.shown(repriced=asked.then is not None),
        "rows": [],
        "groups": 0,
        "rest_usd": 0.0,
        "repeated_calls": priced.repeated,
        "unpriced": priced.unpriced[:UNPRICED_MAX],
    }
    if divided is not None:
        found |= divided.shown
    if also is not None and more is not None:
        if also.apart is not None:
            more = _apart(more, [row["group"][asked.by[0]] or "" for row in found["rows"][: also.apart]])
        asked = replace(asked, by=also.by, limit=also.limit)
        found["also_rows"] = _divided(ask, asked, more, priced, traces=False).shown["rows"]
    return found


def total(ask: Ask, asked: Question) -> Figures:
    """Return the figures of all the calls of a range.

    Raises:
        QueryError: The store refused the question.
    """
    return _priced(ask, asked).total


@dataclass(frozen=True, slots=True)
class _Priced:
    """What is known of all calls before they are divided.

    Attributes:
        silent: How many calls do not say themselves some of what they can be divided by, as far as asked.
    """

    total: Figures
    repeated: int
    unpriced: list[Row]
    prices: dict[int, Prices]
    source: Source
    classes: frozenset[int]
    silent: dict[frozenset[str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Divided:
    """Groups, and all calls as the same statement saw them."""

    shown: Row
    whole: Figures
    unknown: bool


def _priced(ask: Ask, asked: Question) -> _Priced:
    within, then = asked.within, asked.then
    books = [asked.pricing.book] + ([] if then is None else [then.book])
    changes = edges(books, within.since_ns, within.until_ns)
    survey = ask(SURVEY, survey_params(within))[0] if asked.known else UNKNOWN
    read = source(asked.where, changes, within, survey)
    classes = ask(statements.classes(read), read.params)
    known = {row["class"]: prices(row, changes, asked.pricing, then) for row in classes}
    found = {ident: one for ident, one in known.items() if one is not None}
    total = of_everything(classes, found)
    repeated = 0
    if read.repeated or not asked.by:  # Where calls are divided, that statement tells the traces.
        traces = ask(statements.traces(read), read.params)[0]
        total.traces, total.successful_traces = traces["traces"], traces["successful_traces"]
        repeated = traces["repeated_calls"]
    listed = unpriced(classes, found, changes, asked.pricing)
    return _Priced(total, repeated, listed, found, read, frozenset(known))


def _divided(ask: Ask, asked: Question, wanted: Groups, priced: _Priced, *, traces: bool = True) -> _Divided:
    rates = [[ident, [units / UNIT for units in one.now]] for ident, one in priced.prices.items()]
    read = _read(ask, priced, wanted)
    params = {**read.params, **wanted.params, "prices": json.dumps(rates), "limit": asked.limit}
    dearest: list[Row] = []
    if wanted.many and read.summed:
        used = [name for name, count in priced.total.tokens.items() if count]
        dearest = ask(statements.dearest(read, wanted, used), params)
        params["listed"] = f"[{','.join(str(row['listed']) for row in dearest)}]"
    found = ask(statements.rows(read, wanted, traces=traces, listed=bool(dearest)), params)
    everything, *rows = found or [NOTHING]
    whole = of_group(everything, priced.prices)
    figures = [of_group(row, priced.prices) for row in rows]
    rest = whole.cost_units - sum(one.cost_units for one in figures)
    shown = {
        "rows": [
            {
                "group": {name: row[f"group_{number}"] or None for number, name in enumerate(asked.by)},
                **one.shown(repriced=asked.then is not None),
            }
            for row, one in zip(rows, figures, strict=True)
        ],
        "groups": dearest[0]["groups"] if dearest else everything["groups"],
        "rest_usd": float(usd(rest)),
    }
    listed_all = len(priced.classes) < statements.CLASSES_MAX
    unknown = listed_all and not priced.classes.issuperset(map(int, everything["parts"]))
    return _Divided(shown, whole, unknown)


def _apart(wanted: Groups, names: Sequence[str]) -> Groups:
    """Return the same with only some groups of the last name told apart."""
    others = OTHERS
    while others in names:
        others += "."
    params = {**wanted.params, "named": json.dumps(names), "others": others}
    return replace(wanted, params=params, told_apart=len(wanted.names) - 1)


def _read(ask: Ask, priced: _Priced, wanted: Groups) -> Source:
    """Return where groups are read: from the spans, if the sums do not tell them."""
    source = priced.source
    if not source.summed or wanted.summed is None:
        return source.of_spans
    names = frozenset(wanted.own)
    if names and names not in priced.silent:
        params = {**source.params, **wanted.params}
        priced.silent[names] = ask(statements.silent(source, wanted), params)[0]["calls"]
    if priced.silent.get(names):
        return source.of_spans
    if not wanted.by_agent:
        return source
    return replace(source, few=ask(statements.asking(source), source.params)[0]["calls"] <= FEW_MAX)
