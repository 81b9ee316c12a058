"""`mlobs data`: what the store holds: delete, back up, restore."""

import argparse
import sys
from pathlib import Path
from typing import Any

from mlobs.cli.verbs import add_server
from mlobs.errors import MlobsError, StoreError

DELETE_EPILOG = """\
examples:
  mlobs data delete --user ana@example.com
  mlobs data delete --session abc --yes
  mlobs data delete --trace 4bf92f3577b34da6a3ce929d0e0e4736

Whole traces go, with the log records and scores that name them, from the disk. What was told of alerts
stays, with the word "deleted" in place of the id. What the calls cost goes with them, so a budget that was
used up may not be any more. Without --yes it asks.
exit status: 0 done, 1 nothing was found, 2 could not be done
"""


def register(nouns: Any) -> None:
    """Add `mlobs data`."""
    noun = nouns.add_parser("data", help="delete, back up, restore", description="Look after what is stored.")
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    deleted = verbs.add_parser(
        "delete",
        help="delete what a trace, session or user left",
        description="Delete what one trace, session or user left, and print what went.",
        epilog=DELETE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = deleted.add_mutually_exclusive_group(required=True)
    for name in ("trace", "session", "user"):
        which.add_argument(f"--{name}", metavar="ID", help=f"the id of the {name}")
    deleted.add_argument("--yes", action="store_true", help="do not ask")
    deleted.add_argument("--json", action="store_true", help="print JSON")
    deleted.set_defaults(handler=delete)
    copied = verbs.add_parser(
        "backup",
        help="copy a running server's store and alerts",
        description="Write a running server's store, with its alerts, silences and deliveries, to a file.",
    )
    copied.add_argument(
        "file", type=Path, metavar="FILE", help="the tar file to write; it must not exist yet"
    )
    copied.set_defaults(handler=back_up)
    for verb in (deleted, copied):
        add_server(verb)
    restored = verbs.add_parser(
        "restore",
        help="make a store of a backup",
        description="Make a store of a backup, in an empty folder that no server uses.",
    )
    restored.add_argument("file", type=Path, metavar="FILE", help="the tar file that backup wrote")
    restored.add_argument("--data", type=Path, help="the folder (default: $MLOBS_DATA, or else mlobs-data)")
    restored.set_defaults(handler=restore)


def delete(arguments: argparse.Namespace) -> int:
    """Delete, and print a row for each table."""
    from mlobs.cli.asking import client
    from mlobs.cli.printing import print_json, print_rows

    given = {name: getattr(arguments, name) for name in ("trace", "session", "user")}
    [(what, value)] = [(name, one) for name, one in given.items() if one is not None]
    if not arguments.yes and not _agreed(f"Delete everything of the {what} {value!r}? [y/N] "):
        print("Nothing was deleted.", file=sys.stderr)
        return 2
    with client(arguments.server) as asked:
        report = asked.delete(**given)
    if arguments.json:
        print_json(report)
    else:
        rows = [{"what": name, "deleted": count} for name, count in report["deleted"].items()]
        print_rows(rows, as_json=False)
        if report["segments_set_aside"]:
            print(
                f"{report['segments_set_aside']} journal segments that the store refused were not searched; "
                "they are the .set-aside files in the data folder's journal.",
                file=sys.stderr,
            )
    return 0 if any(report["deleted"].values()) else 1


def back_up(arguments: argparse.Namespace) -> int:
    """Write the file; a part of it is never left behind under its name."""
    from mlobs.cli.asking import client

    part = arguments.file.with_name(f"{arguments.file.name}.part")
    if arguments.file.exists():
        raise StoreError(f"{arguments.file} exists already; name another file.")
    try:
        file = part.open("xb")
    except FileExistsError:
        raise StoreError(
            f"{part} exists already: another backup is writing it, or one was killed. Remove it if none is."
        ) from None
    except OSError as error:
        raise StoreError(f"{arguments.file} cannot be written: {error.strerror}.") from error
    try:
        with file, client(arguments.server) as asked:
            size = asked.back_up(file)
        part.rename(arguments.file)
    except MlobsError:  # The server's trouble is an OSError too, and none of the file.
        raise
    except OSError as error:
        raise StoreError(f"{arguments.file} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    print(f"{arguments.file}: {size:,} bytes")
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Restore, and print a row for each table."""
    from mlobs.cli.printing import print_rows
    from mlobs.server.upkeep.restore import restore as make
    from mlobs.settings import ServerSettings, from_flags

    settings = from_flags(ServerSettings, data=arguments.data)
    rows = make(arguments.file, settings)
    print_rows([{"table": table, "rows": count} for table, count in rows.items() if count], as_json=False)
    print(f"Restored. Start the server with: mlobs up --data {settings.data}")
    return 0


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise StoreError("Nobody can be asked here; add --yes.")
    return input(question).strip().lower() in {"y", "yes"}
