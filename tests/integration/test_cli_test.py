# SPDX-License-Identifier: MIT
"""hookspool test: every fault by its name and with a word on what to look at next, at
real servers, in the daemon and without one."""

import datetime
import json
import os
import re
import ssl
import subprocess
import threading
import time

import pytest

import certificates
import programs
import wire
from receiver import SECRET, tls_context
from spool import wait_for

DAEMON, GROUP = 2001, 2000
PAST = {"start": "20200101000000Z", "end": "20200201000000Z"}


def stamp(days):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return when.strftime("%Y%m%d%H%M%SZ")


@pytest.fixture(params=["daemon", "alone"])
def served(request):
    return request.param == "daemon"


@pytest.fixture
def listen():
    made = []

    def make(handler, context=None):
        made.append(wire.Listener(handler, context))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def good(authority):
    return authority.issue("good")


class World:
    """What the cases below set up their endpoint from."""

    def __init__(self, hooks, make_receiver, listen, authority, good):
        self.hooks, self.receiver, self.listen = hooks, make_receiver, listen
        self.authority, self.good = authority, good
        self.closers = []

    def endpoint(self, url=None, **keys):
        self.hooks.endpoint(url=url, **{"timeout": "2s", "connect_timeout": "2s", **keys})

    def answering(self, status, **fields):
        receiver = self.receiver()
        receiver.answer(status=status, **fields)
        self.endpoint(receiver.url())
        return receiver

    def tls(self, certificate, **keys):
        receiver = self.receiver(certificate=certificate)
        self.endpoint(receiver.url(), **{"ca_file": self.authority.cert, **keys})
        return receiver

    def old_tls(self):
        receiver = self.tls(self.good)
        receiver.down()
        with pytest.warns(DeprecationWarning):
            receiver.context.minimum_version = ssl.TLSVersion.TLSv1
            receiver.context.maximum_version = ssl.TLSVersion.TLSv1_1
        receiver.context.set_ciphers("ALL:@SECLEVEL=0")
        receiver.up()

    def port(self, handler, scheme="http", **keys):
        self.endpoint(self.listen(handler).url(scheme), **keys)

    def full(self):
        full = wire.Full()
        self.closers.append(full)
        self.endpoint(f"http://127.0.0.1:{full.port}/", connect_timeout="500ms")

    def by_proxy(self, handler, scheme="http", **keys):
        port = self.listen(handler).port
        self.endpoint("https://127.0.0.1:9/hook",
                      proxy=f"{scheme}://user:pa55word@127.0.0.1:{port}", **keys)

    def two_certificates(self):
        """An authority that has expired itself signs a good certificate."""
        folder = self.hooks.folder / "old"
        root = certificates.Authority(folder)
        certificates.openssl("req", "-new", "-key", root.key, "-subj", "/CN=Test CA",
                             "-out", folder / "again.csr")
        (folder / "ext").write_text("basicConstraints=critical,CA:TRUE\n",
                                    encoding="ascii")
        leaf = root.issue("leaf")
        certificates.openssl("ca", "-batch", "-selfsign", "-config", folder / "ca.cnf",
                             "-keyfile", root.key, "-in", folder / "again.csr", "-out",
                             folder / "again.pem", "-extfile", folder / "ext", "-notext",
                             "-startdate", PAST["start"], "-enddate", PAST["end"])
        self.tls(leaf, ca_file=folder / "again.pem")


@pytest.fixture
def world(hooks, make_receiver, listen, authority, good):
    made = World(hooks, make_receiver, listen, authority, good)
    yield made
    for one in made.closers:
        one.close()


