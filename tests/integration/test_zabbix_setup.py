# SPDX-License-Identifier: MIT
"""hookspool-zabbix-setup against a made-up API: where it sends a secret and where not,
and what it says of answers that are none. The real Zabbix is in test_zabbix_media.py."""

import re

import pytest

import programs
from certificates import Authority
from fakeapi import TOKEN, Api
from receiver import tls_context

SCRIPT = programs.SOURCE / "contrib" / "zabbix" / "hookspool-zabbix-setup"
PASSWORD = "correct horse battery"
RESULTS = {
    "user.login": "5e55", "user.logout": True, "configuration.import": True,
    "mediatype.get": [{"mediatypeid": "1"}], "mediatype.update": {"mediatypeids": ["1"]},
    "hostgroup.get": [{"groupid": "2", "name": "Servers"}],
    "usergroup.get": [], "usergroup.create": {"usrgrpids": ["3"]},
    "user.get": [], "role.get": [{"roleid": "1"}], "user.create": {"userids": ["4"]},
    "action.get": [], "action.create": {"actionids": ["5"]}}


@pytest.fixture
def api():
    made = Api()
    made.results = dict(RESULTS)
    yield made
    made.close()


@pytest.fixture
def run(folder, api):
    for name, text in (("token", TOKEN), ("password", PASSWORD)):
        (folder / name).write_text(text + "\n", encoding="ascii")
        (folder / name).chmod(0o640)

    def call(*options, code=0, url=None, secret="token", env=None):
        done = programs.run("/usr/bin/python3", SCRIPT, "--url", url or api.url,
                            f"--{secret}-file", folder / secret, *options, env=env)
        assert done.returncode == code, done
        assert TOKEN not in done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        if code:
            assert done.stdout == "", done
            assert re.fullmatch(r"hookspool-zabbix-setup: [^\n]+\n", done.stderr), done
        return done
    call.folder = folder
    return call


@pytest.mark.parametrize("version", ["6.0.14", "6.4.0", "7.0.22"])
@pytest.mark.parametrize("secret", ["token", "password"])
def test_set_up(run, api, version, secret):
    api.version = version
    api.token = TOKEN if secret == "token" else RESULTS["user.login"]
    assert run(secret=secret).stdout == "media type 1, user 4, action 5\n"
    methods = [request["method"] for _, _, request in api.requests]
    assert ("user.logout" in methods) == (secret == "password")
    assert {path for path, *_ in api.requests} == {"/api_jsonrpc.php"}


@pytest.mark.parametrize("secret", ["token", "password"])
@pytest.mark.parametrize("url,word", [
    ("http://zabbix.example.com/", "--allow-http"), ("http://127.evil.example/", "--allow"),
    ("http://localhost.evil.example/", "--allow"), ("http://[::2]/", "--allow"),
    ("http://127.1/", "--allow"), ("ftp://127.0.0.1/", "https"), ("https://", "https"),
    ("file:///etc/passwd", "https"), ("https://u:p@127.0.0.1/", "more than"),
    ("https://127.0.0.1/?a=b", "more than"), ("http://127.0.0.1:x/", "--url"),
    ("http://[", "--url"), ("zabbix.example.com", "https")])
def test_addresses_that_are_refused(run, url, word, secret):
    """Before anybody is talked to."""
    assert word in run(url=url, code=66, secret=secret).stderr


def test_http_where_it_is_wanted(run):
    """The name does not resolve, so no secret leaves; that it was tried is what counts."""
    done = run("--allow-http", url="http://zabbix.invalid/", code=69)
    assert "zabbix.invalid" in done.stderr


@pytest.mark.parametrize("host", ["127.1.2.3", "LOCALHOST", "[::1]"])
def test_this_machine_needs_no_tls(run, api, host):
    done = programs.run("/usr/bin/python3", SCRIPT, "--url", f"http://{host}:{api.port}",
                        "--token-file", run.folder / "token")
    assert done.returncode in (0, 69) and "--allow-http" not in done.stderr, done


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(run, api, status):
    other = Api()
    try:
        api.answer, api.elsewhere = (status, b""), other.url + "/api_jsonrpc.php"
        assert "not followed" in run(code=69).stderr
        assert "not followed" in run(code=69, secret="password").stderr
        assert other.requests == []
    finally:
        other.close()


