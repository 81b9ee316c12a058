"""`mlobs collector validate`: read a configuration for what is wrong, and let the collector try it."""

import argparse
import os
import subprocess
import sys
from typing import Any

from mlobs.cli.collector.binary import binary
from mlobs.cli.collector.config import add_configuration, added
from mlobs.cli.collector.configurations import sources
from mlobs.cli.collector.judging import judged, unread
from mlobs.cli.collector.reading import read
from mlobs.cli.collector.run import add_endpoint, command, variables
from mlobs.cli.printing import console
from mlobs.cli.verbs import add_verb


def register(verbs: Any) -> None:
    """Add `validate` to the verbs of `collector`."""
    about = "Read a configuration for what is wrong, and let the collector try it where it is built."
    epilog = "exit status: 0 nothing wrong was found, 1 something is wrong, 2 it could not be read"
    validate = add_verb(verbs, "validate", _validate, about, epilog)
    add_configuration(validate)
    add_endpoint(validate)


def _validate(arguments: argparse.Namespace) -> int:
    more = added(arguments)
    files = sources(arguments.configuration, arguments.sink, more)
    environment = variables(arguments)
    findings = judged(arguments.configuration, files, more, read(files, environment))
    for finding in findings:
        print(finding, file=sys.stderr)
    for remark in unread(files, os.environ):
        print(f"note: {remark}", file=sys.stderr)
    wrong = sum(finding.level == "error" for finding in findings)
    if wrong:
        notes = len(findings) - wrong
        told = f"{wrong} {'error' if wrong == 1 else 'errors'}" + (f", {notes} to know" if notes else "")
        console(stderr=True).print(f"{arguments.configuration}: {told}")
        return 1
    if not binary().exists():
        console(stderr=True).print(
            f"{arguments.configuration}: nothing wrong was found by reading it. The collector itself did not "
            f"try it, as it is not built here: mlobs collector build"
        )
        return 0
    done = subprocess.run(
        command("validate", files, environment), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr.strip() or done.stdout.strip(), file=sys.stderr)
        return 1
    console(stderr=True).print(f"{arguments.configuration}: its dry run found nothing wrong")
    return 0
