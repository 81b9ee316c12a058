"""Imports of optional packages, with a sentence that says which extra brings them."""

from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

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
        raise _missing(package, extra, feature) from None


def installed(package: str, *, extra: str, feature: str) -> ModuleSpec:
    """Find an optional package without importing it, or say which extra brings it.

    Raises:
        MissingExtraError: The package is not installed.
    """
    found = find_spec(package)
    if found is None:
        raise _missing(package, extra, feature)
    return found


def _missing(package: str, extra: str, feature: str) -> MissingExtraError:
    return MissingExtraError(
        f"{feature} needs the {package!r} package, which is not installed. "
        f"Install it with: pip install 'mlobs[{extra}]'"
    )
