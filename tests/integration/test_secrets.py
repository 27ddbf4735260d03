# SPDX-License-Identifier: MIT
"""Secrets: where they come from, what is refused, and that they are shown nowhere."""

import base64
import os

import pytest

import programs
from receiver import SECRET
from spool import wait_for


def refused(hooks, *words):
    done = programs.run(programs.DAEMON, "-c", hooks.config)
    assert done.returncode == 78, done
    for word in (hooks.secret, *words):
        assert str(word) in done.stderr, done.stderr
    assert SECRET not in done.stderr


def test_missing(hooks):
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    hooks.secret.unlink()
    refused(hooks, "No such file")


@pytest.mark.parametrize("text", ["", "\n", "\r\n"])
def test_empty(hooks, text):
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    hooks.write_secret(text)
    refused(hooks, "empty")


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666])
def test_open_to_the_world(hooks, mode):
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    hooks.write_secret(mode=mode)
    refused(hooks, "everybody")


@pytest.mark.parametrize("what", ["folder", "fifo", "5 KB"])
def test_odd_files(hooks, what):
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    if what == "5 KB":
        hooks.write_secret("x" * 5000)
    else:
        hooks.secret.unlink()
        if what == "folder":
            hooks.secret.mkdir()
        else:
            os.mkfifo(hooks.secret, 0o600)
    refused(hooks)


@pytest.mark.parametrize("text, key", [
    ("plain", "plain"), ("plain\n", "plain"), ("plain\r\n", "plain"),
    ("two\nlines\n", "two\nlines"), ("end\n\n", "end\n"), (" blanks \n", " blanks "),
    ("ünïcode\n", "ünïcode")])
def test_one_line_end_is_removed(hooks, make_receiver, text, key):
    receiver = make_receiver(secret=key)
    hooks.write_secret(text)
    hooks.endpoint(receiver=receiver).init().start()
    hooks.generate(1)
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1  # and its signature was checked


def test_credentials_directory(hooks, make_receiver, folder):
    """A relative name is a systemd credential."""
    receiver = make_receiver(secret="from systemd")
    credentials = folder / "credentials"
    credentials.mkdir()
    (credentials / "hook").write_text("from systemd", encoding="ascii")
    (credentials / "hook").chmod(0o400)
    hooks.endpoint(receiver=receiver, secret_file="hook").init()
    hooks.start(env={"CREDENTIALS_DIRECTORY": str(credentials)})
    hooks.generate(1)
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1


def spool_texts(hooks):
    """Everything that anybody may look at afterwards."""
    texts = {"daemon": hooks.daemon.log(),
             "status": hooks.control("status").stdout,
             "json": hooks.control("status", "--json").stdout}
    for path in [hooks.spool / f for f in hooks.files(".")] + [hooks.journal_path]:
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
    return texts


def test_shown_nowhere(hooks, make_receiver):
    """Over deliveries, refusals, outages and a bad reload; neither as it is, nor in
    base64 or hex."""
    key = b"kept between us, for 32 bytes or"
    secret = "whsec_" + base64.b64encode(key).decode()
    receiver = make_receiver(secret=secret)
    receiver.answer(status=422, monitor="host-1", body=b"no")
    receiver.answer(status=500, monitor="host-2", times=3)
    hooks.write_secret(secret)
    hooks.endpoint(receiver=receiver, standard_webhooks=True, retries=1).init().start()
    hooks.generate(8, monitors=4)
    hooks.wait_settled()
    hooks.write_secret(secret, mode=0o644)
    hooks.daemon.reload()
    hooks.daemon.wait_log(str(hooks.secret))
    with open(f"/proc/{hooks.daemon.process.pid}/cmdline", encoding="ascii") as file:
        cmdline = file.read()
    texts = {"cmdline": cmdline, **spool_texts(hooks)}
    assert len(texts) > 5
    for name, text in texts.items():
        for form in (secret, secret[6:], key.decode(), key.hex()):
            assert form not in text, name


def test_url_is_masked(hooks, make_receiver):
    """Userinfo, query and the path of a url_file are shown nowhere."""
    receiver = make_receiver()
    receiver.answer(status=422, monitor="host-1")
    url = f"http://user:pa55word@127.0.0.1:{receiver.port}/hook?token=t0ken"
    path = hooks.folder / "url"
    path.write_text(receiver.url("/services/T00/B00/xyzzy") + "\n", encoding="ascii")
    path.chmod(0o600)
    hooks.endpoint("plain", url=url, retries=0)
    hooks.endpoint("file", receiver=receiver, url_file=path, retries=0)
    del hooks.endpoints["file"]["url"]
    hooks.init().start()
    hooks.generate(4, monitors=2)
    hooks.wait_settled()
    assert {r.path for r in receiver.accepted()} == {
        "/hook?token=t0ken", "/services/T00/B00/xyzzy"}
    receiver.down()
    hooks.generate(4, monitors=2, first=2)
    hooks.wait_state("backoff", "file")
    hooks.wait_state("backoff", "plain")
    wait_for("the errors", lambda: hooks.endpoint_status("file").get("last_error"))
    for name, text in spool_texts(hooks).items():
        for form in ("pa55word", "t0ken", "xyzzy"):
            assert form not in text, name


def test_receiver_s_answer_in_a_dead_letter_only(hooks, receiver):
    """An excerpt, bounded."""
    receiver.answer(status=422, body=b"why: " + b"x" * 100_000)
    hooks.endpoint(receiver=receiver, retries=0).init().start()
    hooks.generate(1)
    hooks.wait_settled()
    (dead,) = hooks.dead()
    assert "why: xxx" in (hooks.spool / dead).read_text(encoding="utf-8")
    assert (hooks.spool / dead).stat().st_size < 20_000
