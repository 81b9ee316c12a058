"""Pushing to a Grafana: dashboards, once, and again, and where it must not."""

import copy
import json
import re

import pytest

from mlobs.cli import main
from mlobs.dashboards.build import classic
from mlobs.dashboards.grafana.changes import ABSENT, Field, differences
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.grafana.marks import MANAGED_TAG
from mlobs.dashboards.grafana.push import Wanted, changes, plan, push
from mlobs.errors import ServerError
from mlobs.thresholds import Thresholds
from tests.dashboards import grafana as server
from tests.dashboards.boards import BOARD, BOARDS, OURS, UID


@pytest.fixture
def there():
    pytest.importorskip("grafana_client", reason="needs: pip install 'mlobs[grafana]'")
    with server.running() as grafana:
        yield grafana


def pushed(there, dashboards=OURS, *, dry_run=False, **wanted):
    return push(Grafana(there.url, server.EDITOR), Wanted(dashboards, **wanted), dry_run=dry_run)


def actions(found):
    return {(change.kind, change.uid): change.action for change in found}


def newer(**fields):
    """Return the shipped dashboards, the overview with other fields."""
    return {**OURS, "overview.json": {**copy.deepcopy(BOARD), **fields}}


def test_the_first_push_makes_the_folder_and_the_dashboards(there):
    """What was sent is what is there, in the folder, with the mark."""
    found = actions(pushed(there))
    assert found[("folder", "mlobs")] == "create"
    assert {
        uid for (kind, uid), action in found.items() if (kind, action) == ("dashboard", "create")
    } == BOARDS
    assert set(there.homes.values()) == {"mlobs"}
    assert there.dashboards[UID]["panels"] == BOARD["panels"]
    *tags, pushed_as = there.dashboards[UID]["tags"]
    assert tags == [*BOARD["tags"], MANAGED_TAG]
    assert re.fullmatch(r"mlobs:[0-9a-f]{8}\.1", pushed_as)


def test_the_second_push_writes_nothing(there):
    """A deployment runs it each time; a version for each of them buries the real ones."""
    pushed(there)
    there.writes.clear()
    assert set(actions(pushed(there)).values()) == {"keep"}
    assert there.writes == []
    assert {board["version"] for board in there.dashboards.values()} == {1}


def test_a_changed_dashboard_is_updated_in_place(there):
    """Links to it, and its history, survive."""
    pushed(there)
    number = there.dashboards[UID]["id"]
    found = actions(pushed(there, newer(title="Broken calls")))
    assert [key for key, action in found.items() if action != "keep"] == [("dashboard", UID)]
    assert there.dashboards[UID]["title"] == "Broken calls"
    assert (there.dashboards[UID]["version"], there.dashboards[UID]["id"]) == (2, number)


def test_an_edit_in_grafana_is_told_field_by_field_and_undone(there):
    """Whoever edited a board by hand should see it before it goes."""
    pushed(there)
    there.dashboards[UID]["panels"][1]["title"] = "Mine"
    there.dashboards[UID]["panels"].append({"type": "text", "title": "Notes"})
    found = changes(plan(Grafana(there.url, server.EDITOR), Wanted(OURS)))
    (change,) = [one for one in found if one.action != "keep"]
    assert change.fields == (
        Field("panels[1].title", "Mine", BOARD["panels"][1]["title"]),
        Field(f"panels[{len(BOARD['panels'])}]", {"type": "text", "title": "Notes"}, ABSENT),
    )
    pushed(there)
    assert there.dashboards[UID]["panels"] == BOARD["panels"]


def by_hand(there, edit):
    """Save a dashboard as somebody does who edits it in Grafana."""
    board = there.dashboards[UID]
    edit(board)
    board["version"] += 1


