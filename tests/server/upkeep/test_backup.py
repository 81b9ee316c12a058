"""A backup of a running server becomes the same store somewhere else."""

import json
import os
import tarfile

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import StoreError
from mlobs.server.client import Client
from mlobs.server.upkeep.backup import forget
from mlobs.server.upkeep.restore import restore
from mlobs.settings import ServerSettings, load
from tests.server.otlp import post, span, wait_until

ASKED = "SELECT SpanId AS id, Operation AS operation FROM mlobs.otel_traces WHERE SpanName = {name:String}"


@pytest.mark.slow
def test_a_backup_has_everything_acknowledged_before_it_and_becomes_a_store(served, tmp_path, run_program):
    """The copy is opened by another process, as it would be on another machine."""
    name = f"backed up {os.urandom(4).hex()}"
    request = ExportTraceServiceRequest()
    ids = {span(request, name, gen_ai__operation__name="chat").span_id.hex() for _ in range(20)}
    assert post(served.url, request.SerializeToString()).status_code == 200
    file = tmp_path / "backup.tar"
    with served.store.writing() as connection:
        connection.run("CREATE TABLE turns_2 AS turns")  # As a server that was killed may have left it.
        with file.open("wb") as target, Client(served.url) as client:
            size = client.back_up(target)
        connection.run("DROP TABLE turns_2")
    assert file.stat().st_size == size
    with tarfile.open(file) as tar:
        assert tar.getnames()[0] == "manifest.json"
    data = tmp_path / "restored"
    code = f"""
import json
from pathlib import Path
from mlobs.server.store import Store
from mlobs.server.upkeep.backup import forget
from mlobs.server.upkeep.restore import restore
from mlobs.settings import ServerSettings, load

rows = restore(Path({str(file)!r}), load(ServerSettings, data=Path({str(data)!r})))
store = Store(Path({str(data / "store")!r}), memory_bytes_max=1 << 30, query_seconds_max=10)
print(json.dumps([rows["otel_traces"], store.query({ASKED!r}, {{"name": {name!r}}})]))
print(json.dumps(store.named("metric_totals", {{"series_max": 2000}}) != []))
"""
    ended = run_program(code)
    assert ended.returncode == 0, ended.stderr
    first, second = ended.stdout.splitlines()[-2:]
    total, rows = json.loads(first)
    assert total >= 20
    assert {row["id"] for row in rows} == ids
    assert {row["operation"] for row in rows} == {"chat"}
    assert json.loads(second) is True
    assert not list((served.store.folder / "shadow").glob("backup*"))


def test_what_is_no_backup_is_refused_with_a_sentence(tmp_path):
    settings = load(ServerSettings, data=tmp_path / "new")
    text = tmp_path / "text.tar"
    text.write_text("no tar at all")
    with pytest.raises(StoreError, match="cannot be read as a backup"):
        restore(text, settings)
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as tar:
        tar.add(text, "something.txt")
    with pytest.raises(StoreError, match="no backup of mlobs"):
        restore(other, settings)
    odd = tmp_path / "odd.tar"
    manifest = tmp_path / "manifest.json"
    whole = {"format": 1, "schema": 1, "rows": {}, "counted": []}
    for said in ([], *({**whole, name: "1"} for name in whole), {**whole, "rows": None}):
        manifest.write_text(json.dumps(said))
        with tarfile.open(odd, "w") as tar:
            tar.add(manifest, "manifest.json")
        with pytest.raises(StoreError, match="no backup of mlobs"):
            restore(odd, settings)
    assert not (tmp_path / "new" / "store").exists()
    with pytest.raises(StoreError, match="cannot be read as a backup"):
        restore(tmp_path / "missing.tar", settings)


def test_a_folder_with_data_is_not_restored_into(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "x").touch()
    with pytest.raises(StoreError, match="holds data already"):
        restore(tmp_path / "any.tar", load(ServerSettings, data=tmp_path))


def test_a_client_that_leaves_early_leaves_nothing_frozen(served):
    """Hard links would keep what is deleted."""
    for _ in range(3):
        with requests.post(f"{served.url}/api/backup", stream=True, timeout=60):
            pass
    assert wait_until(lambda: not list((served.store.folder / "shadow").glob("backup*")))


def test_what_a_killed_process_froze_goes_at_the_next_start(tmp_path):
    left = tmp_path / "shadow" / "backup_1" / "store"
    left.mkdir(parents=True)
    forget(tmp_path)
    assert list((tmp_path / "shadow").iterdir()) == []
