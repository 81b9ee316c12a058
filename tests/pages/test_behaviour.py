"""What pages do when somebody uses them."""

import json
import re
import time
from functools import partial
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.pages.conftest import SPANS, Look, patient, started, watch
from tests.pages.story import HOSTILE
from tests.processes import free_port
from tests.server.otlp import post, span
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TYPED_MS = 300  # After so long without another key what was typed is asked for.
OWN_STATUS = re.compile(r"Failed to load resource: (the server responded|net::ERR_CONNECTION)")


def names(look: Look) -> list[str]:
    """Return the names in the list."""
    found: list[str] = look.page.locator("table.traces td.name a").all_inner_texts()
    return found


def send_one(url: str, name: str, **given: Any) -> None:
    request = ExportTraceServiceRequest()
    span(request, name, **given)
    assert post(url, request.SerializeToString()).status_code == 200


def said(look: Look, sentence: str) -> bool:
    """Return whether the page alerts its reader of that."""
    return sentence in look.page.get_by_role("alert").first.inner_text()


def test_the_list_is_filtered_while_typing_and_the_address_says_so(look):
    seen = look().stand().go("/traces")
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("agent:triage")
    seen.page.clock.run_for(TYPED_MS)
    until(lambda: names(seen) == ["invoke_agent triage"])
    assert "q=agent%3Atriage" in seen.page.url
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Control+A")
    for part in ("agent:r", "esearcher"):  # Slowly: the list is asked for in between.
        seen.page.keyboard.type(part)
        seen.page.clock.run_for(TYPED_MS)
    seen.page.keyboard.press("Enter")
    until(lambda: names(seen) == ["invoke_agent researcher"])
    seen.page.go_back()
    until(lambda: names(seen) == ["invoke_agent triage"])
    assert seen.page.locator("[data-ask]").input_value() == "agent:triage"
    # What is around the list went back as well: a range is one of the question that is shown.
    until(lambda: seen.page.title() == "agent:triage · mlobs")
    assert "q=agent%3Atriage" in (seen.page.locator(".ranges a").first.get_attribute("href") or "")
    seen.page.go_back()
    until(lambda: seen.page.locator("[data-ask]").input_value() == "")


def test_what_cannot_be_read_is_said_with_the_place_while_the_list_stays(look):
    seen = look("/traces")
    before = names(seen)
    seen.page.locator("[data-ask]").fill("service:shop sttus:error")
    until(lambda: seen.page.locator("#problem").count())
    assert "did you mean status?" in seen.page.locator("#problem").inner_text()
    assert seen.page.locator("#problem mark").inner_text() == "sttus:error"
    assert names(seen) == before
    assert seen.page.locator("[data-ask]").get_attribute("aria-invalid") == "true"


def test_keys_and_values_are_offered(look):
    seen = look().stand().go("/traces")
    seen.page.locator("[data-ask]").click()
    seen.page.keyboard.type("mod")
    seen.page.clock.run_for(TYPED_MS)
    until(lambda: seen.page.locator("#suggestions li").first.inner_text().startswith("model:"))
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("Enter")
    until(lambda: "model:claude-sonnet" in seen.page.locator("#suggestions").inner_text())
    seen.page.keyboard.type("cl")
    seen.page.clock.run_for(TYPED_MS)
    until(lambda: seen.page.locator("#suggestions li").count() == 1)
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("Enter")
    until(lambda: "q=model%3Aclaude-sonnet" in seen.page.url)
    until(
        lambda: (
            names(seen)
            and seen.page.locator("table.traces tbody").inner_text().count("claude-sonnet")
            == len(names(seen))
        )
    )


def test_columns_and_views_are_kept_in_the_address_and_the_browser(look):
    seen = look("/traces?q=agent:triage")
    seen.page.locator("[data-columns] summary").click()
    seen.page.get_by_label("User").check()
    until(lambda: "user-ana" in seen.page.locator("table.traces").inner_text())
    assert "user" in seen.page.url
    seen.page.keyboard.press("Escape")
    seen.page.locator("[data-views] summary").click()
    seen.page.get_by_label("Name of this view").fill("Refunds")
    seen.page.get_by_role("button", name="Save in this browser").click()
    seen.go("/traces")
    seen.page.locator("[data-views] summary").click()
    seen.page.get_by_role("link", name="Refunds").click()
    until(lambda: "user-ana" in seen.page.locator("table.traces").inner_text())


