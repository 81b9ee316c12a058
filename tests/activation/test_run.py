"""`mlobs run`: any program, no code changed, and nothing else about it changed either."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from mlobs.cli.run import BOOTSTRAP, guessed, prepared, resolve
from mlobs.errors import SettingError
from tests.activation.conftest import environment
from tests.processes import free_port, process
from tests.sink import Sink

OPENAI = """
import openai

def ask():
    asked = [{"role": "user", "content": "PROMPT-SECRET"}]
    return openai.OpenAI().chat.completions.create(model="gpt-x", messages=asked).choices[0].message.content
"""

Started = subprocess.CompletedProcess[str]


@pytest.fixture
def start(tmp_path: Path, sink: Sink, provider_url: str) -> Callable[..., Started]:
    """Run `mlobs run` with arguments, in a folder that holds the files given by name."""

    def start(*arguments: str, variables: dict[str, str] | None = None, **files: str) -> Started:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        bin_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "mlobs", "run", *arguments],
            cwd=tmp_path,
            env=environment(sink, provider_url, PATH=bin_first, **(variables or {})),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start


def test_a_script_a_module_and_a_command_are_told_apart(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("")
    assert resolve(["app.py", "-x"]) == [sys.executable, "app.py", "-x"]
    assert resolve(["-m", "package", "-x"]) == [sys.executable, "-m", "package", "-x"]
    assert resolve(["sh", "-c", "true"])[1:] == ["-c", "true"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "a program was expected"),
        (["-m"], "a program was expected"),
        (["no-such-program"], "no such program was found on PATH"),
        (["missing.py"], "missing.py does not exist"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(given: list[str], sentence: str):
    with pytest.raises(SettingError, match=sentence):
        resolve(given)


@pytest.mark.slow
def test_what_the_system_cannot_start_is_said_in_a_sentence(tmp_path: Path, start: Callable[..., Started]):
    """A script without a first line for its interpreter, or with one that is not there."""
    for name, text in (("bare", "echo hi\n"), ("odd", "#!/no/such/interpreter\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
        done = start(f"./{name}")
        assert done.returncode == 2
        assert done.stderr.startswith(f"mlobs: mlobs run ./{name}: the system cannot start it (")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_working_directory_stays_on_the_path(tmp_path: Path, start: Callable[..., Started]):
    """An empty entry of PYTHONPATH means it; an empty variable means nothing."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "program.py").write_text("import beside; print(beside.__name__)")
    for path, found in ((f"{os.pathsep}/nowhere", True), ("", False)):
        done = start("below/program.py", variables={"PYTHONPATH": path}, beside="")
        assert (done.returncode == 0, done.stdout == "beside\n") == (found, found)


def test_the_environment_keeps_what_was_there():
    before = {
        "PYTHONPATH": os.pathsep.join(["/a", str(BOOTSTRAP), "/b"]),
        "OTEL_SERVICE_NAME": "mine",
        "X": "1",
    }
    after = prepared(before, service="guess")
    assert after["PYTHONPATH"].split(os.pathsep) == [str(BOOTSTRAP), "/a", "/b"]
    assert (after["OTEL_SERVICE_NAME"], after["X"], after["MLOBS_AUTO"]) == ("mine", "1", "true")
    assert prepared({}, service="guess")["OTEL_SERVICE_NAME"] == "guess"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/v/python", "-W", "error", "-u", "app.py", "x.py"], "app"),
        (["/v/python3.12", "-c", "pass"], None),
        (["/v/gunicorn", "app:app"], "gunicorn"),
    ],
)
def test_a_program_is_called_after_what_it_runs(command: list[str], name: str | None):
    assert guessed(command) == name


def test_exit_status_arguments_and_output_are_the_programs(start: Callable[..., Started], sink: Sink):
    """A program without anything to watch is not slowed by an import of ours, and says nothing of ours."""
    done = start(
        "app.py",
        "--service",
        "a b",
        app="""
import sys
print(sys.argv, [m for m in sys.modules if m.startswith(("opentelemetry", "pydantic", "openai"))])
sys.exit(7)
""",
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "['app.py', '--service', 'a b'] []\n", "")
    assert sink.bodies == []


