"""A real Kafka broker for tests: one node that is its own controller, from the jars of Maven Central.

The jars (43 MB) are fetched once into ~/.cache/mlobs-tests; a broker is up some five seconds later.
"""

import contextlib
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import START_S_MAX, free_port, process

VERSION = "4.1.0"
JARS = Path.home() / ".cache" / "mlobs-tests" / f"kafka-{VERSION}"

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>kafka-broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""

SETTINGS = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=100000
"""


def jars() -> Path:
    """Return the folder of the broker's jars; skip the test where they cannot be had."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"{' and '.join(missing)} not installed; enable with: "
            f"sudo apt-get install --no-install-recommends openjdk-17-jre-headless maven"
        )
    if not JARS.exists():
        build = JARS.with_suffix(f".{uuid.uuid4().hex}")
        build.mkdir(parents=True)
        (build / "pom.xml").write_text(POM)
        copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(
            [*copy, "-DoutputDirectory=."],
            cwd=build,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(build)
            pytest.skip(f"Maven could not fetch Kafka: {done.stdout[-300:]}")
        with contextlib.suppress(OSError):  # another process was faster
            build.rename(JARS)
    return JARS


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Run a broker until the block ends; yield its address."""
    classpath = f"{jars()}/*"
    port = free_port()
    settings = folder / "server.properties"
    settings.write_text(SETTINGS.format(broker=port, controller=free_port(), folder=folder))
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")  # no option
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)],
        check=True,
        capture_output=True,
        timeout=START_S_MAX,
    )
    log = folder / "broker.log"
    with process(*java, "kafka.Kafka", str(settings), log=log) as started:
        until = time.monotonic() + START_S_MAX
        while True:
            assert started.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
