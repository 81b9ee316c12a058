"""`mlobs cost`: what model calls cost, with the prices of their days or with others."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlobs.cli.filters import FilterParser
from mlobs.cli.verbs import add_server

REPORT_EPILOG = """\
examples:
  mlobs cost report --by model --since 30d
  mlobs cost report "service:support-bot" --by user --limit 20
  mlobs cost report --by day,model --from 2026-10-01 --to 2026-11-01 --csv > october.csv
  mlobs cost report --reprice today                 the same calls at today's prices
  mlobs cost report --reprice contract.json         at those of a price file
  mlobs cost report --as-model openai/gpt-4o-mini   as if another model had answered

What has no price is listed with its tokens and in no sum. --by takes hour, day, month, tenant, experiment and
experiment.NAME, and most words of a filter: model, provider, service, agent, tool, user, session, trace, any
attr.NAME or resource.NAME, and so on; up to three of them.
"""
SPARE = ("successful", "traces", "cached", "saved", "per success", "calls")
SINCE = "30d"


def register(nouns: Any) -> None:
    """Add `mlobs cost`."""
    noun = nouns.add_parser("cost", help="what model calls cost", description="Ask a server for costs.")
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=FilterParser)
    report = verbs.add_parser(
        "report",
        help="costs by model, user, day ...",
        description="Print what model calls cost.",
        epilog=REPORT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("filter", nargs="*", metavar="FILTER", help="as in traces list")
    report.add_argument("--by", default="model", help="what to divide by (default: model)")
    report.add_argument("--since", help=f"how long ago, or a time (default: {SINCE})")
    report.add_argument("--from", dest="begin", help="where the range begins")
    report.add_argument("--to", dest="end", help="where it ends (default: now)")
    report.add_argument("--limit", type=int, default=100, help="rows (default: 100)")
    report.add_argument("--reprice", metavar="FILE|today", help="price with a file, or as of today")
    report.add_argument(
        "--as-model", metavar="MODEL",
        help="price calls as this model; embeddings keep their own price, unless it is one for them",
    )  # fmt: skip
    form = report.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV, with all figures")
    report.set_defaults(handler=print_report)
    month = verbs.add_parser(
        "month",
        help="this month so far, and a forecast",
        description="Print what this month has cost, and will by its end if it goes on as in the last day.",
    )
    month.add_argument("filter", nargs="*", metavar="FILTER", help="which calls")
    month.add_argument("--budget", metavar="USD", help="of the month; exit status 1 if it is not enough")
    month.add_argument("--json", action="store_true", help="print JSON")
    month.set_defaults(handler=print_month)
    for verb in (report, month):
        add_server(verb)


def print_report(arguments: argparse.Namespace) -> int:
    """Print what calls cost."""
    from mlobs.cli.asking import client
    from mlobs.cli.printing import print_json, print_rows

    today = arguments.reprice == "today"
    with client(arguments.server) as asked:
        report = asked.costs(
            arguments.filter,
            by=arguments.by,
            other_prices=None if today or arguments.reprice is None else _text(Path(arguments.reprice)),
            prices="today" if today else None,
            as_model=arguments.as_model,
            since=arguments.since,
            from_=arguments.begin,
            to=arguments.end,
            limit=str(arguments.limit),
        )
    if arguments.json:
        print_json(report)
    elif arguments.csv:
        _print_csv(report)
    else:
        names = list(report["rows"][0]["group"]) if report["rows"] else []
        rows = [_row(row["group"], row) for row in report["rows"]]
        if report["groups"] > len(rows):
            rest = dict.fromkeys(rows[0]) | {"cost": _usd(report["rest_usd"])}
            rows.append(rest | {names[0]: f"{report['groups'] - len(rows):,} more"})
        rows.append(_row(dict.fromkeys(names) | ({names[0]: "total"} if names else {}), report["total"]))
        print_rows(rows, as_json=False, spare=SPARE)
        _print_notes(report)
    return 0


def print_month(arguments: argparse.Namespace) -> int:
    """Print what this month has cost; return 1 if it will cost more than the budget."""
    from mlobs.cli.asking import ask
    from mlobs.cli.printing import console, print_json

    wanted = {"q": arguments.filter or None, "budget": arguments.budget}
    month = ask(arguments.server, "/api/cost/month", wanted)
    over = month.get("budget_used_up") is not None
    if arguments.json:
        print_json(month)
        return int(over)
    out = console()
    past = f"after {month['days_past']:.1f} of {month['days']} days"
    out.print(f"{month['month']}: {_usd(month['spent_usd'])} {past}")
    out.print(f"{_usd(month['forecast_usd'])} by its end, if it goes on as in the last day")
    if "budget_usd" in month:
        share = f"{month['budget_spent']:.0%} of the budget of {_usd(month['budget_usd'])} is spent"
        out.print(f"{share}{_used_up(month)}")
    if month["calls_without_price"]:
        out.print(
            f"not counted: {month['calls_without_price']:,} calls without a price; see mlobs cost report"
        )
    return int(over)


def _used_up(month: dict[str, Any]) -> str:
    if month["budget_used_up"] is None:
        return ""
    day = month["budget_used_up"][:10]
    if month["budget_is_used_up"]:
        return f"; it has been used up since {day}"
    return f"; it is used up on {day} if it goes on as in the last day"


def _row(group: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table for people."""
    share = figures["cache_share"]
    found = {
        **group,
        "calls": f"{figures['calls']:,}",
        "traces": f"{figures['traces']:,}",
        "successful": f"{figures['successful_traces']:,}",
        "tokens": f"{sum(figures['tokens'].values()):,}",
        "cached": None if share is None else f"{share:.0%}",
        "saved": _usd(figures["cache_saved_usd"]),
        "per success": _usd(figures["cost_per_successful_trace_usd"]),
        "cost": _usd(figures["cost_usd"]),
    }
    if "then_usd" in figures:
        found |= {"before": _usd(figures["then_usd"]), "change": _usd(figures["change_usd"])}
    return found | {
        "no price": f"{figures['calls_without_price']:,}" if figures["calls_without_price"] else None
    }