# A name; what sets up the endpoint; the fault; a word of the hint; words of the step that
# failed; how many requests the receiver may have got (the recovery follows where it may
# have taken the incident).
CASES = {
    "unknown name": (lambda w: w.endpoint("https://nowhere.invalid/x"),
                     "unknown-name", "typing error", "lookup .*nowhere.invalid"),
    "closed port": (lambda w: w.endpoint(w.receiver().url().replace(
        "127.0.0.1", "127.0.0.2")), "closed-port", "right port", "connection .*refused"),
    "no answer to SYN": (lambda w: w.full(), "connect-timeout", "firewall",
                         "connection .*[Tt]ime"),
    "source address": (lambda w: w.endpoint("http://127.0.0.1:9/",
                                            source_address="192.0.2.77"),
                       "source-address", "source_address", "connection"),
    "silent": (lambda w: w.port(wire.silent, timeout="700ms"), "silent", "timeout",
               "answer .*time"),
    "slow head": (lambda w: w.answering(200, mode="drip"), "slow", "slowly",
                  "answer .*time"),
    "https to http": (lambda w: w.endpoint(w.receiver().url().replace("http:", "https:")),
                      "plain-port", "port of url", "tls "),
    "https to mail": (lambda w: w.port(wire.mail_server, "https"), "plain-port",
                      "port of url", "tls .*220 mail.example"),
    "http to https": (lambda w: w.endpoint(w.receiver(certificate=w.good).url().replace(
        "https:", "http:")), "tls-port", "https://", "(request|answer) "),
    "https to silence": (lambda w: w.port(wire.mute, "https", connect_timeout="700ms"),
                         "tls-silent", "TLS", "tls .*time"),
    "https hung up": (lambda w: w.port(wire.slam, "https"), "tls-closed", "TLS", "tls "),
    "old TLS": (lambda w: w.old_tls(), "tls-too-old", "TLS 1.2", "tls "),
    "expired": (lambda w: w.tls(w.authority.issue("expired", **PAST)),
                "certificate-expired", "renewed",
                r"certificate .*CN=expired.*expired \d{4} days ago.*2020-02-01"),
    "expired authority": (lambda w: w.two_certificates(), "certificate-expired",
                          "renewed", "certificate .*its authority CN=Test CA expired"),
    "not yet": (lambda w: w.tls(w.authority.issue("future", start=stamp(3),
                                                  end=stamp(9))),
                "certificate-not-yet-valid", "clock", "certificate .*in [23] days only"),
    "self-signed": (lambda w: w.tls(certificates.self_signed(w.hooks.folder)),
                    "certificate-self-signed", "ca_file", "certificate .*CN=self"),
    "wrong name": (lambda w: w.tls(w.authority.issue("name", "DNS:elsewhere.example")),
                   "certificate-name", "name", "certificate .*for elsewhere.example.*"
                   "127.0.0.1 is not among"),
    "another authority": (lambda w: w.tls(certificates.Authority(
        w.hooks.folder / "other", "Other CA").issue("stranger")),
        "certificate-authority", "ca_file", "certificate .*issued by CN=Other CA"),
    "system's authorities": (lambda w: w.tls(w.good, ca_file=None),
                             "certificate-authority", "ca_file", "certificate "),
    "client certificate": (lambda w: w.endpoint(w.receiver(
        certificate=w.good, client_ca=w.authority.cert).url(), ca_file=w.authority.cert),
        "client-certificate", "cert_file", "(tls|request|answer) "),
    "no ca_file": (lambda w: w.tls(w.good, ca_file="/nonexistent/ca.pem"), "ca-file",
                   "PEM", "tls "),
    "proxy unknown": (lambda w: w.endpoint("https://127.0.0.1:9/", proxy="http://no.invalid:1"),
                      "proxy-unknown-name", "proxy", "lookup .*proxy no.invalid"),
    "proxy closed": (lambda w: w.endpoint("https://127.0.0.1:9/",
                                          proxy="http://127.0.0.1:1"),
                     "proxy-closed-port", "proxy", "connection .*refused"),
    "proxy credentials": (lambda w: w.by_proxy(wire.connect_proxy(407)),
                          "proxy-credentials", "password", "proxy .*407"),
    "proxy refuses": (lambda w: w.by_proxy(wire.connect_proxy(403)), "proxy-refuses",
                      "rules", "proxy .*403"),
    "proxy has no way": (lambda w: w.by_proxy(wire.connect_proxy(502)), "proxy-no-way",
                         "log of the proxy", "proxy .*502"),
    "proxy silent": (lambda w: w.by_proxy(wire.silent, connect_timeout="700ms"),
                     "proxy-timeout", "proxy", "proxy .*time"),
    "proxy is none": (lambda w: w.by_proxy(wire.mail_server), "proxy-odd", "scheme",
                      "proxy .*220 mail.example"),
    "proxy without TLS": (lambda w: w.by_proxy(wire.mail_server, "https"), "proxy-tls",
                          "http://", "(connection|proxy) "),
    "socks refuses": (lambda w: w.by_proxy(wire.socks_proxy(2), "socks5"),
                      "proxy-refuses", "rules", "proxy "),
    "socks has no way": (lambda w: w.by_proxy(wire.socks_proxy(5), "socks5"),
                         "proxy-no-way", "log of the proxy", "proxy "),
    "301": (lambda w: w.answering(301, headers={
        "Location": "https://user:l0cation@new.example/there?key=l0cation"}), "redirect",
        "Location", r"answer .*301 .*to https://\*\*\*@new.example/there\?\*\*\*"),
    "400": (lambda w: w.answering(400), "bad-request", "payload", "answer .*400"),
    "401": (lambda w: w.answering(401), "unauthorized", "secret", "answer .*401"),
    "403": (lambda w: w.answering(403), "forbidden", "firewall", "answer .*403"),
    "404": (lambda w: w.answering(404), "not-found", "path", "answer .*404"),
    "405": (lambda w: w.answering(405), "method-not-allowed", "slash", "answer .*405"),
    "410": (lambda w: w.answering(410), "gone", "resume", "answer .*410"),
    "413": (lambda w: w.answering(413), "too-large", "limit", "answer .*413"),
    "422": (lambda w: w.answering(422), "content", "payload", "answer .*422"),
    "429": (lambda w: w.answering(429, headers={"Retry-After": "77"}), "rate-limited",
            "rate_limit", "answer .*429.* 77 s"),
    "500": (lambda w: w.answering(500), "server-error", "log", "answer .*500"),
    "502": (lambda w: w.answering(502), "gateway", "gateway", "answer .*502"),
    "503": (lambda w: w.answering(503), "unavailable", "later", "answer .*503"),
    "no HTTP": (lambda w: w.port(wire.raw(b"-ERR unknown command 'POST'\r\n")),
                "not-http", "port of url", "answer"),
    "mail server": (lambda w: w.port(wire.mail_server), "not-http", "port of url",
                    "answer .*220 mail.example"),
    "hang-up": (lambda w: w.port(wire.hang_up), "closed", "log", "answer"),
}
MAY_BE_TAKEN = {"silent", "slow", "closed", "not-http", "server-error", "gateway",
                "unavailable"}


