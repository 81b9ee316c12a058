"""`mlobs run CMD…`: any program with instrumentation switched on, no code changed.

The program takes this process's place: same process id, exit status, signals and terminal. What
makes the difference is in the environment, so Python programs that it starts have it too.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlobs.errors import SettingError

BOOTSTRAP = Path(__file__).parent / "bootstrap"
SERVICE = "OTEL_SERVICE_NAME"


def register(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = nouns.add_parser(
        "run",
        help="run a program with instrumentation switched on, no code changed",
        description="Run a program with instrumentation switched on, no code changed.",
        usage="mlobs run [--service NAME] (SCRIPT.py | -m MODULE | COMMAND) [ARGUMENT ...]",
        epilog="examples: mlobs run app.py · mlobs run -m package · mlobs run --service bot uvicorn app:app. "
        "The exit status is the program's; 2 if there is no such program.",
    )
    command.add_argument("--service", metavar="NAME", help="what the program is called in traces")
    command.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help="run a module as a program")
    command.add_argument(
        "command", nargs=argparse.REMAINDER, help="a script, or a command with its arguments"
    )
    command.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Become the program. Returns only where there is none to become."""
    given = list(arguments.command)
    if given[:1] == ["--"]:
        del given[0]
    if arguments.module is not None:
        given = ["-m", *arguments.module]
    command = resolve(given)
    environment = prepared(os.environ, service=guessed(command))
    if arguments.service:
        environment[SERVICE] = arguments.service
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(command[0], command, environment)  # noqa: S606 # running what was asked for is the purpose
    except OSError as error:
        raise SettingError(
            f"mlobs run {command[0]}: the system cannot start it ({error.strerror}). A script needs a first "
            f"line that names its interpreter, one that is there: mlobs run INTERPRETER {command[0]}"
        ) from None


def resolve(given: Sequence[str]) -> list[str]:
    """Return the command with the program's full path.

    Raises:
        SettingError: Nothing was given, or no such program is found.
    """
    if not given or list(given) == ["-m"]:
        raise SettingError(
            "mlobs run: a program was expected, such as: mlobs run app.py, or mlobs run -m package"
        )
    name = given[0]
    if name == "-m" or (name.endswith(".py") and Path(name).is_file()):
        return [sys.executable, *given]
    found = shutil.which(name)
    if found is None:
        beside = shutil.which(name, path=str(Path(sys.executable).parent))
        hint = f" There is one in this environment: mlobs run {beside}" if beside else ""
        if name.endswith(".py") or Path(name).exists():
            hint = f" {Path(name)} {'cannot be executed' if Path(name).exists() else 'does not exist'}."
        raise SettingError(f"mlobs run {name}: no such program was found on PATH.{hint}")
    return [found, *given[1:]]


def prepared(environment: Mapping[str, str], *, service: str | None) -> dict[str, str]:
    """Return the environment in which a program is instrumented.

    Args:
        environment: What the program would have had.
        service: Its name in traces, unless the environment or the program says another.
    """
    changed = dict(environment)
    before = environment.get("PYTHONPATH", "")
    # An empty entry among others is the working directory; an empty variable is none.
    entries = before.split(os.pathsep) if before else []
    changed["PYTHONPATH"] = os.pathsep.join(
        [str(BOOTSTRAP), *(one for one in entries if one != str(BOOTSTRAP))]
    )
    changed["MLOBS_RUN"] = str(os.getpid())
    changed.setdefault("MLOBS_AUTO", "true")
    if service:
        changed.setdefault(SERVICE, service)
    return changed


def guessed(command: Sequence[str]) -> str | None:
    """Return what a program may be called: the script, the module, or the command.

    >>> guessed(["/usr/bin/python3", "-u", "shop/app.py"]), guessed(["/usr/bin/python", "-m", "shop.web"])
    ('app', 'shop.web')
    >>> guessed(["/bin/uvicorn", "app:app"]), guessed(["/usr/bin/python3"])
    ('uvicorn', None)
    """
    name = Path(command[0]).name
    if not name.startswith("python"):
        return name
    arguments = iter(command[1:])
    for argument in arguments:
        if argument == "-m":
            return next(arguments, None)
        if argument in {"-W", "-X"}:
            next(arguments, None)
        elif argument == "-c":
            return None
        elif not argument.startswith("-"):
            return Path(argument).stem
    return None
