"""A server that takes webhooks of others beside its own alerts."""

import os
import subprocess
import sys
from contextlib import contextmanager

ADMIN = "admin-token-of-the-tests"
TOKENS = "ingest ingest-token-of-tests\nread read-token-of-the-tests\n"


@contextmanager
def up(folder, sink, **variables):
    """Run the server as users do; give its address."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLOBS_")},
        "MLOBS_ALERT_WEBHOOK_URL": sink.url,
        "MLOBS_ALERT_WEBHOOK_SECRET": "s" * 32,
        **variables,
    }
    command = [sys.executable, "-m", "mlobs", "up", "--port", "0", "--data", str(folder / "data")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline()
            assert line.startswith("OTLP "), line
            yield line.split()[1] + "/api/alerts/receive"
        finally:
            server.terminate()
            server.stdout.read()
