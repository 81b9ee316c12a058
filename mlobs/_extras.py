"""Imports of optional packages, with a sentence that says which extra brings them.

On PyPI another project has the name mlobs. So what is given to pip is the place this copy came from.
"""

import json
import shlex
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from urllib.parse import unquote, urlsplit

from mlobs.errors import MissingExtraError


def require(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Raises:
        MissingExtraError: The package is not installed.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # The package is there; something it needs is not. Do not hide that.
        # Several projects put packages into one that is nobody's, such as opentelemetry.
        raise _missing(package if error.name == package else module, extra, feature) from None


def installed(package: str, *, extra: str, feature: str) -> ModuleSpec:
    """Find an optional package without importing it, or say which extra brings it.

    Raises:
        MissingExtraError: The package is not installed.
    """
    found = find_spec(package)
    if found is None:
        raise _missing(package, extra, feature)
    return found


def pip_install(extra: str = "") -> str:
    """Return the command that installs mlobs, or an extra of it, from where this copy was installed.

    The place is in the `direct_url.json` that installers leave behind (PyPA's specification of that name).
    """
    from importlib.metadata import PackageNotFoundError, distribution  # slow, and only for these words

    extras = f"[{extra}]" if extra else ""
    try:
        text = distribution("mlobs").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    place = json.loads(text) if text else {}
    url = place.get("url", "")
    if not url:
        return f"pip install {shlex.quote(f'mlobs{extras}')}"
    if not url.startswith("file:"):
        kind = place.get("vcs_info", {}).get("vcs", "")
        source = f"{kind}+{url}" if kind else url
        return f"pip install {shlex.quote(f'mlobs{extras} @ {source}')}"
    editable = "-e " if place.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}{shlex.quote(unquote(urlsplit(url).path) + extras)}"


def _missing(package: str, extra: str, feature: str) -> MissingExtraError:
    return MissingExtraError(
        f"{feature} needs the {package!r} package, which is not installed. "
        f"Install it with: {pip_install(extra)}"
    )
