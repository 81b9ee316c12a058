"""A real Alertmanager that tells a receiver of the tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts import require
from tests.processes import free_port, process, wait_for

TOKEN = "a-token-of-the-tests"


@contextmanager
def alertmanager_of(folder: Path, url: str) -> Iterator[str]:
    """Run an Alertmanager that repeats itself after hours only; give its address."""
    port = free_port()
    hook = {"url": url, "http_config": {"authorization": {"credentials": TOKEN}}}
    route = {
        "receiver": "mlobs",
        "group_by": ["alertname"],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "4h",
    }
    config = folder / "alertmanager.yml"
    config.write_text(
        json.dumps({"route": route, "receivers": [{"name": "mlobs", "webhook_configs": [hook]}]})
    )
    log = folder / "alertmanager.log"
    command = (
        require("alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    with process(*command, log=log):
        wait_for(f"http://127.0.0.1:{port}/-/ready", log)
        yield f"http://127.0.0.1:{port}"
