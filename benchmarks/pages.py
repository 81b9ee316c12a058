"""How long the pages take over a store of many spans: p50 and p95, CPU of the server, bytes and requests.

python -m benchmarks.pages --spans 10000000 --data FOLDER

Fills a folder as `benchmarks.questions` does, or uses one that was filled before, and asks each page of a
`mlobs up` beside it, over the last day there are spans of. Bytes and requests are those of a first visit: the
page and what it loads, as they are sent. Last, Chromium opens the trace of 50,000 spans: from the click until
its first rows are drawn and its scripts wait for somebody. Needs Playwright's driver and Chromium for that.
"""

import argparse
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urljoin

import psutil
import requests

from benchmarks.measuring import show
from benchmarks.questions import LARGE, fill
from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load
from tests.processes import MLOBS, process

ROUNDS, DAY_S, START_S = 15, 86_400, 600
LARGEST = max(LARGE, key=lambda trace_id: LARGE[trace_id])
OPENED = "trace of 50,000 spans"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# With `{range}` where a page is about one.
PAGES = {
    "overview": "/?{range}",
    "overview of a service": "/?service=service-3&{range}",
    "traces": "/traces?{range}",
    "traces, filtered": "/traces?q=model:model-3+status:error&{range}",
    "traces, slowest": "/traces?sort=slowest&{range}",
    "traces, dearest": "/traces?sort=dearest&{range}",
    "traces, slowest of a service": "/traces?q=service:service-3&sort=slowest&{range}",
    "trace of 10 spans": "/traces/{trace}",
    "its conversation": "/traces/{trace}?view=conversation",
    OPENED: f"/traces/{LARGEST}",
    "sessions": "/sessions?{range}",
    "sessions, dearest": "/sessions?sort=dearest&{range}",
    "sessions, filtered": "/sessions?q=status:error&{range}",
    "session": "/session?id=conversation-77&{range}",
    "users": "/users?{range}",
    "users, failing": "/users?sort=failing&{range}",
    "user": "/user?id=user-77&{range}",
    "models": "/models?{range}",
    "cost": "/models/cost?{range}",
    "prices": "/models/prices?{range}",
    "drift": "/drift",
    "alerts": "/alerts",
    "setup": "/setup",
}
# What a page names, and what a script imports.
_LOADED = re.compile(r'<(?:link|script|img)\b[^>]*?\b(?:href|src)="(/[^"]+)"')
_IMPORTED = re.compile(r"""^import\b[^;]*?["'](\./[^"']+)["']""", re.MULTILINE)


class Visitor:
    """Asks for pages as a browser does that has none of them yet.

    Args:
        url: Of the server.
        cpu: Seconds of CPU time that the server has used.
    """

    def __init__(self, url: str, cpu: Callable[[], float]) -> None:
        self._url, self._cpu = url, cpu
        self._session = requests.Session()
        self._session.headers["Accept"] = "text/html"
        self._parts: dict[str, tuple[int, set[str]]] = {}

    def measure(self, path: str, rounds: int) -> dict[str, object]:
        """Return the figures of one page."""
        took, cpu = [], []
        for _ in range(rounds + 1):  # The first is not counted.
            before, began = self._cpu(), time.perf_counter()
            status, size, text = self._sent(f"{self._url}{path}")
            took.append((time.perf_counter() - began) * 1000)
            cpu.append((self._cpu() - before) * 1000)
        parts = self._all({urljoin(self._url, one) for one in _LOADED.findall(text)})
        return {
            "p50 ms": statistics.median(took[1:]),
            "p95 ms": statistics.quantiles(took[1:], n=20)[-1] if rounds > 1 else took[-1],
            "first ms": took[0],
            "CPU ms": statistics.mean(cpu[1:]),
            "page KB": size / 1e3,
            "first visit KB": (size + sum(self._parts[one][0] for one in parts)) / 1e3,
            "requests": 1 + len(parts),
            "answer": status,
        }

    def _all(self, wanted: set[str]) -> set[str]:
        """Return these parts and what they import."""
        found: set[str] = set()
        while left := wanted - found:
            for address in left:
                if address not in self._parts:
                    _, size, text = self._sent(address)
                    names = _IMPORTED.findall(text) if address.endswith(".js") else []
                    self._parts[address] = size, {urljoin(address, name) for name in names}
                found.add(address)
                wanted = wanted | self._parts[address][1]
        return found

    def _sent(self, address: str) -> tuple[int, int, str]:
        """Return the status, how many bytes came over the wire, and what they say."""
        answer = self._session.get(address, timeout=150, stream=True)
        text = answer.text
        return answer.status_code, answer.raw.tell(), text


