"""`mlobs demo --traffic`: the demo's service alone, for as long as it is let run.

It sends its telemetry where its settings say, as any instrumented program does: what a sidecar stands
beside in the containers.
"""

import tempfile
import time
from pathlib import Path

import mlobs
from mlobs.cli.demo.model_server import ModelServer
from mlobs.cli.demo.progress import bars
from mlobs.cli.demo.service import Service

SERVICE = "flight-desk"
ROW_SECONDS = 0.1
ROWS_A_QUESTION = 20


def serve() -> None:
    """Train, then serve the months the model knows and July in turn, until Ctrl-C."""
    models = ModelServer()
    mlobs.init(SERVICE)
    try:
        address = models.start()
        with tempfile.TemporaryDirectory(prefix="mlobs-demo-") as folder:
            service = Service(Path(folder), address)
            with bars() as bar:
                service.train(bar)
            print(f"{SERVICE} serves {1 / ROW_SECONDS:.0f} flights a second. Ctrl-C stops it.", flush=True)
            service.serve_year_after_year(lambda: time.sleep(ROW_SECONDS), ROWS_A_QUESTION)
    except KeyboardInterrupt:
        print("Stopping.", flush=True)
    finally:
        models.stop()
        mlobs.shutdown()