def test_another_sitecustomize_is_run_as_if_ours_were_not_there(
    start: Callable[..., Started], tmp_path: Path
):
    """Coverage and company machines have one, and Python imports only the first it finds."""
    done = start(
        "-m",
        "app",
        variables={"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])},
        sitecustomize="import sys; sys.theirs = __file__",
        app="import sys, sitecustomize; print(sys.theirs == sitecustomize.__file__)",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_python_without_mlobs_runs_the_program_and_says_so(tmp_path: Path):
    """`mlobs run python app.py` may find a Python of another environment."""
    alone = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); os.environ['MLOBS_RUN'] = str(os.getpid()); "
        "import sitecustomize; print('ran')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", alone, str(BOOTSTRAP)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "ran\n", done.stderr
    assert "cannot import mlobs" in done.stderr
    assert "Install mlobs for that Python" in done.stderr


@pytest.mark.slow
def test_a_program_that_does_not_know_of_mlobs_sends_its_model_calls(
    start: Callable[..., Started], sink: Sink
):
    done = start("--service", "shop", "python", "app.py", app=OPENAI + "print(ask())")
    assert done.returncode == 0, done.stderr
    assert "sunny" in done.stdout
    [span] = sink.named("chat gpt-x")
    assert span.resource["service.name"] == "shop"
    assert span.attributes["gen_ai.usage.input_tokens"] == 20
    assert "SECRET" not in repr(sink.bodies)


@pytest.mark.slow
@pytest.mark.parametrize(("content", "kept"), [("redacted,tool=full", False), ("off,llm=full", True)])
def test_content_is_said_for_each_kind_of_call(
    start: Callable[..., Started], sink: Sink, content: str, kept: bool
):
    """As `mlobs.init` takes it; instrumentations cannot redact, so what is not full is off for them."""
    done = start("app.py", app=OPENAI + "ask()", variables={"MLOBS_CONTENT": content})
    assert (done.returncode, done.stderr) == (0, "")
    sink.named("chat gpt-x")
    assert ("SECRET" in repr(sink.bodies)) is kept


@pytest.mark.slow
def test_a_setting_that_cannot_be_used_is_said_in_sentences(start: Callable[..., Started], sink: Sink):
    done = start("app.py", app=OPENAI + "print(ask())", variables={"MLOBS_CONTENT": "redacted,tol=full"})
    assert done.returncode == 0
    assert "sunny" in done.stdout
    assert "MLOBS_CONTENT='redacted,tol=full' cannot be used" in done.stderr
    assert "did you mean 'tool'?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_processes_that_the_program_starts_have_it_too(start: Callable[..., Started], sink: Sink):
    done = start(
        "app.py",
        app="import subprocess, sys; sys.exit(subprocess.call([sys.executable, 'worker.py']))",
        worker=OPENAI + "ask()",
    )
    assert done.returncode == 0, done.stderr
    sink.named("chat gpt-x")


@pytest.mark.slow
@pytest.mark.parametrize("order", ["before its imports", "after its imports"])
def test_a_program_that_calls_init_itself_is_listened_to(
    start: Callable[..., Started], sink: Sink, order: str
):
    """Its arguments win over what `mlobs run` would have done."""
    init = "import mlobs; mlobs.init('its-own-name')\n"
    code = init + OPENAI if order.startswith("before") else OPENAI + init
    done = start("app.py", app=code + "mlobs.agent(ask)()")
    assert done.returncode == 0, done.stderr
    [span] = sink.named("chat gpt-x")
    [agent] = sink.named("invoke_agent ask")
    assert span.parent_id == agent.span_id
    assert span.resource["service.name"] == agent.resource["service.name"] == "its-own-name"


def test_a_program_with_decorators_alone_is_switched_on_by_its_first_call(
    start: Callable[..., Started], sink: Sink
):
    """Also where its first calls come from several threads at once."""
    done = start(
        "app.py",
        app="""
import threading
import mlobs

@mlobs.step
def work():
    pass

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sink.named("step work", count=8)[0].resource["service.name"] == "app"


@pytest.mark.slow
def test_a_program_with_a_provider_of_its_own_keeps_it(start: Callable[..., Started], sink: Sink):
    """Nothing is replaced: its provider is set after the imports, and gets the model's spans."""
    done = start(
        "app.py",
        app=OPENAI
        + """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(provider)
ask()
""",
    )
    assert done.returncode == 0, done.stderr
    assert '"name": "chat gpt-x"' in done.stdout
    assert "Overriding" not in done.stderr
    assert sink.spans() == []


@pytest.mark.slow
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_web_servers_serve_and_end_as_they_do_alone(
    tmp_path: Path, sink: Sink, provider_url: str, server: str
):
    """Gunicorn forks its workers after reading the program's environment; both must end on SIGTERM."""
    (tmp_path / "app.py").write_text(
        OPENAI
        + """
import asyncio

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.to_thread(ask)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

def wsgi(environ, start_response):
    ask()
    start_response("200 OK", [])
    return [b"ok"]
"""
    )
    port = free_port()
    command = {
        "uvicorn": ["uvicorn", "--port", str(port), "app:asgi"],
        "gunicorn": ["gunicorn", "--workers", "2", "--preload", "--bind", f"127.0.0.1:{port}", "app:wsgi"],
    }[server]
    bin_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = environment(sink, provider_url, PATH=bin_first)
    log = tmp_path / "log"
    run = [sys.executable, "-m", "mlobs", "run", *command]
    with process(*run, log=log, cwd=tmp_path, env=variables) as started:
        until = time.monotonic() + 150
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        # Asked once, however long it takes: each question is a span.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=150) as answer:
            assert answer.read() == b"ok"
        assert sink.named("chat gpt-x")[0].resource["service.name"] == server
        started.send_signal(signal.SIGTERM)
        until = time.monotonic() + 60
        while started.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert started.returncode in {0, -signal.SIGTERM}, log.read_text()
    assert "mlobs failed" not in log.read_text()