def report(done):
    assert not done.stderr, done
    return json.loads(done.stdout)


def check_text(text, fault, hint, step):
    """The report for a person: the step that failed, the fault, the hint."""
    failed = [line for line in text.splitlines() if line.startswith("  FAIL ")]
    assert failed and re.search(step, failed[0]), (step, text)
    assert f"\n  {fault}: " in text and "\n  next: " in text, text
    (line,) = {li for li in text.splitlines() if li.startswith("  next: ")}
    assert hint in line, line
    assert "pa55word" not in text and "l0cation" not in text and SECRET not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("case", CASES)
def test_fault(world, served, case):
    set_up, fault, hint, step = CASES[case]
    set_up(world)
    hooks = world.hooks.init()
    if served:
        hooks.start()
    done = hooks.control("test", "main", timeout=60)
    assert done.returncode == 2 and done.stderr == "", done
    check_text(done.stdout, fault, hint, step)
    lines = hooks.journal("test")
    assert all(line["reason"].startswith(f"{fault}: ") for line in lines), lines
    kinds = ["incident", "recovery"] if fault in MAY_BE_TAKEN else ["incident"]
    assert [line["kind"] for line in lines] == kinds
    assert ("not sent: " in done.stdout) == (len(kinds) == 1)


def test_every_fault_is_documented():
    """Names in the code, and the table of docs/faults.md."""
    code = (programs.SOURCE / "core/delivery/fault_text.c").read_text(encoding="utf-8")
    page = (programs.SOURCE / "docs/faults.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^ *(?:\[HSP_FAULT_\w+\] = )?\{\"([a-z-]+)\",", code, re.M))
    rows = re.findall(r"^\| (`.*?) \|", page, re.M)
    documented = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert len(names) > 50
    assert documented == names - {"none"} | {"not-sent"}
    assert {fault for _, fault, _, _ in CASES.values()} <= documented


