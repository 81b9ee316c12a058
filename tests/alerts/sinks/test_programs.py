"""Commands and functions: what a message may start."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from mlobs.alerts.sinks import SinkConfig, build
from mlobs.alerts.sinks import command as module
from mlobs.errors import SettingError
from tests.alerts.sinks.messages import DELIVERY, NASTY, NOW_S, body

calls = []


def remember(message):
    calls.append(message)


def fail(_):
    raise SystemExit("no <b>more</b>")


def hang(_):
    time.sleep(1.0)


not_a_function = 3


def sink(**config):
    return build("robot", TypeAdapter(SinkConfig).validate_python(config))


def python(script, **given):
    return sink(type="command", argv=[sys.executable, "-c", script], **given)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and that nobody waits for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(*pids: int) -> None:
    """Return once none of them runs: a signal takes its time."""
    until = time.monotonic() + 10
    while any(map(alive, pids)):
        assert time.monotonic() < until, "it still runs"
        time.sleep(0.01)


def test_a_full_disk_or_no_more_threads_may_pass(monkeypatch):
    """Neither is the message's own fault, and no program is left behind."""
    echo = python("import time; time.sleep(60)")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.tempfile, "TemporaryFile", full)
        answer = echo.send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == "failed"
    assert answer.text.endswith("cannot be started: No space left on device")

    started = []
    popen = module.subprocess.Popen

    def remembered(*given, **named):
        started.append(popen(*given, **named))
        return started[-1]

    def no_more(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(module.subprocess, "Popen", remembered)
        patch.setattr(module.threading.Thread, "start", no_more)
        answer = echo.send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == "failed"
    assert "no more threads" in answer.text
    gone(started[0].pid)


def test_a_program_gets_the_message_on_standard_input(tmp_path):
    """And the delivery's id, by which it knows what it has done already."""
    to = tmp_path / "got.json"
    script = (
        "import os, sys, json; got = [os.environ['MLOBS_DELIVERY'], json.load(sys.stdin)]; "
        f"json.dump(got, open({str(to)!r}, 'w')); print('rolled back')"
    )
    answer = python(script).send(DELIVERY, body(), now_s=NOW_S)
    assert (answer.outcome, answer.text) == ("delivered", "exit 0: rolled back")
    delivery, message = json.loads(to.read_text())
    assert (delivery, message["rule"]) == (DELIVERY, "MlobsErrorRatioHigh")


def test_nothing_of_a_message_becomes_a_command_line(tmp_path):
    """No shell: what looks like one is a word."""
    argv = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "$(touch x)", "; ls", "${rule}"]
    made = sink(type="command", argv=argv, folder=tmp_path)
    answer = made.send(DELIVERY, body(labels={"x": NASTY}), now_s=NOW_S)
    assert "['$(touch x)', '; ls', '${rule}']" in answer.text
    assert list(tmp_path.iterdir()) == []


def test_our_secrets_are_not_in_its_environment(monkeypatch):
    """It gets what is listed for it."""
    monkeypatch.setenv("MLOBS_ALERT_WEBHOOK_SECRET", "s3cret")
    monkeypatch.setenv("DEPLOY_TOKEN", "t0ken")
    script = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"
    answer = python(script, env={"TOKEN": {"env": "DEPLOY_TOKEN"}}).send(DELIVERY, body(), now_s=NOW_S)
    named = {name for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    assert answer.text == f"exit 0: {sorted(named | {'TOKEN', 'MLOBS_DELIVERY'})}"


@pytest.mark.parametrize(
    ("script", "outcome", "text"),
    [
        ("raise SystemExit(1)", "failed", "exit 1"),
        ("raise SystemExit(75)", "failed", "exit 75"),
        ("raise SystemExit(65)", "dead", "exit 65"),
        ("import os; os.kill(os.getpid(), 9)", "failed", "ended by signal 9"),
    ],
)
def test_how_it_ends_says_whether_to_try_again(script, outcome, text):
    """65 is EX_DATAERR: it will not like the message any better."""
    answer = python(script).send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == outcome
    assert text in answer.text


@pytest.mark.slow
def test_after_its_time_it_and_all_it_started_are_killed(tmp_path, monkeypatch):
    """Also what does not listen to SIGTERM."""
    monkeypatch.setattr(module, "MERCY_SECONDS", 0.2)
    pids = tmp_path / "pids"
    script = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); child = os.fork();"
        f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    )
    answer = python(script, timeout_s=1.0).send(DELIVERY, body(), now_s=NOW_S)
    assert (answer.outcome, answer.text) == ("failed", "killed after 1 s")
    started = [int(one) for one in pids.read_text().split()]
    assert len(started) == 2
    gone(*started)


def test_what_it_leaves_running_is_killed_and_does_not_hold_up_the_next(tmp_path):
    """A child that keeps the output open would otherwise be waited for."""
    pid = tmp_path / "pid"
    script = (
        "import os, time\nif os.fork() == 0:\n  "
        f"open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)\n"
        f"while not os.path.exists({str(pid)!r}) or not open({str(pid)!r}).read(): time.sleep(0.01)"
    )
    answer = python(script).send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == "delivered"
    gone(int(pid.read_text()))


def test_of_much_output_the_end_is_kept():
    """Where the error is."""
    answer = python("print('x' * 5_000_000); print('the end')").send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == "delivered"
    assert len(answer.text) <= 500
    assert answer.text.endswith("the end")


def test_a_program_that_is_not_there_is_said_at_the_start(tmp_path):
    """With its name."""
    with pytest.raises(SettingError, match=r"The sink 'robot': argv\[0\]='no-such-program' is no program"):
        sink(type="command", argv=["no-such-program"])
    with pytest.raises(SettingError, match="folder="):
        python("", folder=tmp_path / "gone")


def test_a_program_that_is_removed_later_is_a_failure_that_may_pass(tmp_path):
    """It may be back after the next deployment."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    made = sink(type="command", argv=[str(program)])
    program.unlink()
    answer = made.send(DELIVERY, body(), now_s=NOW_S)
    assert (answer.outcome, answer.text) == ("failed", "program cannot be started: No such file or directory")


def test_a_function_is_called_with_the_message():
    """And the delivery's id."""
    calls.clear()
    made = sink(type="callable", function=f"{__name__}:remember")
    assert made.send(DELIVERY, body(), now_s=NOW_S).outcome == "delivered"
    (message,) = calls
    assert (message["delivery"], message["rule"]) == (DELIVERY, "MlobsErrorRatioHigh")


def test_a_function_that_raises_may_do_better_next_time():
    """Even with SystemExit, which must not end our thread."""
    answer = sink(type="callable", function=f"{__name__}:fail").send(DELIVERY, body(), now_s=NOW_S)
    assert (answer.outcome, answer.text) == ("failed", "it raised SystemExit: no <b>more</b>")


def test_of_functions_that_hang_there_is_at_most_one():
    """Python cannot end a thread, but it need not start another."""
    made = sink(type="callable", function=f"{__name__}:hang", timeout_s=0.05)
    first, second = (made.send(DELIVERY, body(), now_s=NOW_S).text for _ in range(2))
    assert first == "no answer within 0.05 s"
    assert second == "not called: the call before has not ended"


@pytest.mark.parametrize("path", ["no_such_module:x", f"{__name__}:nobody", f"{__name__}:not_a_function"])
def test_a_function_that_cannot_be_called_is_said_at_the_start(path):
    """Not when the first alert fires."""
    with pytest.raises(SettingError, match=path):
        sink(type="callable", function=path)