def test_what_somebody_added_by_hand_is_told_and_undone(there):
    """A maximum, a mapping or a filter makes another panel of it, though nothing of ours was changed."""
    pushed(there)
    number = next(n for n, panel in enumerate(BOARD["panels"]) if panel["type"] == "stat")

    def edit(board):
        board["panels"][number]["fieldConfig"]["defaults"]["max"] = 0.001
        board["panels"][number]["timeFrom"] = "30d"

    by_hand(there, edit)
    (change,) = [one for one in pushed(there, dry_run=True) if one.action != "keep"]
    assert change.fields == (
        Field(f"panels[{number}].fieldConfig.defaults.max", 0.001, ABSENT),
        Field(f"panels[{number}].timeFrom", "30d", ABSENT),
    )
    pushed(there)
    assert there.dashboards[UID]["panels"] == BOARD["panels"]
    assert set(actions(pushed(there)).values()) == {"keep"}


def test_an_edit_where_nothing_is_compared_is_noticed_by_the_version(there):
    """Say, the list of time ranges; only that there is an edit can be told."""
    pushed(there)
    by_hand(there, lambda board: board.update(timepicker={"hidden": True}))
    (change,) = [one for one in pushed(there) if one.action != "keep"]
    assert change.fields == (Field("version", 2, "as it is pushed"),)
    assert "timepicker" not in there.dashboards[UID]
    assert set(actions(pushed(there)).values()) == {"keep"}


def test_what_a_newer_release_no_longer_has_goes(there):
    """Links, say: one-way comparison kept them for ever."""
    old = copy.deepcopy(BOARD)
    with_links = [panel for panel in old["panels"] if panel.get("links")]
    assert with_links
    new = copy.deepcopy(BOARD)
    for panel in new["panels"]:
        panel.pop("links", None)
    pushed(there)
    (change,) = [one for one in pushed(there, newer(panels=new["panels"])) if one.action != "keep"]
    assert len(change.fields) == len(with_links)
    assert all(field.here == ABSENT for field in change.fields)
    assert not any("links" in panel for panel in there.dashboards[UID]["panels"])


def test_an_edit_in_grafana_13_is_told_and_undone_too(there):
    """It keeps what people edit in its newer form, which the older addresses do not give out."""
    pushed(there)
    there.dashboards[UID].update(title="Mine", version=5)
    there.newer.add(UID)
    (change,) = [one for one in pushed(there) if one.action != "keep"]
    assert change.fields == (Field("form", "v2, edited in Grafana", "classic"),)
    assert (there.dashboards[UID]["title"], there.dashboards[UID]["version"]) == (BOARD["title"], 6)
    assert set(actions(pushed(there)).values()) == {"keep"}
    there.newer.add(UID)
    there.dashboards[UID]["tags"] = []
    with pytest.raises(ServerError, match="without the tag 'mlobs', so it is not ours to change"):
        pushed(there)


def test_a_dashboard_that_was_moved_comes_back(there):
    """The folder carries the permissions, so it is part of what is pushed."""
    pushed(there)
    there.folders["other"] = {"uid": "other", "title": "Other"}
    there.homes[UID] = "other"
    (change,) = [one for one in pushed(there) if one.action != "keep"]
    assert change.fields == (Field("folder", "other", "mlobs"),)
    assert there.homes[UID] == "mlobs"


def test_another_folder_can_be_named(there):
    """One that is there keeps its title."""
    there.folders["team"] = {"uid": "team", "title": "Our team"}
    assert actions(pushed(there, folder="team"))[("folder", "team")] == "keep"
    assert there.folders["team"]["title"] == "Our team"
    assert set(there.homes.values()) == {"team"}


def test_a_dry_run_says_what_would_change_and_changes_nothing(there):
    """One wants to see it before it is production."""
    assert set(actions(pushed(there, dry_run=True)).values()) == {"create"}
    assert there.writes == []


def test_a_dashboard_of_somebody_else_is_left_alone(there):
    """The uid is taken and the tag is not ours: nothing at all may be written."""
    there.dashboards[UID] = {"uid": UID, "id": 1, "title": "Mine", "tags": [], "version": 1}
    there.homes[UID] = ""
    with pytest.raises(ServerError, match=f"has a dashboard 'Mine' with the uid '{UID}' and without the tag"):
        pushed(there)
    assert there.writes == []


def test_a_dashboard_imported_by_hand_is_adopted(there):
    """It has our uid and our tag; the mark comes with the first push."""
    there.dashboards[UID] = {**copy.deepcopy(BOARD), "id": 7, "version": 3}
    there.homes[UID] = ""
    (change,) = [one for one in pushed(there) if one.uid == UID]
    assert change.action == "update"
    assert MANAGED_TAG in there.dashboards[UID]["tags"]