# Good endpoints.


def test_delivered(hooks, receiver, served):
    """An incident and its recovery, of the monitor "test", signed and canonical (the
    receiver looks), with ids of their own, in the journal and in no queue."""
    hooks.endpoint(receiver=receiver).init()
    if served:
        hooks.start()
    done = hooks.control("test", "main")
    assert done.returncode == 0 and done.stderr == "", done
    first, second = receiver.snapshot()
    for request, kind, state in ((first, "incident", "DOWN"), (second, "recovery", "UP")):
        monitor = request.payload["monitor"]
        assert (request.kind, request.state, monitor["id"]) == (kind, state, "test")
        assert "hookspool" in monitor["name"] and "est" in monitor["name"]
    assert "est" in first.payload["check_result"]["error_message"]
    assert first.id != second.id
    for words in ("lookup", "connection", "request", "answer", "HTTP/1.1 200",
                  f"X-StatusPageOne-Signature: {first.headers['x-statuspageone-signature']}",
                  "delivered: "):
        assert words in done.stdout, words
    lines = hooks.journal("test")
    assert [line["id"] for line in lines] == [first.id, second.id]
    assert all((line["endpoint"], line["monitor"], line["status"], line["uid"])
               == ("main", "test", 200, os.getuid()) for line in lines)
    assert hooks.waiting() == [] and hooks.dead() == []


def test_json(hooks, receiver, served):
    receiver.answer(status=500, kind="recovery", body=b"\x1b[2J caf\xc3\xa9 \xff\n\x9b")
    hooks.endpoint(receiver=receiver).init()
    if served:
        hooks.start()
    done = hooks.control("test", "--json", "main")
    assert done.returncode == 1, done
    result = report(done)
    assert (result["endpoint"], result["state"], result["result"]) == (
        "main", "ok", "partly")
    first, second = result["requests"]
    assert first["delivered"] and first["fault"] is None and first["status"] == 200
    assert (second["fault"], second["status"]) == ("server-error", 500)
    assert [s["step"] for s in second["steps"]] == [
        "lookup", "connection", "request", "answer"]
    assert [s["ok"] for s in second["steps"]] == [True, True, True, False]
    assert second["answer"] == "\ufffd[2J café \ufffd \ufffd"
    assert second["hint"]


def test_tls(hooks, make_receiver, authority, good, served):
    """Version, cipher, certificate and its days."""
    receiver = make_receiver(certificate=good)
    hooks.endpoint(receiver=receiver, ca_file=authority.cert).init()
    if served:
        hooks.start()
    done = hooks.control("test", "main", "--json")
    assert done.returncode == 0, done
    request = report(done)["requests"][0]
    texts = {s["step"]: s["text"] for s in request["steps"]}
    assert re.fullmatch(r"TLSv1\.[23], [A-Z0-9_-]+", texts["tls"])
    assert "CN=good, issued by CN=Test CA, for 127.0.0.1, localhost, expires in " in texts[
        "certificate"]
    assert request["certificate"]["days_left"] in (29, 30)
    assert request["certificate"]["not_after"].endswith("Z")


