"""Programs that tests use and pip cannot bring: Prometheus, Alertmanager, a browser, Go.

`require("promtool")` returns the program's path. As root on Debian it installs what is
missing, once; elsewhere the test is skipped with the one command that enables it.
"""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Each program, the Debian package that brings it, and other names it goes by.
PACKAGES = {
    "prometheus": ("prometheus", ()),
    "promtool": ("prometheus", ()),
    "alertmanager": ("prometheus-alertmanager", ("prometheus-alertmanager",)),
    "amtool": ("prometheus-alertmanager", ()),
    "chromium": ("chromium", ("google-chrome", "chrome")),
    "go": ("golang-go", ()),
    "ip": ("iproute2", ()),
}


def require(program: str) -> str:
    """Return the path of `program`; install it where we may, skip the test where we may not."""
    package, aliases = PACKAGES[program]
    path = find(program, *aliases)
    if path is None and may_install():
        install(package)
        path = find(program, *aliases)
    if path is None:
        pytest.skip(
            f"{program} is not installed; enable with: sudo apt-get install --no-install-recommends {package}"
        )
    return path


def find(*names: str) -> str | None:
    """Return the path of the first of `names` that is installed."""
    return next((path for name in names if (path := shutil.which(name))), None)


def may_install() -> bool:
    """Tell whether this is Debian and we are root."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and find("apt-get") is not None


@functools.cache
def install(package: str) -> None:
    """Install one package. Its services are not started: tests start their own on free ports."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-qq"]
    for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run([*apt, *command], env=environment, capture_output=True, check=False, timeout=600)
