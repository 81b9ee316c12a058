"""`mlobs alerts end`: end alerts from elsewhere whose sender will never say that they ended."""

import argparse
from typing import Any

from mlobs.cli.alerts.asked_desk import add_whom, end
from mlobs.cli.alerts.author import who
from mlobs.cli.verbs import add_verb

EPILOG = """\
examples:
  mlobs alerts end 5c01d2aa93 --why "that Prometheus was taken down"
  mlobs alerts end 5c01d2 77ab01 --who ann --why "tried out"
  mlobs alerts end 5c01d2 --why "gone" --file mlobs-data/alerts-received.sqlite
  mlobs alerts list --json | jq -r '.firing[] | select(.heard and .heard < "2026-05-01") | .fingerprint' |
    xargs mlobs alerts end --why "not heard of since April"

Fingerprints are those of mlobs alerts list, and may be cut to their first six characters or more. Whoever was
told that an alert fires is told that it ended, by whom and why. If its sender says again that it fires, it is
told again; to hear nothing while it does, silence it. What a rule of the server's own finds ends with the
trouble, and cannot be ended by hand.
exit status: 0 all were ended, 2 one could not be, or nothing could be done
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "end", _end, "End alerts from elsewhere whose sender is gone.", EPILOG)
    verb.add_argument("fingerprints", nargs="+", metavar="FINGERPRINT", help="which alerts")
    verb.add_argument("--source", metavar="NAME", help="who found them, where the fingerprint is not enough")
    verb.add_argument("--why", metavar="TEXT", required=True, help="the reason, which those told will read")
    verb.add_argument("--who", metavar="NAME", help="who ends them (default: the user's name)")
    verb.add_argument("--json", action="store_true", help="print the answers as JSON")
    add_whom(verb)


def _end(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import console, print_json, visible
    from mlobs.errors import PayloadError, QueryError

    answers, status, talk = [], 0, console(stderr=True)
    for one in dict.fromkeys(arguments.fingerprints):
        wanted = {"fingerprint": one, "who": who(arguments), "why": arguments.why}
        if arguments.source:
            wanted["source"] = arguments.source
        try:
            answer = end(arguments, wanted)
        except (PayloadError, QueryError) as error:  # The others can be ended all the same.
            talk.print(visible(f"mlobs: {error}"), markup=False)
            status = 2
            continue
        answers.append(answer)
        if not arguments.json:
            print(answer["fingerprint"])
            talk.print(visible(f"ended: {answer['rule']}, {answer['summary']}"), markup=False)
    if arguments.json:
        print_json({"ended": answers})
    return status