def test_a_provisioned_dashboard_is_kept_if_it_is_the_same_and_refused_if_not(there):
    """Grafana lets only the file change it, and would refuse after half of the rest is written."""
    there.dashboards[UID] = {**copy.deepcopy(BOARD), "id": 7, "version": 1}
    there.homes[UID] = "mlobs"
    there.provisioned.add(UID)
    assert actions(pushed(there))[("dashboard", UID)] == "keep"
    there.writes.clear()
    with pytest.raises(ServerError, match=r"comes from its provisioning folder, and only the file there may"):
        pushed(there, newer(title="Newer"))
    assert there.writes == []


def test_an_edit_between_reading_and_writing_is_not_overwritten(there):
    """The version that was read goes along, and Grafana refuses with 412."""
    pushed(there)
    steps = plan(Grafana(there.url, server.EDITOR), Wanted(newer(title="Ours")))
    there.dashboards[UID] = {**there.dashboards[UID], "title": "Theirs", "version": 2}
    (write,) = [step.write for step in steps if step.write]
    with pytest.raises(ServerError, match=r"412 The dashboard has been changed by someone else. Somebody"):
        write()
    assert there.dashboards[UID]["title"] == "Theirs"


def test_a_title_that_is_taken_in_the_folder_is_told(there):
    """Until 10 a folder has each title once."""
    there.unique_titles = True
    there.folders["mlobs"] = {"uid": "mlobs", "title": "mlobs"}
    there.dashboards["x"] = {"uid": "x", "id": 9, "title": BOARD["title"], "version": 1, "tags": []}
    there.homes["x"] = "mlobs"
    with pytest.raises(ServerError, match=r"412 .* The folder has another dashboard of this title: rename"):
        pushed(there)


@pytest.mark.parametrize("uid", ["", "my folder", "a" * 41, "ä"])
def test_a_folder_that_grafana_would_not_take_is_told_before_anything_is_sent(uid, capsys):
    """Grafana's own word for it comes only when half is written."""
    assert main(["dashboards", "push", "--url", "http://127.0.0.1:1", "--token", "t", "--folder", uid]) == 2
    assert f"--folder is {uid!r}; the uid of a folder was expected" in capsys.readouterr().err


def test_the_user_s_objectives_are_pushed(there, monkeypatch):
    """Else the rules of --alerts fire by other lines than the board draws."""
    monkeypatch.setenv("MLOBS_ALERT_AVAILABILITY_OBJECTIVE", "0.999")
    assert main(["dashboards", "push", "--url", there.url, "--token", server.EDITOR]) == 0
    stricter = classic(Thresholds.model_construct(availability_objective=0.999))["slo.json"]
    assert there.dashboards["mlobs-slo"]["panels"] == stricter["panels"] != classic()["slo.json"]["panels"]


def test_runs_lead_to_the_server_where_its_address_is_given(there):
    """No address is guessed: it would be somebody else's port."""
    arguments = ["dashboards", "push", "--url", there.url, "--token", server.EDITOR]
    assert main(arguments) == 0
    assert "Open in mlobs" not in json.dumps(there.dashboards)
    assert main([*arguments, "--traces", "https://mlobs.example/"]) == 0
    assert "https://mlobs.example/traces/${__value.raw}" in json.dumps(
        there.dashboards["mlobs-traces-clickhouse"]
    )
    assert main(arguments) == 0
    assert "Open in mlobs" not in json.dumps(there.dashboards)


def test_prune_removes_only_what_we_brought(there):
    """Copies, boards with our tag, and boards with our prefix are other people's."""
    gone = {**copy.deepcopy(BOARD), "uid": "mlobs-gone", "title": "Gone"}
    pushed(there, {**OURS, "gone.json": gone})
    marked = [*BOARD["tags"], MANAGED_TAG]
    others = {"copy": marked, "mlobs-own": BOARD["tags"], "plain": []}
    for uid, tags in others.items():
        there.dashboards[uid] = {"uid": uid, "id": 90, "title": uid, "version": 1, "tags": tags}
        there.homes[uid] = "mlobs"
    assert set(actions(pushed(there)).values()) == {"keep"}
    assert "mlobs-gone" in there.dashboards
    there.writes.clear()
    assert actions(pushed(there, prune=True))[("dashboard", "mlobs-gone")] == "remove"
    assert there.writes == ["removed dashboard mlobs-gone"]
    assert set(there.dashboards) == {*BOARDS, *others}