def test_a_trace_that_arrives_is_in_the_list_that_is_followed(look, site):
    name = f"just now {time.time_ns()}"
    seen = look("/traces?tail=1")
    send_one(site.url, name)
    until(lambda: name in names(seen))


def test_pages_lead_to_each_other_and_back_by_page_of_the_list(look):
    seen = look("/traces?limit=20")
    first = names(seen)
    seen.page.get_by_role("link", name="Next page").click()
    until(lambda: names(seen) and names(seen) != first)
    seen.page.go_back()
    until(lambda: names(seen) == first)


def test_the_keyboard_walks_the_list_and_opens_a_trace(look):
    # Its clock stands: g and o belong together for a second and a half.
    seen = look().stand().go("/traces?q=agent:triage%20OR%20agent:researcher")
    for key in ("j", "j", "k"):
        seen.page.keyboard.press(key)
    focused = seen.page.evaluate("document.activeElement.textContent")
    assert focused == names(seen)[0]
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(re.compile("/traces/[0-9a-f]{32}"))
    seen.page.wait_for_load_state("networkidle")
    seen.page.keyboard.press("g")
    seen.page.keyboard.press("o")
    seen.page.wait_for_url(re.compile(r"/$"))
    seen.page.wait_for_load_state("networkidle")
    seen.page.keyboard.press("?")
    assert seen.page.locator("dialog").is_visible()
    seen.page.keyboard.press("Escape")
    assert not seen.page.locator("dialog").is_visible()


def test_every_number_of_the_overview_leads_to_traces(look):
    seen = look("/?service=shop")
    links = seen.page.locator("dl.figures a[href^='/traces'], table td a[href^='/traces']")
    found = sorted(set(links.evaluate_all("all => all.map((one) => one.getAttribute('href'))")))
    assert len(found) > 15
    for address in found:
        answer = requests.get(f"{seen.url}{address}", timeout=60)
        assert answer.status_code == 200, address
    failed = seen.page.locator("dl.figures div", has_text="Failed").locator("a").last
    failed.click()
    seen.page.wait_for_url(re.compile(r"/traces\?"))
    seen.page.wait_for_load_state("networkidle")
    assert "status:error" in seen.page.locator("[data-ask]").input_value()
    assert seen.page.locator("table.traces tr.failed").count() == len(names(seen)) > 0


def test_a_chart_says_its_values_and_leads_to_the_traces_of_a_step(look):
    seen = look().stand().go("/")  # A chart that is drawn anew is not that which has the focus.
    chart = seen.page.locator("svg[data-chart]").first
    chart.focus()
    for _ in range(70):
        seen.page.keyboard.press("ArrowRight")
    assert re.search(r"well\s*\d+", seen.page.locator(".tip").inner_text())
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(re.compile("/traces.*from=.*to="))


