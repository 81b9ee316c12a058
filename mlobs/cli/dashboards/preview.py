"""`mlobs dashboards preview`."""

import argparse
import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlobs.cli.dashboards.shipped import from_file, shipped
from mlobs.cli.printing import console, rich, visible
from mlobs.cli.verbs import add_verb
from mlobs.errors import DataError, SettingError

WIDTH_MIN, WIDTH_MAX = 400, 4000
EPILOG = """\
Panels' queries go to the Prometheus and the ClickHouse given, and nowhere else; the pages need no network.

examples:
  mlobs dashboards preview --prometheus http://127.0.0.1:9090
  mlobs dashboards preview overview cost --prometheus http://127.0.0.1:9090 --from now-6h --png
  mlobs dashboards preview mine.json --prometheus http://127.0.0.1:9090 --clickhouse http://127.0.0.1:4318

exit status: 0 drawn, 1 drawn but a query was refused, 2 nothing could be drawn
"""


def register(verbs: Any) -> None:
    """Add `preview`."""
    preview = add_verb(
        verbs, "preview", _preview, "Draw dashboards as HTML pages, with real data, without Grafana.", EPILOG
    )
    preview.add_argument(
        "names",
        metavar="NAME|FILE",
        nargs="*",
        help="a shipped dashboard or a file (default: all shipped ones)",
    )
    preview.add_argument(
        "--prometheus",
        metavar="URL",
        default="http://127.0.0.1:9090",
        help="who is asked PromQL (default: http://127.0.0.1:9090)",
    )
    preview.add_argument(
        "--clickhouse",
        metavar="URL",
        help="who is asked SQL: an mlobs server or a ClickHouse (default: nobody)",
    )
    preview.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        help="where the range begins (default: the dashboard's own, as now-1h)",
    )
    preview.add_argument(
        "--to", dest="end", metavar="TIME", default="now", help="where it ends (default: now)"
    )
    preview.add_argument(
        "--variable",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what a variable of the dashboard is; again for a second value, or another variable",
    )
    preview.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("previews"),
        help="where to write (default: previews)",
    )
    preview.add_argument("--png", action="store_true", help="write pictures, too; needs Chromium")
    preview.add_argument(
        "--theme", choices=("dark", "light"), default="dark", help="the colours (default: dark)"
    )
    preview.add_argument(
        "--width", metavar="PIXELS", type=int, default=1280, help="of the page (default: 1280)"
    )


def _preview(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.preview.addresses import address
    from mlobs.dashboards.preview.gathering import Gatherer
    from mlobs.dashboards.preview.page import Page, page
    from mlobs.dashboards.preview.picture import browser, picture
    from mlobs.dashboards.preview.sources import ClickHouse, Prometheus
    from mlobs.dashboards.preview.spans import span
    from mlobs.settings import ClientSettings, load

    _checked(arguments)
    boards = _boards(arguments.names)
    chosen = _chosen(arguments.variable, boards)
    if arguments.png:
        browser()
    token = load(ClientSettings).token.get_secret_value()
    prometheus = Prometheus(arguments.prometheus)
    clickhouse = ClickHouse(arguments.clickhouse, token) if arguments.clickhouse else None
    asked = [given for given in (arguments.prometheus, arguments.clickhouse) if given]
    how = Page(
        theme=arguments.theme,
        width=arguments.width,
        siblings={board["uid"]: f"{name}.html" for name, board in boards.items()},
        asked=[address(given).shown for given in asked],
    )
    refused: list[str] = []
    for name, board in boards.items():
        begin = arguments.begin or str((board.get("time") or {}).get("from", "now-1h"))
        shown = span(begin, arguments.end, time.time())
        gathered = _gathered(Gatherer(prometheus, clickhouse, shown, arguments.width), board, chosen)
        file = arguments.output / f"{name}.html"
        _write(file, page(board, gathered, how))
        print(file)
        if arguments.png:
            picture(file, file.with_suffix(".png"), arguments.width)
            print(file.with_suffix(".png"))
        refused += _refused(name, board, gathered)
    for sentence in refused:
        console(stderr=True).print(visible(sentence), markup=False, highlight=False, soft_wrap=True)
    return 1 if refused else 0


def _gathered(gatherer: Any, board: Any, chosen: Mapping[str, Sequence[str]]) -> Any:
    with console(stderr=True).status("") as status:
        return gatherer.gather(board, chosen, lambda told: status.update(rich("text").Text(visible(told))))


def _checked(arguments: argparse.Namespace) -> None:
    for flag in ("prometheus", "clickhouse"):
        given = getattr(arguments, flag)
        if given and not given.startswith(("http://", "https://")):
            raise SettingError(
                f"--{flag} {given[:80]!r} came, an address that begins with http:// or https:// was expected."
            )
    if not WIDTH_MIN <= arguments.width <= WIDTH_MAX:
        raise SettingError(
            f"--width {arguments.width} came, {WIDTH_MIN} to {WIDTH_MAX} pixels were expected. "
            "Try --width 1280."
        )


def _chosen(given: Sequence[str], boards: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    variables = [
        one for board in boards.values() for one in (board.get("templating") or {}).get("list") or ()
    ]
    known = sorted({str(one["name"]) for one in variables if one.get("type") != "adhoc"})
    chosen: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise SettingError(
                f"--variable {one!r} came, NAME=VALUE was expected, such as service=support-bot."
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            meant = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known) or 'none'}."
            raise SettingError(f"No dashboard here has a variable {name[:60]!r}. {meant}")
        chosen.setdefault(name, []).append(value)
    return chosen


def _boards(names: Sequence[str]) -> dict[str, Any]:
    """Return dashboards by the names of their pages."""
    from mlobs.dashboards.preview.shape import readable

    found = {name.removesuffix(".json"): board for name, board in shipped().items()}
    if not names:
        return found
    wanted: dict[str, Any] = {}
    for name in names:
        if (stem := _stem(name, found)) is not None:
            wanted[stem] = found[stem]
        elif name.endswith(".json") or Path(name).is_file():
            wanted[Path(name).stem] = readable(from_file(Path(name)), Path(name).name)
        else:
            near = difflib.get_close_matches(name, found, n=1)
            meant = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(found)}."
            raise DataError(f"There is no dashboard {name[:60]!r}, and no such file. {meant}")
    return wanted


def _stem(name: str, found: Mapping[str, Any]) -> str | None:
    return next((stem for stem, board in found.items() if name in {stem, board["uid"], board["title"]}), None)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"The file {str(file)!r} cannot be written: {error.strerror}. Choose another folder with -o DIR."
        ) from None


def _refused(name: str, board: Any, gathered: Any) -> Iterator[str]:
    from mlobs.dashboards.layout import panels

    yield from (f"{name}: {sentence}" for sentence in gathered.problems)
    for panel in panels(board):
        for sentence in gathered.answers[panel.get("id")].problems:
            yield f"{name}: {panel.get('title')}: {sentence}"
