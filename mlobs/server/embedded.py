"""The library of the embedded engine, without the package around it.

Importing `chdb` imports pyarrow and numpy, and opens and closes an engine in memory to ask its version:
40 MB that stay and a tenth of a second, for data frames that the server never asks for. The extension
module in it is all that is needed. A program that wants `chdb` itself, beside a server that it runs,
imports it first: that engine in memory cannot be opened beside the server's.
"""

import ctypes
import os
import sys
from importlib.machinery import ExtensionFileLoader, PathFinder
from importlib.util import module_from_spec
from types import ModuleType

from mlobs._extras import installed, require

PACKAGE, EXTENSION = "chdb", "chdb._chdb"


def library() -> ModuleType:
    """Return what has `connect`: the extension module, or the whole package where that is laid out otherwise.

    Raises:
        MissingExtraError: The package is not installed.
    """
    package = installed(PACKAGE, extra="server", feature="The server")
    if EXTENSION in sys.modules:  # One process, one engine, whoever loaded it.
        return sys.modules[EXTENSION]
    spec = PathFinder.find_spec(EXTENSION, package.submodule_search_locations)
    if spec is None or not isinstance(spec.loader, ExtensionFileLoader) or not hasattr(os, "RTLD_DEEPBIND"):
        return require(PACKAGE, extra="server", feature="The server")
    # As the package does it: the engine's own allocator serves it, whatever else the process has loaded.
    ctypes.CDLL(spec.origin, mode=sys.getdlopenflags() | os.RTLD_DEEPBIND)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[EXTENSION] = module
    return module
