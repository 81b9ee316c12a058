"""Runs the services of compose.yaml as processes, each in what a container would be to it.

No engine is needed, but root. Each service gets a network of its own, which bridges join to the others
as Compose says; a read-only root in which only what Compose mounts is found, and only volumes and tmpfs
can be written to; its numeric user without capabilities; the environment of image and Compose and
nothing else. The collector's root holds what its image holds; Python's holds this machine's system and
the checkout. Limits of memory and of processes are not put in force.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from mlobs.cli.collector.binary import binary
from tests.docker import files
from tests.docker.files import DOCKER, SERVICES, TOP
from tests.parts import require

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin")
DEVICES = ("null", "zero", "full", "random", "urandom")
OWNERS = {"prometheus-data": 65534, "alertmanager-data": 65534}  # As in those images; ours are 10001's.
STOP_S_MAX = 90


@dataclass
class Engine:
    """The containers of one test, below a folder; switches of networks and roots go with it."""

    folder: Path
    name: str = field(default_factory=lambda: f"mlobs{os.getpid()}")
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.networks = list(files.COMPOSE["networks"])
        self.spaces = [name for name, told in SERVICES.items() if not told.get("network_mode")]

    def __enter__(self) -> Self:
        self._ip("netns", "add", self.switch)
        for number in range(len(self.networks)):
            self._ip("-n", self.switch, "link", "add", f"br{number}", "type", "bridge")
            self._ip("-n", self.switch, "addr", "add", f"10.77.{number}.254/24", "dev", f"br{number}")
            self._ip("-n", self.switch, "link", "set", f"br{number}", "up")
        self._ip("netns", "add", self.space("keys"))
        for service in self.spaces:
            self._connect(service)
        return self

    def __exit__(self, *_: object) -> None:
        for service in reversed(list(self.running)):
            self.stop(service)
        for space in [self.switch, self.space("keys"), *map(self.space, self.spaces)]:
            self._ip("netns", "delete", space)

    @property
    def switch(self) -> str:
        """The space of the bridges: from there everything is reached that is on any network."""
        return f"{self.name}-switch"

    def space(self, service: str) -> str:
        """Return the network space of a service: that of another where it shares it."""
        shared = str(SERVICES[service].get("network_mode", "")).removeprefix("service:")
        return f"{self.name}-{shared if shared in SERVICES else service}"

    def address(self, service: str, network: str) -> str:
        return f"10.77.{self.networks.index(network)}.{self.spaces.index(service) + 1}"

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def volume(self, name: str) -> Path:
        """Return the folder that stands for a named volume, made as Docker makes it for its first image."""
        path = self.folder / "volumes" / name
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, OWNERS.get(name, 10001), OWNERS.get(name, 10001))
        return path

    def start(
        self, service: str, argv: Sequence[str] = (), environment: dict[str, str] | None = None
    ) -> None:
        """Start a service and come back at once."""
        with self.log(service).open("ab") as output:
            self.running[service] = subprocess.Popen(
                self.within(service, argv or files.command(service)),
                env=files.environment(service) if environment is None else environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self, service: str, argv: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """Run a service's command, or another as it would run it, to its end."""
        return subprocess.run(
            self.within(service, argv or files.command(service)),
            env=files.environment(service),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def stop(self, service: str, number: int = signal.SIGTERM) -> None:
        process = self.running.pop(service)
        process.send_signal(number)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def within(self, service: str, argv: Sequence[str]) -> list[str]:
        """Return the command that becomes `argv` in what the service's container is."""
        root = self.folder / "roots" / service
        root.mkdir(parents=True, exist_ok=True)
        script = self.folder / f"{service}.sh"
        script.write_text(
            "\n".join(["set -e", *self._mounted(service, root), _entered(service, root)]) + "\n"
        )
        space = ["nsenter", f"--net=/run/netns/{self.space(service)}"]
        return [*space, "unshare", "--mount", "--propagation", "private", "/bin/sh", str(script), *argv]

    def _mounted(self, service: str, root: Path) -> Iterator[str]:
        yield f"mount -t tmpfs -o mode=755 root {root}"
        # Before the rest: the checkout may lie below /tmp itself.
        for path in SERVICES[service]["tmpfs"]:
            yield f"mkdir -p {root}{path} && mount -t tmpfs -o mode=1777 tmpfs {root}{path}"
        hosts = self.folder / f"{service}.hosts"
        hosts.write_text(self._hosts(service))
        etc = [bound(hosts, f"{root}/etc/hosts", mode="ro")]
        if SERVICES[service].get("image", "").startswith("mlobs/sidecar"):
            system = [bound(binary(), f"{root}/mlobs-collector", mode="ro")]
        else:
            system = [bound(Path(path), f"{root}{path}", mode="ro") for path in SYSTEM if Path(path).exists()]
            system += [bound(TOP, f"{root}{TOP}", mode="ro"), bound(venv(), f"{root}/opt/mlobs", mode="ro")]
            system += [bound(path, f"{root}{path}", mode="ro") for path in foreign_pythons()]
        for part in (*system, *etc):
            yield from part
        for device in DEVICES:
            yield from bound(Path("/dev") / device, f"{root}/dev/{device}", mode="rw")
        yield f"mkdir -p {root}/proc {root}/sys/fs/cgroup && mount --rbind /proc {root}/proc"
        yield from bound(Path("/sys/fs/cgroup"), f"{root}/sys/fs/cgroup", mode="ro")
        for mount in files.mounts(service):
            source = DOCKER / mount.source if mount.is_file_of_ours else self.volume(mount.source)
            mode = "ro" if mount.read_only else "rw"
            yield from bound(source / mount.subpath, f"{root}{mount.target}", mode=mode)
        yield f"mount -o remount,ro {root}"

    def _hosts(self, service: str) -> str:
        owner = self.space(service).removeprefix(f"{self.name}-")
        lines = ["127.0.0.1 localhost"]
        for network in SERVICES[owner].get("networks") or []:
            joined = [other for other in self.spaces if network in SERVICES[other]["networks"]]
            lines += [f"{self.address(other, network)} {other}" for other in joined]
        return "\n".join(lines) + "\n"

    def _connect(self, service: str) -> None:
        space = self.space(service)
        self._ip("netns", "add", space)
        self._ip("-n", space, "link", "set", "lo", "up")
        for network in SERVICES[service]["networks"]:
            number = self.networks.index(network)
            ours, theirs = f"v{number}-{self.spaces.index(service)}", f"eth{number}"
            self._ip("-n", self.switch, "link", "add", ours, "type", "veth", "peer", "name", theirs)
            self._ip("-n", self.switch, "link", "set", theirs, "netns", space)
            self._ip("-n", self.switch, "link", "set", ours, "master", f"br{number}", "up")
            self._ip("-n", space, "addr", "add", f"{self.address(service, network)}/24", "dev", theirs)
            self._ip("-n", space, "link", "set", theirs, "up")

    def _ip(self, *words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"

    def wait(self, service: str, argv: Sequence[str], seconds: float = 240) -> None:
        """Wait until a command succeeds as the service would run it, as its health check does."""
        until = time.monotonic() + seconds
        while (done := self.run(service, argv)).returncode:
            process = self.running[service]
            assert process.poll() is None, f"{service} ended:\n{self.log(service).read_text()}"
            assert time.monotonic() < until, f"{done.stderr}\n{self.log(service).read_text()}"
            time.sleep(0.5)


def bound(source: Path, target: str, *, mode: str) -> list[str]:
    """Return the lines that make a file or folder appear elsewhere."""
    place = f"mkdir -p {target}"
    if not source.is_dir():
        place = f"mkdir -p {target.rpartition('/')[0]} && touch {target}"
    lines = [place, f"mount --bind {source} {target}"]
    return [*lines, f"mount -o remount,bind,ro {target}"] if mode == "ro" else lines


def venv() -> Path:
    """Return the environment that the tests run in, which stands for the image's."""
    return Path(sys.prefix)


def foreign_pythons() -> list[Path]:
    """Return the folder of the interpreter where it is not the system's."""
    base = Path(sys.base_prefix).resolve()
    return [] if str(base).startswith(SYSTEM) else [base]


def _entered(service: str, root: Path) -> str:
    user = str(SERVICES[service]["user"])
    return f'exec setpriv --no-new-privs {shutil.which("chroot")} --userspec={user} --groups= {root} "$@"'


def engine(folder: Path) -> Engine:
    """Return an engine, or skip the test where there cannot be one."""
    require("ip")
    if os.geteuid() != 0 or not all(map(shutil.which, ("nsenter", "unshare", "setpriv", "chroot"))):
        pytest.skip("containers are imitated with network and mount spaces: needs root and util-linux")
    tried = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"containers are imitated, and this kernel lets nobody: {tried.stderr.decode().strip()}")
    return Engine(folder)