def test_the_theme_is_chosen_and_remembered(look):
    seen = look("/traces", theme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = seen.page.evaluate(ground)
    seen.page.get_by_role("button", name="Switch between light and dark").click()
    after = seen.page.evaluate(ground)
    assert after != before
    seen.go("/")
    assert seen.page.evaluate(ground) == after


def test_times_are_those_of_the_readers_zone(look, site):
    here = look(site.trace("wrong"), timezone_id="Pacific/Auckland")
    there = look(site.trace("wrong"), timezone_id="UTC")
    told = [one.page.locator("dl.figures time").first for one in (here, there)]
    assert told[0].get_attribute("datetime") == told[1].get_attribute("datetime")
    assert told[0].inner_text() != told[1].inner_text()
    assert told[0].get_attribute("title").endswith("UTC")


def test_a_trace_is_walked_by_keyboard_from_error_to_error(look, site):
    seen = look(site.trace("wrong"))
    seen.page.keyboard.press("e")
    until(lambda: "PaymentError" in seen.page.locator("#span").inner_text())
    assert site.story.spans["failed"] in seen.page.url
    first = seen.page.locator(".row.chosen").get_attribute("aria-rowindex")
    seen.page.keyboard.press("e")
    until(lambda: seen.page.locator(".row.chosen").get_attribute("aria-rowindex") != first)
    seen.page.keyboard.press("E")
    until(lambda: seen.page.locator(".row.chosen").get_attribute("aria-rowindex") == first)
    seen.page.keyboard.press("x")
    assert seen.page.locator("#span").count() == 0
    assert "span=" not in seen.page.url
    seen.page.keyboard.press("f")
    until(lambda: "first failing step" in seen.page.locator(".row.chosen").inner_text())


def test_repetitions_are_one_row_until_they_are_opened(look, site):
    seen = look(site.trace("looping"))
    rows = seen.page.locator("[role=treegrid]")
    before = int(rows.get_attribute("aria-rowcount"))
    seen.page.locator("[data-find]").fill("retrieval")
    view = seen.page.locator(".viewport")
    view.evaluate("one => { one.scrollTop = one.scrollHeight; }")
    seen.page.locator(".row", has_text="40 \N{MULTIPLICATION SIGN}").click()
    until(lambda: int(rows.get_attribute("aria-rowcount")) == before + 40)


def test_very_many_spans_open_at_once_and_scroll(look, site):
    seen = look()
    began = time.monotonic()
    seen.page.goto(f"{site.url}{site.trace('many')}", wait_until="domcontentloaded")
    seen.page.locator(".row").first.wait_for()
    print(f"{SPANS:,} spans seen after {time.monotonic() - began:.2f} s")
    assert seen.page.locator("[role=treegrid]").get_attribute("aria-rowcount") == str(SPANS)
    assert seen.page.locator(".row").count() < 100
    seen.page.locator(".viewport").evaluate("one => { one.scrollTop = one.scrollHeight; }")
    until(lambda: seen.page.locator(f".row[aria-rowindex='{SPANS}']").count() == 1)
    seen.page.keyboard.press("e")
    until(lambda: "it broke" in seen.page.locator("#span").inner_text())


def test_hostile_names_and_contents_are_text(look, site):
    """In the list, the tree, a span, the conversation; there is no dialog, request elsewhere, new title."""
    for path in (
        "/traces", "/", site.trace("hostile"), f"{site.trace('hostile')}?span={site.story.spans['hostile']}",
        f"{site.trace('hostile')}?view=conversation", f"{site.trace('hostile')}?view=agents",
    ):  # fmt: skip
        seen = look(path)
        assert seen.page.locator("img[src=x], svg[onload]").count() == 0
        assert seen.page.title() != "owned"
    seen.go(f"{site.trace('hostile')}?span={site.story.spans['hostile']}")
    text = seen.page.locator("#span").inner_text()
    assert HOSTILE["script"] in text
    assert "more attributes are left out here" in text
    seen.go(f"{site.trace('hostile')}?span={site.story.spans['huge']}")
    assert re.search(r"[\d,]+ more characters: all of it", seen.page.locator("#span").inner_text())


def test_pictures_and_sound_are_shown_and_nothing_that_could_run(look, site):
    seen = look(f"{site.trace('media')}?span={site.story.spans['media']}")
    span_view = seen.page.locator("#span")
    until(lambda: span_view.locator("img").first.evaluate("one => one.naturalWidth") == 96)
    assert span_view.locator("img").count() == span_view.locator("audio").count() == 1
    assert "image/svg+xml" in span_view.inner_text()
    assert (
        span_view.locator("a[href^='https://elsewhere.example']").get_attribute("rel")
        == "noreferrer noopener"
    )
    assert span_view.locator("a[href^='javascript']").count() == 0
    address = span_view.locator("img").get_attribute("src")
    answer = requests.get(f"{site.url}{address}", timeout=60)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_run_in_progress_is_seen_to_grow(look, site):
    trace = bytes.fromhex(site.story.ids["running"])
    # The story may have been told long ago.
    send_one(site.url, "still at it", trace=trace, parent=b"12345678")
    until(lambda: "still at it" in requests.get(f"{site.url}{site.trace('running')}", timeout=60).text)
    seen = look(site.trace("running"))
    assert "in progress" in seen.page.locator("h1").inner_text()
    send_one(site.url, "the next step", trace=trace, parent=b"12345678")
    until(lambda: seen.page.locator(".row", has_text="the next step").count() == 1)


def test_a_trace_is_copied_as_a_command_a_test_and_a_row(look, site):
    seen = look().stand().go(site.trace("wrong"))
    seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copied = {}
    for name in ("Copy as curl", "Copy as JSON", "Copy as test", "Copy as dataset row"):
        button = seen.page.get_by_role("button", name=name)
        button.click()
        until(lambda button=button: seen.page.get_by_text("Copied").count() == 1)
        copied[name] = seen.page.evaluate("navigator.clipboard.readText()")
        seen.page.clock.run_for(2_000)
        until(lambda: seen.page.get_by_text("Copied").count() == 0)
    assert copied["Copy as curl"] == f"curl -s '{site.url}/api/traces/{site.story.ids['wrong']}'"
    assert json.loads(copied["Copy as JSON"])["spans_stored"] == 9
    assert (
        "agent:triage > [llm, tool:lookup_order, agent:refunds > [llm, tool:refund! x2, tool:refund, llm]]"
        in copied["Copy as test"]
    )
    compile(copied["Copy as test"], "test", "exec")
    assert json.loads(copied["Copy as dataset row"])["input"]["question"].startswith("I want a refund")


def test_who_selects_text_or_writes_is_not_interrupted(look, site):
    seen = look().stand().go("/traces?tail=1")
    asked = []
    seen.page.on("request", lambda request: asked.append(request.url))
    first = seen.page.locator("table.traces td.name a").first
    first.evaluate("one => getSelection().selectAllChildren(one)")
    name = f"meanwhile {time.time_ns()}"
    send_one(site.url, name)
    until(lambda: name in requests.get(f"{site.url}/traces?tail=1", timeout=60).text)
    seen.page.clock.run_for(30_000)
    assert name not in names(seen)
    assert asked == []
    seen.page.evaluate("getSelection().removeAllRanges()")
    seen.page.clock.run_for(30_000)
    until(lambda: name in names(seen))


def test_a_server_that_is_gone_is_said_and_found_again(browser, tmp_path):
    port = free_port()
    context = patient(browser)
    seen = Look(context.new_page(), f"http://127.0.0.1:{port}")
    watch(seen)
    for _ in started(tmp_path / "log", tmp_path / "data", port=port):
        send_one(seen.url, "before")
        until(lambda: "before" in requests.get(f"{seen.url}/traces", timeout=60).text)
        seen.go("/traces?tail=1")
    until(lambda: seen.page.locator("#gone").is_visible())
    assert "does not answer" in seen.page.locator("#gone").inner_text()
    assert names(seen) == ["before"]
    for _ in started(tmp_path / "log", tmp_path / "data", port=port):
        send_one(seen.url, "after")
        until(lambda: "after" in names(seen), 120)
        assert not seen.page.locator("#gone").is_visible()
    context.close()
    assert [one for one in seen.wrong if not OWN_STATUS.search(one)] == []


def test_beyond_loopback_a_browser_signs_in_once(browser, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("read  a-token-that-may-read-1234\ningest  a-token-that-may-send-1234\n")
    tokens.chmod(0o600)
    context = patient(browser)
    for url, _ in started(tmp_path / "log", tmp_path / "data", "--tokens", str(tokens)):
        seen = Look(context.new_page(), url)
        watch(seen)
        seen.go("/traces?q=status:error")
        assert "/login?next=" in seen.page.url
        for token, sentence in (
            ("wrong-token-wrong-token", "not known"),
            ("a-token-that-may-send-1234", "may not read"),
        ):
            seen.page.get_by_label("Token").fill(token)
            seen.page.get_by_role("button", name="Sign in").click()
            until(partial(said, seen, sentence))
        seen.page.get_by_label("Token").fill("a-token-that-may-read-1234")
        seen.page.get_by_role("button", name="Sign in").click()
        seen.page.wait_for_url(re.compile("/traces\\?q=status:error"))
        [cookie] = [one for one in context.cookies() if one["name"] == "mlobs_token"]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert seen.page.evaluate("document.cookie") == ""
        assert seen.page.evaluate("fetch('/api/traces').then(one => one.status)") == 200
        seen.page.get_by_role("button", name="Sign out").click()
        seen.page.wait_for_url(re.compile("/login"))
        seen.go("/")
        assert "/login" in seen.page.url
        assert [one for one in seen.wrong if not OWN_STATUS.search(one)] == []
    context.close()