def _print_notes(report: dict[str, Any]) -> None:
    """Print what is in no sum."""
    from mlobs.cli.printing import console, print_rows

    talk = console(stderr=True)
    if report["unpriced"]:
        talk.print("Without a price, and in no sum (MLOBS_PRICES names a file with more):")
        print_rows([_unpriced(row) for row in report["unpriced"]], as_json=False)
    if report["repeated_calls"]:
        talk.print(f"{report['repeated_calls']:,} spans repeat the call below them and are left out.")
    if report["total"]["calls_without_usage"]:
        talk.print(f"{report['total']['calls_without_usage']:,} calls told no tokens.")


def _unpriced(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "provider": row["provider"],
        "model": row["model"],
        "tier": row["service_tier"],
        "unknown": row["unknown"],
        "calls": f"{row['calls']:,}",
        "tokens": f"{sum(row['tokens'].values()):,}",
        "the spans say": _usd(row["told_usd"]),
    }


def _print_csv(report: dict[str, Any]) -> None:
    """Print one row for each group, with plain numbers."""
    import csv
    import sys

    from mlobs.cli.printing import console, visible

    rows = list(_csv_rows(report))
    if report["groups"] > len(rows):
        more = f"{report['groups'] - len(rows):,} more groups of {_usd(report['rest_usd'])} are left out"
        console(stderr=True).print(f"{more}; take a larger --limit.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_cell(value, visible) for name, value in row.items()})


def _csv_rows(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for row in report["rows"]:
        figures = {name: value for name, value in row.items() if name not in {"group", "tokens"}}
        tokens = {f"tokens_{name}": count for name, count in row["tokens"].items()}
        yield {**row["group"], **figures, **tokens}


def _csv_cell(value: Any, visible: Any) -> Any:
    """Return a number without an exponent, and text that no spreadsheet takes for a formula."""
    if isinstance(value, float):
        return f"{value:.15f}".rstrip("0").rstrip(".")
    if isinstance(value, str):
        return f"'{visible(value)}" if value[:1] in {"=", "+", "-", "@"} else visible(value)
    return value


def _usd(amount: float | None) -> str | None:
    """Return dollars with as many places as small amounts need.

    >>> _usd(1234.5), _usd(-0.0023), _usd(0)
    ('$1,234.50', '-$0.002300', '$0.00')
    """
    if amount is None:
        return None
    places = 2 if abs(amount) >= 1 or not amount else 6
    return f"{'-' if amount < 0 else ''}${abs(amount):,.{places}f}"


def _text(path: Path) -> str:
    """Return a price file's text, after it was found to be one."""
    from mlobs.prices.file import load_prices

    load_prices(path, came=f"--reprice {path}")
    return path.read_text(encoding="utf-8")
