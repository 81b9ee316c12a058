"""What the grafana extra does to an environment: its HTTP client takes the place of urllib3 in it.

Services export with `requests`, which then runs on that other urllib3: tried here in environments
made for it, in both orders of installing, and after it is taken away again.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# A span by OpenTelemetry's exporter and one by ours, to a server that counts.
PROGRAM = """
import http.server, threading, urllib3
import mlobs
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

came = []

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        came.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
provider.get_tracer("test").start_span("one").end()
theirs = len(came)
mlobs.init("test", endpoint=url)

@mlobs.tool
def work():
    return 1

work()
mlobs.flush()
print(theirs, len(came) - theirs, urllib3.__version__)
"""
CLIENT = "import grafana_client; grafana_client.GrafanaApi('t', host='127.0.0.1', port=9)"


class Environment:
    """A virtual environment of its own."""

    def __init__(self, folder):
        self.python = folder / "bin" / "python"
        self.uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
        if not self.uv:
            pytest.skip("needs uv: pip install uv")
        self.run(self.uv, "venv", "--quiet", "--python", sys.executable, str(folder))

    def run(self, *command):
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    def pip(self, verb, *names):
        done = self.run(self.uv, "pip", verb, "--quiet", "--python", str(self.python), *names)
        if done.returncode and "Failed to fetch" in done.stderr:
            pytest.skip(f"needs a package registry: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr

    def exported(self):
        """Return how many requests each exporter made, and whose urllib3 carried them."""
        done = self.run(str(self.python), "-c", PROGRAM)
        assert done.returncode == 0, done.stderr
        theirs, ours, version = done.stdout.split()
        return int(theirs), int(ours), version


@pytest.mark.parametrize(
    "order",
    [(str(TOP), f"{TOP}[grafana]"), ("grafana-client", str(TOP))],
    ids=["service first", "client first"],
)
def test_services_export_beside_the_grafana_client(tmp_path, order):
    """Whichever of the two was there first; and afterwards, once urllib3 is put back."""
    environment = Environment(tmp_path / "environment")
    for name in order:
        environment.pip("install", name)
    theirs, ours, taken = environment.exported()
    assert (theirs, ours >= 1) == (1, True), taken
    assert environment.run(str(environment.python), "-c", CLIENT).returncode == 0
    # Taking the client away takes urllib3 along; README says how it comes back.
    environment.pip("uninstall", "grafana-client", "niquests", "urllib3-future")
    environment.pip("install", "--reinstall", "urllib3")
    theirs, ours, restored = environment.exported()
    assert (theirs, ours >= 1) == (1, True), restored
    assert restored != taken  # Or nothing was tried here.
