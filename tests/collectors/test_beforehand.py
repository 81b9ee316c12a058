"""What `mlobs collector run` tries before it starts the collector, against servers of every sort."""

import socket

import pytest

from mlobs.cli.collector.beforehand import absences, check_ports, tokens
from mlobs.cli.collector.destinations import destinations
from mlobs.cli.collector.reading import Source, read
from mlobs.cli.collector.watching import ask_all
from mlobs.errors import SettingError
from tests.collectors.configured import answering, configured, saying, settings
from tests.processes import free_port


def said(files, **environment):
    """Return what is said of whoever is sent to, but not that all is well."""
    configured = settings(files, **environment)
    lines = absences(configured)
    ask_all(destinations(configured), lines.append)
    return [line for line in lines if not line.endswith((" answers.", " and takes the token."))]


@pytest.mark.parametrize("what", [b"\0\0\x12\4\0\0\0\0\0\0\0\0\0", b"", b"SSH-2.0-x\r\n"])
def test_what_speaks_no_http_is_a_doubt_about_the_port(what):
    """A gRPC port answers with a frame."""
    with saying(what) as url:
        assert said(configured(f"endpoint: '{url}'")) == [
            f"What answers at {url} is no OTLP over HTTP; is it the gRPC port?"
        ]


def test_a_token_is_not_carried_to_where_a_redirect_leads():
    """The other host would have it."""
    with answering(200) as (other, seen), answering(302, location=f"{other}/v1/traces") as (url, _):
        [doubt] = said(configured(f"endpoint: '{url}', headers: {{Authorization: Bearer secret}}"))
        assert seen == []
    assert doubt.startswith(f"{url} leads elsewhere (302)")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "waits in memory until somebody does, 5m at most."),
        (", retry_on_failure: {max_elapsed_time: 0s}", "waits in memory until somebody does."),
        (
            ", sending_queue: {storage: file_storage}, retry_on_failure: {max_elapsed_time: 0}",
            "waits on disk until somebody does.",
        ),
        (", sending_queue: {enabled: false}", "is refused until somebody does."),
        (", retry_on_failure: {enabled: false}", "is dropped until somebody does."),
    ],
)
def test_where_nobody_answers_it_is_said_what_becomes_of_what_comes(more, told):
    """Only a queue with a storage is on disk."""
    url = f"http://127.0.0.1:{free_port()}"
    assert said(configured(f"endpoint: '{url}'{more}")) == [f"Nobody answers at {url} yet; what comes {told}"]


def test_of_tls_that_only_the_collector_can_speak_nothing_is_said():
    """It may have the certificates for it."""
    with saying(b"no TLS\r\n") as url:
        tls = "tls: {ca_pem: '...'}"
        assert said(configured(f"endpoint: '{url.replace('http', 'https')}', {tls}")) == []


def test_users_passwords_and_queries_of_an_endpoint_are_not_told():
    """The lines go into logs."""
    with answering(401) as (url, seen):
        [doubt] = said(configured(f"endpoint: '{url.replace('//', '//me:secret@')}/?password=secret'"))
    assert doubt.startswith(f"{url}/ refuses")
    assert "secret" not in doubt
    assert seen[0]["Authorization"] == "Basic bWU6c2VjcmV0"  # As the collector says it.


@pytest.mark.parametrize(
    ("exporter", "extension"),
    [
        ("headers: {Authorization: Bearer good}", "token: none"),
        ("headers: {Authorization: '${env:MINE}'}", "token: none"),
        ("headers: [{name: Authorization, value: Bearer good}]", "token: none"),
        ("headers: '${file:FOLDER/headers}'", "token: none"),
        ("auth: {authenticator: bearertokenauth}", "token: good"),
        ("auth: {authenticator: bearertokenauth}", "tokens: [good, other]"),
        ("auth: {authenticator: bearertokenauth}", "filename: FOLDER/token"),
    ],
)
def test_a_token_is_sent_as_the_collector_sends_it(tmp_path, exporter, extension):
    """From a map, a list, a variable or a file, which is YAML with comments."""
    (tmp_path / "headers").write_text('# ours\nAuthorization: "Bearer good" # until May\n')
    (tmp_path / "token").write_text("good the new one\nold\n")
    with answering(401, wanted="Bearer good") as (url, seen):
        files = configured(
            f"endpoint: '{url}', {exporter}".replace("FOLDER", str(tmp_path)),
            extension.replace("FOLDER", str(tmp_path)),
        )
        assert said(files, MINE="Bearer good") == []
        assert len(seen) == 1


def test_the_header_and_the_scheme_of_the_extension_are_honoured():
    """Some servers want a key in a header of their own."""
    with answering(401, wanted="good", header="X-Key") as (url, _):
        files = configured(
            f"endpoint: '{url}', auth: {{authenticator: bearertokenauth}}",
            "token: good, header: X-Key, scheme: ''",
        )
        assert said(files) == []


