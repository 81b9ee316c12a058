"""Every page in both themes and at both widths: nothing is wrong, everybody can use it."""

import os
from pathlib import Path

import pytest

from tests.pages.conftest import NARROW, WIDE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# Where pictures are kept to be looked at; else with what else the test leaves behind.
KEPT = os.environ.get("MLOBS_TEST_PICTURES")

FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one);
  const outline = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
  return {text: one.outerHTML.slice(0, 80), outline};
}"""

PAGES = {
    "overview": lambda site: "/",
    "overview of a service": lambda site: "/?service=shop&since=6h",
    "overview, nothing there": lambda site: "/?from=2026-01-01&to=2026-01-02",
    "traces": lambda site: "/traces",
    "traces by cost": lambda site: "/traces?sort=dearest&q=cost%3E0&columns=started,cost,session,user,id",
    "traces, none": lambda site: "/traces?q=service:nobody",
    "trace": lambda site: site.trace("wrong"),
    "span": lambda site: f"{site.trace('wrong')}?span={site.story.spans['failed']}",
    "span with messages": lambda site: f"{site.trace('wrong')}?span={site.story.spans['chat']}",
    "span alone": lambda site: f"{site.trace('wrong')}/spans/{site.story.spans['failed']}",
    "conversation": lambda site: f"{site.trace('wrong')}?view=conversation",
    "agents": lambda site: f"{site.trace('wrong')}?view=agents",
    "logs and scores": lambda site: f"{site.trace('wrong')}?view=logs",
    "a loop": lambda site: site.trace("looping"),
    "in progress": lambda site: site.trace("running"),
    "hostile": lambda site: f"{site.trace('hostile')}?span={site.story.spans['hostile']}",
    "hostile conversation": lambda site: f"{site.trace('hostile')}?view=conversation",
    "ten megabytes": lambda site: f"{site.trace('hostile')}?span={site.story.spans['huge']}",
    "media": lambda site: f"{site.trace('media')}?span={site.story.spans['media']}",
    "very many spans": lambda site: site.trace("many"),
    "sessions": lambda site: "/sessions",
    "sessions by cost": lambda site: "/sessions?sort=dearest&q=agent:support",
    "sessions, none": lambda site: "/sessions?q=user:nobody",
    "session": lambda site: "/session?id=talk/of%20lamps",
    "users": lambda site: "/users",
    "user": lambda site: "/user?id=user-9",
    "models": lambda site: "/models",
    "models, none": lambda site: "/models?from=2026-01-01&to=2026-01-02",
    "cost": lambda site: "/models/cost",
    "cost by user": lambda site: "/models/cost?by=user&since=6h",
    "other prices": lambda site: "/models/prices?model=gpt-4o&as_model=gpt-4o-mini",
    "month": lambda site: "/models/month?budget=2",
    "setup": lambda site: "/setup?for=fastapi",
    "setup, nothing there": lambda site: "/setup?from=2026-01-01&to=2026-01-02",
    "login": lambda site: "/login",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_can_be_used_by_everybody(look, site, tmp_path, name, width, theme):
    seen = look(PAGES[name](site), width=width, theme=theme)
    seen.page.wait_for_timeout(200)
    folder = Path(KEPT) if KEPT else tmp_path
    folder.mkdir(exist_ok=True, parents=True)
    seen.page.screenshot(
        path=folder / f"{name.replace(' ', '-')}-{width}-{theme}.png", full_page=name != "ten megabytes"
    )
    assert seen.check() == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["overview", "traces", "span"])
def test_the_keyboard_reaches_everything_and_the_focus_is_seen(look, site, name):
    seen = look().stand().go(PAGES[name](site))  # Nothing refreshes meanwhile.
    order = []
    for _ in range(25):
        seen.page.keyboard.press("Tab")
        focused = seen.page.evaluate(FOCUSED)
        if focused is None:
            break
        order.append(focused)
    assert len(order) > 8
    assert "skip" in order[0]["text"]
    assert [one["text"] for one in order if one["outline"] < 1] == []


@pytest.mark.parametrize("name", ["overview", "traces", "trace", "conversation", "agents", "span alone"])
def test_every_page_says_the_same_without_scripts(look, site, name):
    seen = look(PAGES[name](site), java_script_enabled=False)
    assert seen.page.locator("h1").count() == 1
    assert seen.page.locator("noscript").first.inner_text().startswith("Scripts are off: times are UTC")
    if name == "trace":
        assert seen.page.locator("a.row").count() == 9
        seen.page.locator("a.row.first").click()
        assert "PaymentError" in seen.page.locator("#span").inner_text()


def test_pages_are_small_and_load_little(look, site):
    sizes: dict[str, int] = {}
    seen = look()
    seen.page.on(
        "requestfinished", lambda asked: sizes.update({asked.url: asked.sizes()["responseBodySize"]})
    )
    seen.go("/")
    first = dict(sizes)
    print({url.rpartition("/")[2]: size for url, size in first.items()})
    assert sum(first.values()) < 150_000
    assert len(first) < 16