def opened(url: str, rounds: int) -> dict[str, object] | str:
    """Return how long Chromium takes to open the largest trace, or why it was not asked."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "Playwright's driver is missing: pip install playwright"
    if CHROMIUM is None:
        return "Chromium is missing: apt-get install chromium"
    took = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.goto(f"{url}/setup", wait_until="networkidle")
            began = time.perf_counter()
            page.goto(f"{url}/traces/{LARGEST}", wait_until="load")
            page.locator(".row").first.wait_for()
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            took.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return {"s, median": statistics.median(took), "s, slowest": max(took), "times": rounds}


def filled(data: Path, spans: int) -> tuple[str, str]:
    """Fill a folder; return the range of its last day as parameters, and the id of a trace."""
    with Server(load(ServerSettings, port=0, data=data, query_seconds_max=120)) as server:
        fill(server, spans)
        [row] = server.store.query(
            "SELECT toUnixTimestamp(max(Timestamp)) AS last_s, argMax(TraceId, Timestamp) AS trace "
            "FROM otel_traces WHERE SpanName = 'retrieval notes' AND NOT has({large:Array(String)}, TraceId)",
            {"large": str(list(LARGE))},
        )
    # Not on whole minutes, as what people ask is not.
    begin, end = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        for at in (row["last_s"] - DAY_S + 17, row["last_s"] + 1)
    )
    return urlencode({"from": begin, "to": end}), row["trace"]


def main() -> None:
    """Fill, ask, print."""
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--spans", type=int, default=1_000_000)
    reader.add_argument("--rounds", type=int, default=ROUNDS)
    reader.add_argument("--data", type=Path, help="a folder to fill, or one that was filled before")
    reader.add_argument("--only", default="", help="ask only the pages that have this in their name")
    reader.add_argument("--json", action="store_true", help="print JSON documents")
    given = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or Path(folder) / "data"
        day, trace = filled(data, given.spans)
        log = Path(folder) / "log"
        with process(*MLOBS, "up", "--port", "0", "--grpc-port", "0", "--data", str(data), log=log) as run:
            url, until = "", time.monotonic() + START_S
            while not url:
                if run.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"The server did not start: {log.read_text()[-1000:]}")
                time.sleep(0.1)
                found = re.search(r"pages +(\S+)/\n", log.read_text())
                url = found[1] if found else ""
            times = psutil.Process(run.pid).cpu_times
            visitor = Visitor(url, lambda: times().user + times().system)
            rows: list[dict[str, object]] = []
            for name, path in PAGES.items():
                if given.only in name:
                    address = path.replace("{range}", day).replace("{trace}", trace)
                    rows.append({"page": name, **visitor.measure(address, given.rounds)})
                    print(f"asked for {name}", file=sys.stderr, flush=True)
            show(f"Pages over {given.spans:,} spans", rows, as_json=given.json)
            if given.only not in OPENED:
                return
            seconds = opened(url, 5)
            if isinstance(seconds, str):
                print(f"The trace of 50,000 spans was not opened in a browser. {seconds}")
            else:
                show("The trace of 50,000 spans in Chromium", [seconds], as_json=given.json)


if __name__ == "__main__":
    main()
