"""Programs and schemas out of public Go modules, fetched at test time and kept nowhere in the repository."""

import functools
import json
import os
import subprocess
from pathlib import Path

from tests.parts import require

COMPOSE = "github.com/compose-spec/compose-go/v2@v2.16.2"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.3"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
ENVIRONMENT = {**os.environ, "GOFLAGS": "", "GOWORK": "off"}


@functools.cache
def module(name: str) -> Path:
    """Return the folder of a module's files."""
    go = require("go")
    done = subprocess.run(
        [go, "mod", "download", "-json", name], capture_output=True, text=True, env=ENVIRONMENT, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])


def run(program: str, *words: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Compile and run a program such as github.com/a/b/cmd@v1.2.3."""
    return subprocess.run(
        [require("go"), "run", program, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **variables},
        cwd="/",
    )
