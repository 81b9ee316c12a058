"""A file of tokens: how it is read, what its tokens allow, and where one is needed."""

import base64
import os
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.errors import SettingError
from mlobs.server.access.guard import EVERYBODY, Guard
from mlobs.server.access.scopes import ADMIN, INGEST, READ, SCOPES, allows
from mlobs.server.access.tokens import digest, read_tokens, token_of
from mlobs.server.receive.refusals import RefusedError
from mlobs.server.serve import Server
from mlobs.settings import ServerSettings, load
from tests.processes import MLOBS
from tests.server.tokens import token_file


@given(
    st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: f"Basic {base64.b64encode(raw).decode()}")
)
def test_no_header_lets_anybody_in(authorization):
    """Nor raises anything but a refusal."""
    tokens = [token_of(f"read {'x' * 40}", "line 1")]
    with pytest.raises(RefusedError) as refused:
        Guard(tokens).admit(authorization, READ)
    assert refused.value.status == 401


def test_what_a_scope_allows():
    """An admin may read. Nobody sends but who may send."""
    assert {(held, needed) for held in SCOPES for needed in SCOPES if allows(frozenset({held}), needed)} == {
        (INGEST, INGEST),
        (READ, READ),
        (ADMIN, ADMIN),
        (ADMIN, READ),
    }
    assert Guard().admit("", ADMIN) is EVERYBODY


def test_a_file_of_tokens_is_read_and_only_sums_are_kept(tmp_path):
    """Comments, blanks, several scopes and a tenant."""
    text = f"# senders\n\n  ingest {'a' * 16} tenant=shop-1\nread,admin\t{'b' * 16}\n"
    one, other = read_tokens(token_file(tmp_path, text))
    assert (one.scopes, one.tenant, one.sum) == ({INGEST}, "shop-1", digest("a" * 16))
    assert (other.scopes, other.tenant) == ({READ, ADMIN}, "")
    assert "a" * 16 not in repr(one)
    caller = Guard([one]).admit(f"bearer  {'a' * 16}", INGEST)
    assert (caller.tenant, caller.scopes) == ("shop-1", {INGEST})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no token in it. A line is scope[,scope] TOKEN [tenant=NAME]."),
        ("# nothing\n", "has no token in it"),
        ("SECRETSECRETSECRET", "line 1: 1 words came; scope[,scope] TOKEN [tenant=NAME] was expected."),
        (
            "\nSECRETSECRETSECRET read",
            "line 2: the first word is no scope; ingest, read, admin or several are.",
        ),
        ("read,write SECRETSECRETSECRET", "line 1: the first word is no scope"),
        ("read SECRET", "the token has 6 characters, 16 or more were expected. Make one with: openssl rand"),
        ("read SECRETSECRETSECRET shop", "line 1: the third word is not tenant=NAME"),
        ("read SECRETSECRETSECRET tenant=a/b", "line 1: the third word is not tenant=NAME"),
        ("read SECRETSECRETSECRET tenant=a b", "line 1: 4 words came"),
        ("read SECRETSECRETSECRET\nadmin SECRETSECRETSECRET", "has the same token twice"),
    ],
)
def test_a_line_that_is_no_token_is_named_without_what_is_in_it(tmp_path, text, sentence):
    """A log is not where a secret belongs."""
    with pytest.raises(SettingError, match=re.escape(sentence)) as refused:
        read_tokens(token_file(tmp_path, text))
    assert "SECRET" not in str(refused.value)


def test_a_file_that_everybody_may_read_is_refused_with_what_to_do(tmp_path):
    """And one that nobody can."""
    path = token_file(tmp_path, f"read {'a' * 16}", 0o644)
    with pytest.raises(
        SettingError, match=rf"open to every user .* \(mode 644\)\. Close it: chmod 600 {path}"
    ):
        read_tokens(path)
    path.chmod(0o640)
    assert read_tokens(path)
    path.write_bytes(b"\xff")
    with pytest.raises(SettingError, match="is not UTF-8 text"):
        read_tokens(path)
    with pytest.raises(SettingError, match="cannot be read: No such file or directory"):
        read_tokens(tmp_path / "none")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_beyond_loopback_the_server_does_not_start_without_tokens(tmp_path, host):
    """The sentence says both ways out."""
    wanted = rf"MLOBS_HOST='{host}' cannot be used without tokens: .* name a file of tokens in MLOBS_TOKENS"
    with pytest.raises(SettingError, match=wanted):
        Server(load(ServerSettings, host=host, data=tmp_path)).start()


@pytest.mark.slow
def test_mlobs_up_says_in_one_sentence_why_it_does_not_start(tmp_path):
    """With the flag's status, before anything is made."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MLOBS_")}
    for arguments, sentence in (
        (["--host", "0.0.0.0"], "cannot be used without tokens"),
        (["--tokens", str(tmp_path / "none")], "The file of tokens"),
    ):
        command = [*MLOBS, "up", "--port", "0", "--data", str(tmp_path / "data"), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=150, env=environment, cwd=tmp_path
        )
        assert done.returncode == 2
        assert sentence in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