def test_client_certificate(hooks, make_receiver, authority, good):
    client = authority.issue("client", "DNS:client.example")
    receiver = make_receiver(certificate=good, client_ca=authority.cert)
    hooks.endpoint(receiver=receiver, ca_file=authority.cert, cert_file=client.cert,
                   key_file=client.key).init()
    done = hooks.control("test", "main")
    assert done.returncode == 0, done


def test_by_proxy(hooks, make_receiver, listen, authority, good, served):
    """Through CONNECT with credentials, which are not shown."""
    proxy = listen(wire.connect_proxy(credentials="user:pa55word"))
    receiver = make_receiver(certificate=good)
    hooks.endpoint(receiver=receiver, ca_file=authority.cert,
                   proxy=f"http://user:pa55word@127.0.0.1:{proxy.port}").init()
    if served:
        hooks.start()
    done = hooks.control("test", "main")
    assert done.returncode == 0, done
    assert len(receiver.accepted()) == 2 and len(proxy.heard) == 2
    assert "proxy 127.0.0.1 port" in done.stdout and "pa55word" not in done.stdout


def test_wrong_secret(hooks, make_receiver):
    """As the documented receivers say it: 401."""
    receiver = make_receiver()
    receiver.answer(status=401, body=b'{"error":"Invalid signature"}')
    hooks.endpoint(receiver=receiver).init()
    hooks.write_secret("an0ther secret\n")
    done = hooks.control("test", "main")
    assert done.returncode == 2 and "unauthorized: " in done.stdout
    assert '{"error":"Invalid signature"}' in done.stdout
    assert "an0ther" not in done.stdout
    assert len(receiver.problems) == 1 and "signature" in receiver.problems.pop()


# What is not shown.


def test_secrets_of_urls(hooks, make_receiver, served):
    """User, password, query, and the path of a url_file: not in the report, not in the
    journal, not in the log, even where the receiver repeats them."""
    receiver = make_receiver()
    path = "/services/T0T0T0/xyzzyxyzzy"
    echo = (f"no such place: {path}?token=t0ken1234 user:pa55word "
            "pa55word t0ken1234").encode()
    receiver.answer(status=302, body=echo, headers={"Location": f"{path}?token=t0ken1234"})
    url = f"http://user1:pa55word@127.0.0.1:{receiver.port}{path}?token=t0ken1234"
    file = hooks.folder / "url"
    file.write_text(url + "\n", encoding="ascii")
    file.chmod(0o600)
    hooks.endpoint("file", receiver=receiver, url_file=file)
    del hooks.endpoints["file"]["url"]
    hooks.endpoint("plain", url=url).init()
    daemon = hooks.start() if served else None
    for name, secrets in (("file", ("pa55word", "t0ken1234", "xyzzy", "T0T0T0")),
                          ("plain", ("pa55word", "t0ken1234"))):
        texts = [hooks.control("test", name).stdout,
                 hooks.control("test", "--json", name).stdout,
                 hooks.journal_path.read_text(encoding="utf-8"),
                 daemon.log() if daemon else ""]
        assert "redirect" in texts[0] and "no such place: " in texts[0]
        assert "Authorization: ***" in texts[0]
        for text in texts:
            assert not [s for s in secrets if s in text], text
            assert SECRET not in text
    receiver.forget_rules()
    assert hooks.control("test", "file").returncode == 0  # it is masked only where shown


# The rate window, the states, other work.


