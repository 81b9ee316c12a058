"""`mlobs doctor`: the one reason why nothing arrives; with --loss, where some of it went missing."""

import argparse
from typing import Any

from mlobs.cli.verbs import add_server
from mlobs.errors import SettingError
from mlobs.settings import ClientSettings, SdkSettings, from_flags, load

EPILOG = """\
It reads the same variables as an instrumented program, so run it where the program runs, with its
environment. One span of the service mlobs-doctor is sent and looked for.

--loss sends nothing. It reads what programs, collectors and the server count, and sets it against each
other: what was made, sent, taken, left out, dropped, waits, is stored. Collectors that no flag names are
looked for at MLOBS_SIDECAR_METRICS_PORT, MLOBS_GATEWAY_METRICS_PORT and MLOBS_SAMPLER_METRICS_PORT of
this machine; with --no-collectors none is. Where hops were not started together, compare a while:

  mlobs doctor --loss --for 60
  mlobs doctor --loss --gateway http://gateway:8889 --sampler http://sampler-0:8890 --for 60
  mlobs doctor --loss --prometheus http://prometheus:9090 --since 6h

The table has a line for each hop: what came to it (of programs: what they made), what it refused (the
sender still has that), left out by sampling or a filter, dropped, still holds, and sent on or stored.
Below it:

  MISSING   came to a hop or was sent to it, and is nowhere; no counter explains it
  lost      was dropped, and by what, or went when a hop was started again
  restart   was left out by sampling, or lost, in a hop that lost its counts when it was started again
  unknown   cannot be told, and why
  moving    had not come on when it was last read; no more than readings of different moments explain
  surplus   more came to a hop than the one before it counted
  filter    was left out by a filter of the collector's, as it was told to

exit status: 0 all is well, 1 something is not, 2 could not be asked. With --loss 1 means that something is
gone for good in the time looked at, MISSING or lost; what waits, is on its way, left out or cannot be told
is no loss. Without --for or --prometheus that time is all since each hop began, so for cron take one;
cron mails what is printed:

  */10 * * * *  said=$(mlobs doctor --loss --for 60 2>&1) || echo "$said"
"""
LOSS_ONLY = ("sidecar", "gateway", "sampler", "no_collectors", "prometheus", "since", "seconds")
FLAGS = {"seconds": "for", "no_collectors": "no-collectors"}


def register(nouns: Any) -> None:
    """Add `mlobs doctor`."""
    command = nouns.add_parser(
        "doctor",
        help="find out why nothing arrives, or where something got lost",
        description="Go the way of a span from here to the server's tables and say where it ends.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_server(command)
    command.add_argument("--json", action="store_true", help="print JSON")
    loss = command.add_argument_group("what was lost")
    loss.add_argument("--loss", action="store_true", help="say where telemetry is missing, and why")
    for hop in ("sidecar", "gateway", "sampler"):
        loss.add_argument(
            f"--{hop}",
            action="append",
            metavar="URL",
            help=f"a {hop}'s page of its own metrics; may come again",
        )
    loss.add_argument(
        "--no-collectors",
        action="store_true",
        default=None,
        help="look for no collector: those of this machine are of another way",
    )
    loss.add_argument("--prometheus", metavar="URL", help="ask this Prometheus, which scrapes them all")
    loss.add_argument(
        "--since", metavar="TIME", help="how far --prometheus looks back: 15m, 6h, 7d (default: 1h)"
    )
    loss.add_argument(
        "--for",
        dest="seconds",
        type=float,
        metavar="SECONDS",
        help="read twice, so long apart, and compare",
    )
    command.set_defaults(handler=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    if arguments.loss:
        from mlobs.cli.doctor.loss import loss

        return loss(arguments)
    for name in LOSS_ONLY:
        if getattr(arguments, name) is not None:
            raise SettingError(f"--{FLAGS.get(name, name)} goes with --loss. Add --loss, or leave it out.")
    return _steps(arguments)


def _steps(arguments: argparse.Namespace) -> int:
    """Print each step, and at the end the reason."""
    from mlobs.cli.doctor.letters import dead_letters
    from mlobs.cli.doctor.steps import Patient, examine
    from mlobs.cli.printing import print_json, visible

    patient = Patient(load(SdkSettings), from_flags(ClientSettings, server=arguments.server))
    steps, reason = examine(patient)
    if not reason:
        patient.remarks += dead_letters(patient.client.server)
    if arguments.json:
        print_json({"ok": not reason, "reason": reason or None, "steps": steps, "remarks": patient.remarks})
        return 1 if reason else 0
    for one in steps:
        print(f"{'ok  ' if one['ok'] else 'FAIL'} {one['step']}: {visible(one['found'])}")
    for remark in patient.remarks:
        print(f"note {visible(remark)}")
    if not reason:
        print("All is well: a span that this environment sends can be asked for.")
    return 1 if reason else 0