def test_prune_reads_every_page(there, monkeypatch):
    """Grafana gives out search hits page by page."""
    monkeypatch.setattr("mlobs.dashboards.grafana.boards.PAGE", 2)
    gone = {f"gone{n}.json": {**BOARD, "uid": f"mlobs-gone{n}", "title": f"Gone {n}"} for n in range(5)}
    pushed(there, {**OURS, **gone})
    pushed(there, prune=True)
    assert set(there.dashboards) == BOARDS


def test_a_refusal_half_way_says_what_was_done_and_running_again_finishes(there):
    """Nobody should have to guess what state it is in."""
    gone = {**copy.deepcopy(BOARD), "uid": "mlobs-gone", "title": "Gone"}
    pushed(there, {**OURS, "gone.json": gone})
    there.refuse["DELETE /api/dashboards/uid/mlobs-gone"] = (500, {"message": "Failed to delete dashboard"})
    told = (
        rf"would not remove the dashboard 'mlobs-gone': 500 Failed to delete dashboard\. .* "
        rf"Done before that: dashboard {UID}\. Not done: dashboard mlobs-gone\. Push again once it is mended"
    )
    with pytest.raises(ServerError, match=told):
        pushed(there, newer(title="Newer"), prune=True)
    assert there.dashboards[UID]["title"] == "Newer"
    there.refuse.clear()
    left = actions(pushed(there, newer(title="Newer"), prune=True))
    assert [key for key, action in left.items() if action != "keep"] == [("dashboard", "mlobs-gone")]


def test_what_grafana_added_or_raised_is_no_change():
    """It fills in defaults and raises the schema; comparing texts would write a version on every push."""
    assert not [*differences({"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1}]})]
    assert not [*differences({"a": 1}, {"a": 1, "b": None})]
    assert [*differences({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]})] == [Field("a[1]", {"b": 2}, ABSENT)]
    assert [*differences({"a": True}, {"a": 1})] == [Field("a", True, 1)]


def test_a_raised_schema_version_is_no_change(there):
    """A newer Grafana raises it when it reads."""
    pushed(there)
    there.dashboards[UID]["schemaVersion"] += 1
    assert set(actions(pushed(there)).values()) == {"keep"}
    there.dashboards[UID]["schemaVersion"] -= 2
    assert actions(pushed(there))[("dashboard", UID)] == "update"


def test_the_command_prints_what_changed_and_how_many_stayed(there, capsys):
    """A table of fifty things that are as they were hides the one that is not."""
    arguments = ["--url", there.url, "--token", server.EDITOR]
    assert main(["dashboards", "push", *arguments]) == 0
    printed = capsys.readouterr()
    assert all(uid in printed.out for uid in BOARDS)
    assert printed.err == f"{len(BOARDS) + 1} created\n"
    assert main(["dashboards", "push", *arguments]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{len(BOARDS) + 1} the same\n")


def test_diff_prints_the_fields_and_its_status_says_whether_there_are_any(there, capsys):
    """A pipeline asks it each night whether somebody edited a board by hand."""
    arguments = ["dashboards", "diff", "--url", there.url, "--token", server.VIEWER]
    assert main([*arguments, "--json"]) == 1
    assert {row["action"] for row in json.loads(capsys.readouterr().out)} == {"create"}
    pushed(there)
    there.writes.clear()
    assert main(arguments) == 0
    assert capsys.readouterr().err == "nothing would change\n"
    there.dashboards[UID]["title"] = "Mine"
    assert main([*arguments, "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {
        "kind": "dashboard", "uid": UID, "action": "update",
        "field": "title", "there": "Mine", "here": BOARD["title"],
    }  # fmt: skip
    assert main(arguments) == 1
    assert "Mine" in capsys.readouterr().out
    assert there.writes == []