def test_rate_window(hooks, receiver, served):
    """Each request takes a slot; without one the answer says when."""
    hooks.endpoint(receiver=receiver, rate_limit="4/h").init()
    if served:
        hooks.start()
    assert hooks.control("test", "main").returncode == 0
    if served:
        wait_for("the status", lambda: hooks.endpoint_status()["rate_used"] == 2)
    assert hooks.control("test", "main").returncode == 0
    done = hooks.control("test", "main")
    assert done.returncode == 2 and done.stdout == "", done
    wait_s = int(re.search(r"may go out in (\d+) s", done.stderr).group(1))
    assert 3500 < wait_s <= 3601
    assert len(receiver.snapshot()) == 4
    hooks.generate(1)
    if not served:
        hooks.start()
    wait_for("the event is taken in", lambda: hooks.endpoint_status().get("pending") == 1)
    assert len(receiver.snapshot()) == 4


def test_recovery_waits_for_its_slot(hooks, receiver, served):
    hooks.endpoint(receiver=receiver, rate_limit="1/s").init()
    if served:
        hooks.start()
    assert hooks.control("test", "main").returncode == 0
    first, second = receiver.snapshot()
    assert second.at - first.ended >= 0.95


@pytest.mark.parametrize("state", ["paused", "gone", "misconfigured", "backoff"])
def test_in_any_state(hooks, receiver, state):
    """The test goes out, says what keeps events from being sent, and changes nothing."""
    hooks.endpoint(receiver=receiver, probe_max="1h", backoff="1h", backoff_max="1h",
                   outage="wait").init().start()
    if state == "paused":
        assert hooks.control("pause", "main").returncode == 0
    else:
        receiver.answer(status={"gone": 410, "misconfigured": 404, "backoff": 500}[state])
        hooks.generate(4, monitors=4)
    hooks.wait_state(state)
    wait_for("nothing is under way", lambda: hooks.endpoint_status()["in_flight"] == 0)
    receiver.forget_rules()
    before = len(receiver.accepted())
    done = hooks.control("test", "main")
    assert done.returncode == 0, done
    assert f"state {state}" in done.stdout and "'hookspool resume main'" in done.stdout
    assert len(receiver.accepted()) == before + 2
    assert hooks.endpoint_status()["state"] == state


def begin(hooks, *args):
    """hookspool test in the background; its process."""
    return subprocess.Popen(
        [programs.CONTROL, "-c", hooks.config, "test", *args], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=programs.environment())


def test_deliveries_go_on(hooks, receiver, listen):
    """While one endpoint's test hangs the others deliver, a second test of it is
    refused, one of another is not, and a reload is done at once."""
    hang = listen(wire.silent)
    hooks.endpoint(receiver=receiver)
    hooks.endpoint("hangs", url=hang.url(), timeout="20s", events=["custom"])
    hooks.init().start()
    testing = begin(hooks, "hangs")
    hooks.daemon.wait_log("hangs is tested by hand")
    hooks.generate(50)
    hooks.wait_settled()
    refused = hooks.control("test", "hangs")
    assert refused.returncode == 2 and "under way" in refused.stderr
    assert hooks.control("test", "main").returncode == 0
    hooks.endpoint("hangs", url=receiver.url("/new"))
    hooks.write()
    hooks.daemon.reload()
    hooks.daemon.wait_log("configuration reloaded")
    assert testing.poll() is None
    began = time.monotonic()
    hooks.daemon.stop(timeout=5)
    output, error = testing.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert testing.returncode == 2 and "cancelled: " in output, (output, error)


def test_whoever_asked_is_gone(hooks, listen, make_receiver):
    """The incident's recovery follows all the same."""
    receiver = make_receiver()
    receiver.answer(delay=0.5)
    hooks.endpoint(receiver=receiver, timeout="10s").init().start()
    testing = begin(hooks, "main")
    wait_for("the incident", lambda: receiver.snapshot())
    testing.kill()
    testing.communicate()
    wait_for("the recovery", lambda: len(hooks.journal("test")) == 2)
    assert [r.kind for r in receiver.accepted()] == ["incident", "recovery"]