@pytest.mark.parametrize(
    "exporter",
    ["headers: {Authorization: '${file:/dev/null}'}", "auth: {authenticator: basicauth}"],
)
def test_where_the_headers_are_not_known_nobody_is_asked(exporter):
    """A refusal would say nothing of the collector."""
    with answering(401) as (url, seen):
        assert said(configured(f"endpoint: '{url}', {exporter}")) == []
        assert seen == []


def test_a_refusal_names_the_variable_only_where_the_configuration_reads_it(tmp_path):
    """Otherwise the file that it reads, or the exporter."""
    (tmp_path / "token").write_text("old")
    auth = "auth: {authenticator: bearertokenauth}"
    with answering(401) as (url, _):
        [bare] = said(configured(f"endpoint: '{url}'"))
        [own] = said(configured(f"endpoint: '{url}', {auth}", f"filename: {tmp_path}/token"))
        [ours] = said(
            configured(f"endpoint: '{url}', {auth}", "filename: '${env:MLOBS_TOKEN_FILE}'"),
            MLOBS_TOKEN_FILE=str(tmp_path / "token"),
        )
    assert bare.endswith("Give the exporter a token that it takes for sending.")
    assert f"into {tmp_path}/token; the collector reads that again" in own
    assert "the file that $MLOBS_TOKEN_FILE names" in ours


def test_two_exporters_to_one_place_with_different_tokens_are_asked_each():
    """One may be refused."""
    with answering(401, wanted="good") as (url, seen):
        [source] = configured(f"endpoint: '{url}', headers: {{Authorization: good}}")
        more = f"exporters: {{otlp_http/b: {{endpoint: '{url}', headers: {{Authorization: bad}}}}}}\n"
        more += "service: {pipelines: {logs: {receivers: [otlp], exporters: [otlp_http/b]}}}\n"
        [doubt] = said([source, Source("more.yaml", more)])
    assert "refuses the token it was given (401)" in doubt
    assert [one["Authorization"] for one in seen] == ["good", "bad"]


def test_a_token_file_that_is_not_there_yet_is_a_doubt_and_a_file_of_headers_a_refusal(tmp_path):
    """The collector starts without the first, and not without the second."""
    url = f"http://127.0.0.1:{free_port()}"
    absent = tmp_path / "absent"
    auth = "auth: {authenticator: bearertokenauth}"
    files = configured(f"endpoint: '{url}', {auth}", f"filename: '{absent}'")
    [doubt] = said(files)
    assert doubt.startswith(f"The token file {absent} is not there yet (no such file or directory); what is")
    assert tokens(settings(files)) == {"otlp_http": f"the token in {absent}"}
    with pytest.raises(SettingError, match="takes its headers from it"):
        said(configured(f"endpoint: '{url}', headers: '${{file:{absent}}}'"))


def test_a_token_file_for_senders_that_is_not_there_is_a_doubt(tmp_path):
    """The collector starts all the same, and refuses everybody."""
    files = configured(extension=f"filename: '{tmp_path}/absent'")
    [doubt] = absences(settings(files))
    assert doubt.startswith(f"The file {tmp_path}/absent with the token that senders are to show cannot be")
    assert doubt.endswith("and whoever sends is refused. Write it and start the collector again.")
    (tmp_path / "absent").write_text("token")
    assert absences(settings(files)) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "a..b"])
def test_a_port_that_is_none_is_refused_and_a_host_that_is_none_is_the_collector_s(host):
    """Without a traceback."""
    files = configured(protocols=f"http: {{endpoint: '{host}:70000'}}")
    with pytest.raises(
        SettingError, match=r"is no port: the last one is 65535\. Set receivers.otlp.protocols"
    ):
        check_ports(files, read(files, {}))
    files = configured(protocols=f"http: {{endpoint: '{host}:{free_port()}'}}")
    assert check_ports(files, read(files, {})) == []


def test_a_port_this_user_may_not_open_is_a_doubt(monkeypatch):
    """The collector's binary may have the capability; root may open all."""

    def bind(_socket, _address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind, raising=False)
    files = configured(protocols="http: {endpoint: '127.0.0.1:443'}")
    [doubt] = check_ports(files, read(files, {}))
    assert "is a port that this user may not open. If the collector may not either, set receivers." in doubt


@pytest.mark.parametrize(
    ("protocols", "variable"),
    [
        ("http: '${env:WHOLE}'", "WHOLE"),
        ("http: {endpoint: '${env:HOST:-127.0.0.1}:${env:PORT}'}", "PORT"),
        ("http: {endpoint: '${env:PLACE}'}", "PLACE"),
    ],
)
def test_the_variable_of_a_port_that_is_taken_is_named(protocols, variable):
    """Though a whole map comes from it."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        place = f"127.0.0.1:{held.getsockname()[1]}"
        files = configured(protocols=protocols)
        given = {"WHOLE": f"{{endpoint: '{place}'}}", "PLACE": place, "PORT": place.partition(":")[2]}
        with pytest.raises(SettingError, match=rf"Stop what has it, or set \${variable} to another\.$"):
            check_ports(files, read(files, given))
