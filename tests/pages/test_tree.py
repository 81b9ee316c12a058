"""The rows of a tree where there is little room: names that differ can be told apart, numbers are whole."""

import pytest

from tests.pages.conftest import NARROW, WIDE
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# What is drawn outside of the box it is in, or cut by it.
CUT = """all => all.filter((one) => {
  const own = one.getBoundingClientRect(), box = one.closest(".label").getBoundingClientRect();
  return one.scrollWidth > Math.ceil(own.width) || own.right > box.right + 1;
}).map((one) => one.textContent)"""


def test_tokens_and_costs_are_whole_beside_a_span_that_is_open(look, site):
    seen = look(f"{site.trace('wrong')}?span={site.story.spans['chat']}", width=WIDE)
    facts = seen.page.locator(".row .facts:not(:empty)")
    assert facts.count() > 3
    assert facts.evaluate_all(CUT) == []


def test_a_name_that_is_cut_keeps_its_last_word(look, site):
    seen = look(site.trace("wrong"), width=NARROW)
    ends = seen.page.locator(".row .name .end")
    assert {"gpt-4o", "lookup_order", "refunds"} <= {text.strip() for text in ends.all_inner_texts()}
    assert ends.evaluate_all(CUT) == []


def test_a_span_that_is_opened_can_be_closed_by_a_button(look, site):
    seen = look(site.trace("wrong"))
    seen.page.locator(".row", has_text="lookup_order").click()
    seen.page.locator("#span").get_by_role("heading", name="lookup_order").wait_for()
    assert seen.check() == []
    seen.page.locator("#span").get_by_role("button", name="Close").click()
    assert seen.page.locator("#span").count() == 0


def test_who_walks_a_tree_by_keyboard_stays_where_they_are_when_it_is_drawn_anew(look, site):
    """As it is every few seconds while a run is in progress."""
    seen = look(site.trace("wrong"))

    def drawn_anew() -> None:
        seen.page.evaluate("window.before = document.querySelector('.viewport')")
        seen.page.keyboard.press("r")
        until(lambda: seen.page.evaluate("!before.isConnected"))

    seen.page.get_by_role("treegrid").focus()
    seen.page.keyboard.press("ArrowDown")
    drawn_anew()
    seen.page.keyboard.press("ArrowDown")
    assert seen.page.locator(".row.chosen").get_attribute("id") == "row-1"
    seen.page.keyboard.press("Enter")
    link = seen.page.locator("#span").get_by_role("link").first
    link.focus()
    drawn_anew()
    assert link.evaluate("one => one === document.activeElement")
