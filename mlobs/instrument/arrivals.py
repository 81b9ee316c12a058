"""Acts when a program has imported a library. Edge: it hooks into Python's import system.

Why not at once: instrumenting a library imports it, and a process that has openai, langchain and
anthropic installed and uses none of them would pay seconds for nothing.

Why only when the outermost import has ended: `import langgraph.graph` imports langchain_core on
its way; to instrument that one right then would import langgraph again while it is half made.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mlobs import _guard


class Watch:
    """Waits for one library.

    Args:
        names: Modules; the first shows that the library is in use, and all, with what is below
            them, must have ended importing.
        act: Called once, in the thread that imports.
    """

    def __init__(self, names: Sequence[str], act: Callable[[], None]) -> None:
        self.names = tuple(names)
        self._act: Callable[[], None] | None = act
        self._under_way = 0
        self._lock = threading.Lock()

    def covers(self, name: str) -> bool:
        """Return whether a module belongs to the library."""
        return any(name == one or name.startswith(f"{one}.") for one in self.names)

    def begin(self) -> None:
        """Note that a module of the library is being imported."""
        with self._lock:
            self._under_way += 1

    def end(self, name: str, *, imported: bool) -> None:
        """Note that a module's import has ended, and act if it was the outermost."""
        first = self.names[0]
        with self._lock:
            self._under_way -= 1
            if self._under_way or first not in sys.modules or (name == first and not imported):
                return
            act, self._act = self._act, None
        if act is not None:
            finder.forget(self)
            _run(act)


class Finder(MetaPathFinder):
    """Finds modules as the other finders do, and tells the watches when they are imported."""

    def __init__(self) -> None:
        self._watches: dict[str, list[Watch]] = {}  # by the name before the first dot

    def add(self, watch: Watch) -> None:
        """Begin to watch."""
        for root in {name.partition(".")[0] for name in watch.names}:
            self._watches[root] = [*self._watches.get(root, []), watch]
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def forget(self, watch: Watch) -> None:
        """Stop watching."""
        for root in {name.partition(".")[0] for name in watch.names}:
            left = [one for one in self._watches.get(root, []) if one is not watch]
            if left:
                self._watches[root] = left
            else:
                self._watches.pop(root, None)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a watched module is; for all others, None."""
        watches = self._watches.get(fullname.partition(".")[0])
        if watches is None:
            return None
        concerned = [watch for watch in watches if watch.covers(fullname)]
        if not concerned:
            return None
        for other in list(sys.meta_path):
            find = getattr(other, "find_spec", None)
            if other is self or find is None:
                continue
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = Telling(spec.loader, concerned)
                return spec
        return None


class Telling(Loader):
    """Loads as another loader does, and tells watches about it. It leaves no trace on the module."""

    def __init__(self, loader: Loader, watches: Sequence[Watch]) -> None:
        self._loader = loader
        self._watches = watches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return the module the other loader makes."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        for watch in self._watches:
            watch.begin()
        imported = False
        try:
            self._loader.exec_module(module)
            imported = True
        finally:
            for watch in self._watches:
                watch.end(module.__name__, imported=imported)


finder = Finder()


def when_imported(names: Sequence[str], act: Callable[[], None]) -> None:
    """Call `act` once the library is imported; at once if it is.

    Args:
        names: The library's modules; the first shows that it is in use.
        act: The program's import waits for it. What it raises is noted and goes no further.
    """
    if names[0] in sys.modules:
        _run(act)
    else:
        finder.add(Watch(names, act))


def _run(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("switching on an instrumentation", "The program goes on without it.")
