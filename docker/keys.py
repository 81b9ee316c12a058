"""Makes the tokens and passwords of compose.yaml, once, and hands each service those it needs, as files.

    python keys.py FOLDER         make what is missing, and write every service's files
    python keys.py FOLDER show    say where to log in, and with what

FOLDER/all/keys.json has all of them. Each service has a folder of its own, which compose.yaml shows to it
alone, and this is the only program that sees the others'. Standard library only.
"""

import json
import secrets
import sys
from pathlib import Path

BYTES = 24
# Whoever is in front of the screen is `people`.
HOLDERS = (
    "people", "sender", "gateway", "sampler", "router", "prometheus", "grafana", "alertmanager", "password",
    "webhook",
)  # fmt: skip
OURS, OTHERS = 0o400, 0o444  # Prometheus, Alertmanager and Grafana run as other users than ours.


def made(file: Path) -> dict[str, str]:
    """Return every key, after making those that are missing."""
    known = json.loads(file.read_text()) if file.exists() else {}
    found = {name: known.get(name) or secrets.token_hex(BYTES) for name in HOLDERS}
    if found != known:
        write(file, json.dumps(found, indent=1) + "\n", OURS)
    return found


def files(keys: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Return the text and mode of each service's files.

    Args:
        keys: By holder: `sender` sends to the gateway, `router` is the gateway's to samplers.
    """
    scopes = dict.fromkeys(("gateway", "sampler", "alertmanager"), "ingest")
    scopes |= dict.fromkeys(("prometheus", "grafana"), "read")
    tokens = [f"{scope} {keys[holder]}" for holder, scope in {**scopes, "people": "read,admin"}.items()]
    return {
        "server/tokens": ("\n".join(tokens) + "\n", OURS),
        "server/webhook": (keys["webhook"], OURS),
        "sidecar/headers": (bearer(keys["sender"]), OURS),
        "gateway/token": (keys["sender"], OURS),
        "gateway/headers": (bearer(keys["gateway"]), OURS),
        "gateway/sampler-headers": (bearer(keys["router"]), OURS),
        "sampler/token": (keys["router"], OURS),
        "sampler/headers": (bearer(keys["sampler"]), OURS),
        "prometheus/token": (keys["prometheus"], OTHERS),
        "alertmanager/token": (keys["alertmanager"], OTHERS),
        "grafana/token": (keys["grafana"], OTHERS),
        "grafana/password": (keys["password"], OTHERS),
        "grafana/webhook": (keys["webhook"], OTHERS),
    }


def bearer(token: str) -> str:
    """Return the line that the collectors' MLOBS_HEADERS_FILE wants."""
    return f"Authorization: Bearer {token}\n"


def write(file: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.chmod(mode)
    new.replace(file)


def shown(keys: dict[str, str]) -> str:
    """Return where to log in, and with what."""
    return f"""\
Grafana          http://127.0.0.1:3000   user admin, password {keys["password"]}
mlobs' pages     http://127.0.0.1:4319   token {keys["people"]}
OTLP             http://127.0.0.1:4318 (HTTP), http://127.0.0.1:4317 (gRPC):
  export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
  export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20{keys["sender"]}"
the commands of mlobs:
  export MLOBS_SERVER=http://127.0.0.1:4319 MLOBS_TOKEN={keys["people"]}
webhooks of alerts are signed with
  {keys["webhook"]}"""


def main(folder: Path, *, show: bool) -> None:
    """Make the keys; show them if asked."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "all").mkdir(mode=0o700, exist_ok=True)
    keys = made(folder / "all" / "keys.json")
    for name, (text, mode) in files(keys).items():
        file = folder / name
        file.parent.mkdir(mode=0o755, exist_ok=True)
        if not file.exists() or file.read_text() != text:
            write(file, text, mode)
    if show:
        sys.stdout.write(shown(keys) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), show="show" in sys.argv[2:])