def test_no_proxy(run, api):
    """The token goes to the address that was given, and nowhere else."""
    other = Api()
    try:
        run(env={"http_proxy": other.url, "HTTP_PROXY": other.url, "all_proxy": other.url})
        assert other.requests == [] and len(api.requests) > 5
    finally:
        other.close()


def test_tls(run):
    """Verified, against the system's certificates or a file."""
    authority = Authority(run.folder / "ca")
    secure = Api(context=tls_context(authority.issue("zabbix"), None))
    try:
        secure.results = RESULTS
        url = f"https://localhost:{secure.port}/"
        assert "certificate" in run(url=url, code=69).stderr.lower()
        assert run("--ca-file", authority.cert, url=url).stdout.startswith("media type 1")
    finally:
        secure.close()
    for name in ("none.pem", "password"):
        done = run("--ca-file", run.folder / name, url=url, code=66)
        assert "--ca-file" in done.stderr


def test_nobody_answers(run, api):
    api.close()
    done = run(code=69)
    assert "apiinfo.version" in done.stderr and str(api.port) in done.stderr


@pytest.mark.parametrize("body,code,word", [
    (b"<html>Sign in</html>", 76, "no JSON"), (b"", 76, "no JSON"), (b"[]", 76, "result"),
    (b"true", 76, "result"), (b"{}", 76, "result"), (b'{"result":null}', 76, "result"),
    (b'{"result":true}', 76, "result"), (b'{"result":[1]}', 76, "result"),
    (b'{"error":1}', 76, "API says: 1"), (b'{"error":{}}', 76, "API says: {}"),
    (b'{"error":{"message":"Invalid\\nparams.","data":"No\\r\\n\\u001b[1mrights."}}', 76,
     "configuration.import: the API says: Invalid params. No [1mrights."),
    (b"[" * 100_000, 76, "no JSON"), (b"\xff", 76, "no JSON")])
def test_answers_that_are_none(run, api, body, code, word):
    api.answer = (200, body)
    done = run(code=code)
    assert word in done.stderr


@pytest.mark.parametrize("method", [m for m in RESULTS if not m.startswith("user.log")])
@pytest.mark.parametrize("result", [True, [], {}, [{}], [1], "x", 1])
def test_results_of_another_kind(run, api, method, result):
    """Whatever comes instead of one of them: set up, or one line."""
    api.results[method] = result
    done = programs.run("/usr/bin/python3", SCRIPT, "--url", api.url, "--token-file",
                        run.folder / "token")
    assert done.returncode in (0, 65, 76), done
    assert done.returncode == 0 or re.fullmatch(r"[^\n]+\n", done.stderr), done


def test_an_error_that_is_null(run, api):
    api.answer = (200, b'{"error":null,"result":true}')
    assert "mediatype.get" in run(code=76).stderr


@pytest.mark.parametrize("version", [True, 6, "x", "", "6", ["6.0"], None])
def test_versions_that_are_none(run, api, version):
    api.version = version
    assert "apiinfo.version" in run(code=76).stderr


@pytest.mark.parametrize("name,text,mode,word", [
    ("token", "", 0o600, "no API token"), ("token", "a b", 0o600, "no API token"),
    ("token", "a\nX: y", 0o600, "no API token"), ("token", "é", 0o600, "no API token"),
    ("token", TOKEN, 0o644, "everybody"), ("token", None, 0, "No such file"),
    ("password", "", 0o600, "no password"), ("password", "a\nb", 0o600, "no password"),
    ("password", PASSWORD, 0o604, "everybody"), ("password", None, 0, "No such file")])
def test_secrets_that_are_refused(run, api, name, text, mode, word):
    (run.folder / name).unlink()
    if text is not None:
        (run.folder / name).write_text(text, encoding="utf-8")
        (run.folder / name).chmod(mode)
    assert word in run(code=66, secret=name).stderr
    assert api.requests == []


@pytest.mark.parametrize("options,code,word", [
    (("--no-such",), 64, "--no-such"), (("--password-file", "x"), 64, "one of"),
    (("--timeout", "0"), 64, "--timeout"), (("--timeout", "soon"), 64, "--timeout"),
    (("--media-type", "/nonexistent"), 66, "No such file"),
    (("--host-group", "Nowhere"), 65, "Nowhere")])
def test_options(run, options, code, word):
    assert word in run(*options, code=code).stderr
