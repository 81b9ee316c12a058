"""Makes PNG files of pages with Chromium. Edge: it starts a process of its own.

A page is measured first and then taken as a whole, however high it is.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from mlobs.errors import DataError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = "sudo apt-get install chromium"
SECONDS_MAX = 120.0
HEIGHT_MAX = 16_000  # What Chromium can paint in one piece.
SIZE = re.compile(r'data-height="(\d+)"')
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE = (
    "<script>addEventListener('load',function(){document.documentElement.setAttribute('data-height',"
    "Math.ceil(document.documentElement.getBoundingClientRect().height))})</script>"
)


def browser() -> str:
    """Return the path of the browser.

    Raises:
        DataError: None is installed.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise DataError(f"--png needs Chromium, which is not installed. Install it with: {INSTALL}")


def picture(page: Path, to: Path, width: int) -> None:
    """Write a page as a PNG of its whole height.

    Args:
        page: An HTML file.
        to: The PNG file.
        width: Pixels.

    Raises:
        DataError: There is no browser, or it cannot take the picture.
    """
    program = browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "page.html"
        # The page itself allows no script; what measures it is only in this copy.
        text = page.read_text(encoding="utf-8")
        copy.write_text(POLICY.sub("", text, count=1) + MEASURE, encoding="utf-8")
        found = SIZE.search(_run(program, folder, copy, width, 2000, "--dump-dom"))
        if found is None:
            raise DataError(f"{program} could not measure {page}. Try again, or open the page in a browser.")
        height = min(int(found[1]), HEIGHT_MAX)
        taken = Path(folder) / "page.png"
        _run(program, folder, page, width, height, f"--screenshot={taken}")
        if not taken.exists():
            raise DataError(f"{program} made no picture of {page}. Open the page in a browser instead.")
        shutil.copyfile(taken, to)


def _run(program: str, folder: str, page: Path, width: int, height: int, what: str) -> str:
    command = [
        program,
        "--headless=new",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # A page needs no network, and a browser wants it.
        "--force-device-scale-factor=1",
        f"--user-data-dir={folder}/profile",
        f"--window-size={width},{height}",
        "--virtual-time-budget=2000",
        what,
        page.resolve().as_uri(),
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # Chromium has none for root.
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(f"{program} did not draw {page}: {type(error).__name__}. Try again.") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"{program} did not draw {page}: {last[:300]}.")
    return done.stdout
