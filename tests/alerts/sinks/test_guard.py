"""How far sinks reach: judged addresses, resolved once and pinned."""

import contextlib
import socket
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.sinks import building
from mlobs.alerts.sinks import posting as module
from mlobs.alerts.sinks.dialing import trust
from mlobs.alerts.sinks.guard import Guard, entry
from mlobs.alerts.sinks.posting import Post
from mlobs.errors import SettingError
from tests.alerts.listening import listening
from tests.alerts.sink import webhook
from tests.certificates import signed

NOW_S = 1_700_000_000.0
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::",
    "::127.0.0.1", "64:ff9b:1::a9fe:a9fe", "::ffff:0:7f00:1", "fec0::1", "fd20:ce::254",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700::6810:84e5", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def post(url, *, allow=("127.0.0.0/8",), ca=None, addresses=None):
    resolved = {} if addresses is None else {"resolve": lambda *_: next(addresses)}
    return Post(url, Guard(allow), trust(ca, "The sink 'x'"), **resolved)


@pytest.mark.parametrize("ip", PRIVATE)
def test_addresses_that_only_we_can_reach_are_refused(ip):
    """In every spelling that leads there."""
    assert Guard().refusal("hooks.example.org", ip) is not None


@pytest.mark.parametrize("ip", PUBLIC)
def test_addresses_of_the_internet_are_not(ip):
    """Slack is there."""
    assert Guard().refusal("hooks.example.org", ip) is None


def test_a_listed_network_may_be_reached_and_no_other():
    """Also where an IPv6 address leads into it."""
    guard = Guard(["10.0.0.0/8", "fd12::/16"])
    assert guard.refusal("x", "10.1.1.1") is guard.refusal("x", "::ffff:10.1.1.1") is None
    assert guard.refusal("x", "fd12::1") is None
    assert guard.refusal("x", "192.168.0.1") is not None


def test_a_listed_host_may_be_private_but_never_where_clouds_keep_credentials():
    """A name is only as good as who answers for it in DNS."""
    guard = Guard(["Hooks.Internal."])
    assert guard.refusal("hooks.internal", "10.0.0.1") is None
    assert guard.refusal("other.internal", "10.0.0.1") is not None
    for ip in (
        "169.254.169.254",
        "fd00:ec2::254",
        "168.63.129.16",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "fd20:ce::254",
    ):
        assert guard.refusal("hooks.internal", ip) is not None
    assert Guard(["169.254.169.254"]).refusal("x", "169.254.169.254") is None


