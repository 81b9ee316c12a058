"""A sink that points elsewhere: not followed, told with where to, and put back once its address is right."""

import doctest
import time

import pytest
import requests

from mlobs.alerts.sinks import answer
from mlobs.alerts.sinks.answer import ANSWER_CHARACTERS_MAX, redirected
from mlobs.cli import main
from tests.alerts.receivers import ROUTES, receiver
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for
from tests.alerts.webhooks import alert, alertmanager, encoded, signed

OLD = "http://hooks.example/services/T0K3N?sig=hidden"


def test_the_example_holds():
    assert doctest.testmod(answer).failed == 0


@pytest.mark.parametrize(
    ("location", "said"),
    [
        (
            "https://hooks.example/services/T0K3N?sig=hidden",
            "to https://hooks.example with the same path",
        ),
        (
            "//new.example:8443/services/T0K3N?sig=hidden",
            "to http://new.example:8443 with the same path",
        ),
        (
            "https://[2001:db8::1]/services/T0K3N?sig=hidden",
            "to https://[2001:db8::1] with the same path",
        ),
        ("https://ann:T0K3N@login.example/?back=T0K3N", "points to https://login.example with another path"),
        ("/T0K3N", "points to http://hooks.example with another path"),
        (OLD, "points to itself"),
        ("", "does not say where to"),
        (None, "does not say where to"),
        ("javascript:T0K3N", "does not say where to"),
        ("http://[T0K3N", "does not say where to"),
        ("http://x:T0K3N/", "does not say where to"),
        ("https:///T0K3N", "does not say where to"),
    ],
)
def test_it_is_told_where_it_points_and_no_secret_of_it(location, said):
    found = redirected(302, location, OLD)
    assert (found.outcome, said in found.text) == ("dead", True), found.text
    assert "T0K3N" not in found.text
    assert "hidden" not in found.text
    assert found.text.endswith("then put this back with mlobs alerts redrive")


def test_what_a_stranger_calls_its_host_is_cut_and_has_no_control_characters():
    found = redirected(301, f"https://{'a' * 5000}\x1b[31m.example/x", OLD).text
    assert len(found) <= ANSWER_CHARACTERS_MAX
    assert found.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize("status", [301, 307])
def test_once_the_address_is_right_the_dead_letter_is_put_back_and_arrives(
    tmp_path, monkeypatch, capsys, status
):
    """The file of routes is read again, so nothing is restarted; the reason is shown where people look."""
    monkeypatch.setenv("TEST_SINK_SECRET", "s" * 32)
    with webhook() as new, webhook() as old, receiver(tmp_path, old) as url:
        old.answers = [(status, {"Location": new.url})] * 200
        body = encoded(alertmanager(alert()))
        assert requests.post(url, data=body, headers=signed(body), timeout=60).ok
        file = ["--file", str(tmp_path / "data" / "alerts-received.sqlite")]

        def shown():
            assert main(["alerts", "deliveries", "--state", "dead", *file]) == 0
            return capsys.readouterr().out

        wait_for(lambda: f"{status}: redirects are not followed" in shown(), seconds=120)
        where = new.url.partition("/hook")[0]
        assert f"it points to {where} with the same path" in shown()
        assert "hidden" not in shown()
        (tmp_path / "routes.yml").write_text(ROUTES.format(url=new.url))
        until_s = time.monotonic() + 120
        while not new.arrived:  # The file is read within seconds; before, the old address is asked again.
            assert time.monotonic() < until_s
            main(["alerts", "redrive", "--sink", "hook", *file])
            time.sleep(1)
        assert new.changes == ["firing"]