def test_several_at_once(hooks, make_receiver):
    receivers = [make_receiver() for _ in range(3)]
    for number, receiver in enumerate(receivers):
        receiver.answer(delay=0.3)
        hooks.endpoint(f"e{number}", receiver=receiver, timeout="10s")
    hooks.init().start()
    results = [None] * 3

    def run(number):
        results[number] = hooks.control("test", f"e{number}").returncode
    threads = [threading.Thread(target=run, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0, 0]
    assert [len(r.accepted()) for r in receivers] == [2, 2, 2]


def test_full_journal_is_said(hooks, receiver):
    """A request whose line could not be written is not passed over in silence."""
    hooks.endpoint(receiver=receiver).init().start()
    hooks.journal_path.unlink()
    hooks.journal_path.mkdir()
    done = hooks.control("test", "main")
    assert done.returncode == 0 and "FAIL journal" in done.stdout, done


# Who may, and what cannot be.


@pytest.mark.parametrize("args, code, words", [
    (("test",), 64, "operands"), (("test", "a", "b"), 64, "operands"),
    (("test", "nobody"), 2, "nobody"), (("test", "--nothing", "main"), 64, "--nothing"),
    (("test", ""), 2, "endpoint")])
def test_wrong_use(hooks, receiver, served, args, code, words):
    hooks.endpoint(receiver=receiver).init()
    if served:
        hooks.start()
    done = hooks.control(*args)
    assert done.returncode == code and words in done.stderr, done
    assert receiver.requests == []


@pytest.mark.root("runs programs as other users")
@pytest.mark.parametrize("who", [
    {"user": 1001, "group": 1001, "extra_groups": [GROUP]},
    {"user": 1003, "group": 1003, "extra_groups": []}], ids=["member", "stranger"])
def test_members_and_strangers_are_refused(hooks, receiver, served, who):
    def become_daemon():
        os.setgroups([])
        os.setgid(GROUP)
        os.setuid(DAEMON)
    hooks.endpoint(receiver=receiver)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    if served:
        hooks.start(preexec=become_daemon)
    done = hooks.control("test", "main", **who)
    assert done.returncode in (2, 78) and done.stdout == "" and done.stderr, done
    assert receiver.requests == [] and SECRET not in done.stderr
    owner = hooks.control("test", "main", user=DAEMON, group=GROUP, extra_groups=[])
    assert owner.returncode == 0, owner


@pytest.mark.root("runs programs as other users")
def test_root_leaves_no_file_of_its_own(hooks, receiver):
    hooks.endpoint(receiver=receiver, rate_limit="100/min")
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    assert hooks.control("test", "main").returncode == 0
    for path in hooks.spool.rglob("*"):
        assert path.stat().st_uid == DAEMON, path


def test_stdout_full(hooks, receiver):
    """What a pipe or disk does not take is an error, not a success."""
    hooks.endpoint(receiver=receiver).init()
    with open("/dev/full", "wb") as full:
        done = subprocess.run([programs.CONTROL, "-c", hooks.config, "test", "main"],
                              stdin=subprocess.DEVNULL, stdout=full, timeout=60,
                              stderr=subprocess.PIPE, check=False,
                              env=programs.environment())
    assert done.returncode != 0


def test_another_authority_s_context_is_used(hooks, make_receiver, authority, good):
    """The receiver gets a good certificate after the fault was named: the same endpoint
    passes, so that a repair can be seen at once."""
    receiver = make_receiver(certificate=certificates.self_signed(hooks.folder))
    hooks.endpoint(receiver=receiver, ca_file=authority.cert).init().start()
    assert hooks.control("test", "main").returncode == 2
    receiver.down()
    receiver.context = tls_context(good, None)
    receiver.up()
    assert hooks.control("test", "main").returncode == 0