@given(ip=st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_in_its_ipv6_spellings(ip):
    """Else one of them is the way around."""
    verdicts = {Guard().refusal("x", spelled) is None for spelled in (str(ip), f"::ffff:{ip}")}
    assert len(verdicts) == 1
    if verdicts == {False}:
        assert Guard().refusal("x", f"64:ff9b::{ip}") is not None


@pytest.mark.parametrize("wrong", ["", "10.0.0.0/99", "http://x", "a b"])
def test_what_is_neither_host_nor_network_is_refused(wrong):
    """A typo in an allow list must not quietly allow nothing."""
    with pytest.raises(ValueError, match="a host such as"):
        entry(wrong)


def test_an_address_that_would_always_be_refused_is_said_at_the_start(monkeypatch):
    """Not at three in the morning."""
    monkeypatch.setenv("SECRET", "s" * 16)
    config = building.WebhookConfig.model_validate(
        {"type": "webhook", "url": "http://169.254.169.254/", "secret": {"env": "SECRET"}}
    )
    with pytest.raises(SettingError, match=r"The sink 'x': 169.254.169.254 is a link.*MLOBS_ALERT_ALLOW"):
        building.build("x", config)


def test_the_webhook_of_the_environment_may_be_on_this_machine_and_not_at_a_metadata_address():
    """It is the one address that nobody but who starts the process can write."""
    with webhook() as sink:
        answer = building.webhook(sink.url, "secret").send("id", b"{}", now_s=NOW_S)
        assert answer.outcome == "delivered"
    for url in ("http://169.254.169.254/", "http://[fe80::1]/"):
        with pytest.raises(SettingError, match="MLOBS_ALERT_WEBHOOK_URL"):
            building.webhook(url, "secret")


def test_a_name_of_the_environment_that_leads_inside_is_refused():
    """Its DNS belongs to somebody else."""
    made = building.webhook("http://hooks.example.org/x", "s", resolve=lambda *_: ["10.0.0.7"])
    answer = made.send("id", b"{}", now_s=NOW_S)
    assert answer.outcome == "failed"
    assert "hooks.example.org is at 10.0.0.7, a private address" in answer.text


def test_a_name_that_changes_its_address_is_judged_and_connected_once():
    """DNS rebinding: public when it is judged, ours when it is connected."""
    with webhook() as sink:
        port = sink.url.split(":")[2].split("/")[0]
        asked = iter([["93.184.215.14", "127.0.0.1"], ["127.0.0.1"]])
        made = post(f"http://rebind.example.org:{port}/", allow=(), addresses=asked)
        answers = [made.send(b"{}", {}, now_s=NOW_S) for _ in range(2)]
    assert sink.arrived == []
    assert all("127.0.0.1, an address of this machine" in answer.text for answer in answers)


def test_the_connection_is_to_the_address_that_was_judged_under_the_name_that_was_meant():
    """Nobody resolves the name a second time; the server still sees it."""
    with webhook() as sink:
        port = sink.url.split(":")[2].split("/")[0]
        asked = iter([["127.0.0.1"]])  # a second question would raise
        made = post(f"http://hooks.example.org:{port}/a?b=c", addresses=asked)
        assert made.send(b"{}", {}, now_s=NOW_S).outcome == "delivered"
    assert sink.arrived[0].headers["host"] == f"hooks.example.org:{port}"


def test_a_redirect_into_our_network_is_not_followed():
    """The public sink may be a stranger's."""
    with webhook() as inside, webhook() as sink:
        sink.answers = [(307, {"Location": inside.url})]
        answer = post(sink.url).send(b"{}", {}, now_s=NOW_S)
    assert (answer.outcome, len(inside.arrived)) == ("dead", 0)


def test_a_sink_at_an_ipv6_address_is_reached_and_named_with_brackets():
    """In its Host header, too."""
    with webhook_at_ipv6() as (port, hosts):
        made = post(f"http://[::1]:{port}/x", allow=("::1",))
        answer = made.send(b"{}", {}, now_s=NOW_S)
    assert (answer.outcome, made.address, hosts) == (
        "delivered",
        f"http://[::1]:{port}",
        [f"[::1]:{port}"],
    )
    assert "an address of this machine" in post("http://[::1]:1/").send(b"", {}, now_s=NOW_S).text


@contextmanager
def webhook_at_ipv6():
    hosts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            hosts.append(self.headers["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    try:
        server = Server(("::1", 0), Handler)
    except OSError:
        pytest.skip("::1 cannot be listened on; enable with: sudo sysctl -w net.ipv6.conf.lo.disable_ipv6=0")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], hosts
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("behave", ["nothing", "bytes"])
def test_a_success_whose_body_never_ends_is_a_receipt(monkeypatch, behave):
    """The status is known; to send it again would page twice."""
    monkeypatch.setattr(module, "BODY_SECONDS_MAX", 0.2)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def talk():
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"o" * (behave == "bytes"))
        over.wait(30)
        connection.close()

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    made = Post(url, Guard(["127.0.0.0/8"]), trust(None, "x"), doubt=lambda *_: None)
    try:
        assert made.send(b"{}", {}, now_s=NOW_S).outcome == "delivered"
    finally:
        over.set()
        thread.join(30)
        listener.close()


@pytest.mark.slow
def test_where_ipv6_leads_nowhere_a_sink_is_reached_by_ipv4():
    """However many addresses of the one it has before the other."""
    with webhook() as sink:
        port = sink.url.split(":")[2].split("/")[0]
        addresses = [f"100::{n}" for n in range(1, 9)] + ["127.0.0.1"]
        made = post(
            f"http://hooks.example.org:{port}/",
            allow=("100::/64", "127.0.0.0/8"),
            addresses=iter([addresses]),
        )
        assert made.send(b"{}", {}, now_s=NOW_S).outcome == "delivered"


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    """A proxy would resolve the name once more."""
    with webhook() as proxy, webhook() as sink:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert post(sink.url).send(b"{}", {}, now_s=NOW_S).outcome == "delivered"
    assert (len(proxy.arrived), len(sink.arrived)) == (0, 1)


@contextmanager
def encrypted(chain, key):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with listening(Handler, context) as port:
        yield port


def test_a_certificate_is_checked_against_the_name_and_not_the_pinned_address(tmp_path):
    """Pinning must not switch TLS off."""
    made = signed(tmp_path, "hooks.example.org")
    chain, key = made.chain, made.key
    with encrypted(chain, key) as port:

        def send(host, ca):
            made = post(f"https://{host}:{port}/", ca=ca, addresses=iter([["127.0.0.1"]]))
            return made.send(b"{}", {}, now_s=NOW_S)

        assert send("hooks.example.org", chain).outcome == "delivered"
        wrong_name, unknown = send("other.example.org", chain), send("hooks.example.org", None)
    for answer in (wrong_name, unknown):
        assert answer.outcome == "failed"
        assert "the certificate is not believed" in answer.text


def drip(connection, done):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not done.wait(0.05):
        connection.sendall(b"x")


def silent(_, done):
    done.wait()


def close(connection, _):
    connection.close()


def nonsense(connection, _):
    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n" * 3)


def endless(connection, done):
    connection.sendall(b"HTTP/1.1 500 no\r\n\r\n")
    while not done.is_set():
        connection.sendall(b"y" * 65536)


@pytest.mark.parametrize("behave", [drip, silent, close, nonsense, endless])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_stranger_on_the_other_side_can_only_fail(monkeypatch, behave, scheme):
    """Slow, silent, rude or endless: the attempt ends, and may be repeated."""
    monkeypatch.setattr(module, "SECONDS_MAX", 0.5)
    done = threading.Event()

    def serve(server):
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):  # the sink hung up, which is what is wanted
            behave(connection, done)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        answer = post(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/").send(b"{}", {}, now_s=NOW_S)
        done.set()
        thread.join(5)
    assert answer.outcome == "failed"
    assert not thread.is_alive()
    assert "127.0.0.1" not in answer.text


def test_nobody_listening_and_no_such_name_are_said():
    """And may pass."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refused = post(f"http://127.0.0.1:{taken.getsockname()[1]}/").send(b"", {}, now_s=NOW_S)
    assert (refused.outcome, refused.text) == ("failed", "no answer: nobody listens there")
    unknown = post("http://no-such-host.invalid/").send(b"", {}, now_s=NOW_S)
    assert (unknown.outcome, unknown.text) == ("failed", "no answer: the host's name cannot be resolved")
