"""A receiver for tests: the real one, on a free port, that tells a real webhook."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlobs.cli.alerts.mounted import PATH
from mlobs.cli.alerts.receiver import Receiver
from mlobs.settings import AlertSettings, ReceiveSettings, load
from tests.alerts.sink import Webhook
from tests.alerts.webhooks import SECRET

ROUTES = """\
sinks:
  hook:
    type: webhook
    url: {url}
    secret: {{env: TEST_SINK_SECRET}}
    allow: ["127.0.0.1"]
routes:
  - sinks: [hook]
"""


@contextmanager
def receiver(folder: Path, sink: Webhook, routes: str = ROUTES, **given: Any) -> Iterator[str]:
    """Run a receiver; give the address that takes webhooks."""
    path = folder / "routes.yml"
    path.write_text(routes.format(url=sink.url))
    settings = load(ReceiveSettings, port=0, **{"secret": SECRET, **given})
    with Receiver(settings, AlertSettings(routes=path), folder / "data") as running:
        yield running.url + PATH
