"""What the pages of sessions, models and setup do when somebody uses them."""

import re

import pytest

from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_conversation_over_its_traces_is_read_from_the_list_to_a_trace(look, site):
    seen = look("/sessions?q=user:user-talk")
    seen.page.get_by_role("link", name="talk/of lamps").click()
    until(lambda: seen.page.locator(".turn").count() == 3)
    said = seen.page.locator(".said").all_inner_texts()
    assert said == [
        "Which lamps are there?",
        "Three: brass, glass and paper.",
        "How much is the brass one?",
        "The price list did not answer.",
        "And the paper one?",
        "It is $18.00.",
    ]
    seen.page.locator(".turn-head > a").nth(1).click()
    until(lambda: site.story.ids["talk 1"] in seen.page.url)
    seen.page.go_back()
    until(lambda: seen.page.locator(".turn").count() == 3)


def test_pictures_of_a_turn_are_shown(look):
    seen = look("/session?id=session-media")
    until(lambda: seen.page.locator(".said img").first.evaluate("one => one.naturalWidth") == 96)


def test_the_keyboard_leads_through_sessions_users_and_models(look):
    seen = look().stand().go("/")  # Two keys belong together for a second and a half.
    for keys, title in (("gs", "Sessions"), ("gm", "Models and cost"), ("gu", "Setup")):
        for key in keys:
            seen.page.keyboard.press(key)
        until(lambda title=title: seen.page.locator("h1").inner_text() == title)
        seen.page.wait_for_load_state("networkidle")  # Keys are heard when the scripts are there.
    seen.go("/sessions")
    seen.page.keyboard.press("j")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(re.compile("/session\\?"))


def test_a_cost_is_divided_and_leads_to_who_caused_it(look):
    seen = look("/models/cost")
    seen.page.get_by_role("link", name="user", exact=True).click()
    until(lambda: "by=user" in seen.page.url and seen.page.locator("tbody tr").count() > 5)
    link = seen.page.locator("tr[data-row^='user-'] th a").first
    name = link.inner_text()
    link.click()
    until(lambda: seen.page.locator("h1").inner_text() == name)


def test_a_price_is_filled_in_and_the_address_says_what_was_asked(look):
    seen = look().stand().go("/models/prices?since=6h")  # What is drawn anew has forgotten what was chosen.
    seen.page.locator("select[name=model]").select_option("gpt-4o")
    seen.page.get_by_label("Another model").fill("gpt-4o-mini")
    seen.page.get_by_role("button", name="Work it out").click()
    until(lambda: "As gpt-4o-mini" in seen.page.locator(".figures").inner_text())
    assert "since=6h" in seen.page.url
    assert seen.page.locator(".figures .good").inner_text().startswith("-$")


def test_a_row_for_what_has_no_price_is_copied(look):
    seen = look("/models/cost")
    seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    seen.page.get_by_role("button", name="Copy a price row").first.click()
    until(lambda: '"model"' in seen.page.evaluate("navigator.clipboard.readText()"))


def test_the_doctor_sends_a_span_and_finds_it(look):
    seen = look("/setup")
    seen.page.get_by_role("button", name="Send a span").click()
    until(lambda: "can be asked for" in seen.page.locator("[data-doctor-steps]").inner_text())
    steps = seen.page.locator("[data-doctor-steps] li").all_inner_texts()
    assert [re.split(r"\s+", one)[:2] for one in steps] == [
        ["ok", "endpoint"],
        ["ok", "sending"],
        ["ok", "server"],
        ["ok", "arrival"],
        ["ok", "all"],
    ]


def test_what_a_service_leaves_out_leads_to_its_traces(look):
    seen = look("/setup")
    row = seen.page.locator("tr[data-row='careless']")
    assert "4 of 4 model calls name no model" in row.inner_text()
    row.get_by_role("link", name="Show them").first.click()
    until(lambda: seen.page.locator("table.traces tbody tr").count() == 4)


@pytest.mark.parametrize(
    "path", ["/sessions", "/session?id=talk/of%20lamps", "/models", "/models/cost", "/setup"]
)
def test_pages_say_the_same_without_scripts(look, path):
    seen = look(path, java_script_enabled=False)
    assert seen.page.locator("h1").count() == 1
    assert seen.page.locator("main a").count() > 3
