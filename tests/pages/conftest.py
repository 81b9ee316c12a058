"""A real server with a real story in it, and a real browser to look at it with."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.pages.story import tell
from tests.pages.teller import Story
from tests.processes import MLOBS, process

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, NARROW = 1280, 400
SPANS = 20_000
CHECKS = (Path(__file__).parent / "checks.js").read_text()
# Whether a page's scripts listen, where it has any: by what they change at last.
BEGUN = """() => !document.documentElement.dataset.scripted || (
  !document.querySelector("[data-unscripted]") &&
  (!document.querySelector("[data-spans]") || document.querySelector("[role=treegrid]") !== null))"""
# Said before any script of the page runs.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@dataclass(frozen=True)
class Site:
    """A server with a story in it."""

    url: str
    story: Story
    process: subprocess.Popen[bytes]

    def trace(self, name: str) -> str:
        """Return the path of a trace of the story."""
        return f"/traces/{self.story.ids[name]}"


@dataclass
class Look:
    """A page that is looked at, and what was not well about it."""

    page: Any
    url: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> "Look":
        """Open an address and wait until its scripts have begun."""
        self.page.goto(f"{self.url}{path}", wait_until="networkidle")
        until = time.monotonic() + 60
        while not self.page.evaluate(BEGUN):
            assert time.monotonic() < until, f"the scripts of {path} do not begin"
            time.sleep(0.05)
        return self

    def stand(self) -> "Look":
        """Have the clock of pages stand: what they do after a while they do when the test says so.

        It is set before there is a page, in which something could be due; and ahead, as it cannot go back.
        """
        self.page.clock.install()
        self.page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=30))
        return self

    def check(self) -> list[str]:
        """Return what a reader without sight, mouse or patience would complain about."""
        found: list[str] = self.page.evaluate(CHECKS)
        return found

    def violations(self) -> list[str]:
        """Return what the content security policy refused."""
        found: list[str] = self.page.evaluate("window.violations")
        return found


def started(
    log: Path, data: Path, *more: str, port: int = 0
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run `mlobs up` until the block ends; yield its address."""
    command = (*MLOBS, "up", "--port", str(port), "--grpc-port", "0", "--data", str(data), *more)
    # A question that takes too long is a failure that the browser reports; the machine may be busy.
    environment = {**os.environ, "MLOBS_QUERY_SECONDS_MAX": "120"}
    with process(*command, log=log, env=environment) as running:
        until = time.monotonic() + 150
        while not (found := re.search(r"pages +(\S+)/\n", log.read_text())):
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield found[1], running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`mlobs up`, with everything that the story tells."""
    folder = tmp_path_factory.mktemp("site")
    for url, running in started(folder / "log", folder / "data"):
        story = tell(url, usual=60, many=SPANS)
        until = time.monotonic() + 150
        while True:
            answer = requests.get(f"{url}/api/traces/{story.ids['many']}?limit=1", timeout=60)
            if answer.ok and answer.json()["spans_stored"] == SPANS:
                break
            assert time.monotonic() < until, answer.text[:300]
            time.sleep(0.2)
        yield Site(url, story, running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, as Debian has it."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def patient(browser: Any, **given: Any) -> Any:
    """Return a context of a browser that waits longer than by itself: the machine may be busy."""
    context = browser.new_context(**given)
    context.set_default_timeout(90_000)
    return context


@pytest.fixture
def look(browser: Any, site: Site) -> Iterator[Callable[..., Look]]:
    """Open pages; afterwards nothing may have gone wrong in any of them."""
    looks: list[Look] = []
    contexts: list[Any] = []

    def make(path: str = "", *, width: int = WIDE, theme: str = "light", url: str = "", **given: Any) -> Look:
        context = patient(browser, viewport={"width": width, "height": 860}, color_scheme=theme, **given)
        context.add_init_script(WATCH)
        contexts.append(context)
        made = Look(context.new_page(), url or site.url)
        watch(made)
        looks.append(made)
        return made.go(path) if path else made

    yield make
    for one in looks:
        assert one.wrong == []
        assert one.violations() == []
    for context in contexts:
        context.close()


def watch(look: Look) -> None:
    """Note what goes wrong in a page."""
    page = look.page

    def hear(said: Any) -> None:
        if said.type in {"error", "warning"}:
            look.wrong.append(f"{said.type}: {said.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: look.wrong.append(f"script: {error}"))
    page.on("dialog", lambda dialog: (look.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda asked: (
            None if asked.url.startswith((look.url, "data:")) else look.wrong.append(f"left: {asked.url}")
        ),
    )
