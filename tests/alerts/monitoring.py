"""A real Prometheus and a real Alertmanager on free ports, and a target whose gauge is set by hand."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.parts import require
from tests.processes import free_port, process, wait_for

RULE = {
    "alert": "QueueFull",
    # The last sample that there is: on a busy machine some scrapes take too long, and end no alert.
    "expr": "last_over_time(queue_full[2m]) > 0",
    "for": "1s",
    "labels": {"severity": "critical"},
    "annotations": {
        "summary": "The queue of {{ $labels.shop }} is full",
        "runbook_url": "https://example.org/q",
    },
}


class Target:
    """What Prometheus scrapes: one gauge for each shop."""

    def __init__(self) -> None:
        self.full: dict[str, int] = {}
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                lines = [f'queue_full{{shop="{shop}"}} {value}' for shop, value in target.full.items()]
                body = ("\n".join(lines) + "\n").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def monitoring(folder: Path, webhook_configs: list[dict[str, object]]) -> Iterator[Target]:
    """Run Prometheus and Alertmanager until the end of the block.

    JSON is YAML, so their files are written as such.
    """
    prometheus, alertmanager = require("prometheus"), require("alertmanager")
    folder.mkdir(exist_ok=True)
    with ExitStack() as undo:
        target = Target()
        undo.callback(target.stop)
        manager, port = free_port(), free_port()
        receivers = [{"name": "mlobs", "webhook_configs": webhook_configs}]
        route = {"receiver": "mlobs", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
        write(folder / "alertmanager.yml", {"route": route, "receivers": receivers})
        write(folder / "rules.yml", {"groups": [{"name": "tests", "interval": "1s", "rules": [RULE]}]})
        write(
            folder / "prometheus.yml",
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(folder / "rules.yml")],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
                "scrape_configs": [
                    {
                        "job_name": "queue",
                        "static_configs": [{"targets": [f"127.0.0.1:{target.server.server_port}"]}],
                    }
                ],
            },
        )
        for name, listening, command in (
            (
                "alertmanager",
                manager,
                (
                    alertmanager,
                    f"--config.file={folder / 'alertmanager.yml'}",
                    f"--storage.path={folder / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{manager}",
                    "--cluster.listen-address=",
                ),
            ),
            (
                "prometheus",
                port,
                (
                    prometheus,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ),
            ),
        ):
            log = folder / f"{name}.log"
            undo.enter_context(process(*command, log=log))
            wait_for(f"http://127.0.0.1:{listening}/-/ready", log)
        yield target


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))
