# SPDX-License-Identifier: MIT
"""hookspool listen: what hookspoold sends is valid here, what anybody else sends is told
and does no harm, and it ends when it is told to."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import programs
from receiver import SECRET, canonical, signature_of
from spool import DEADLINE, wait_for
from test_tools import PAYLOAD

BODY = canonical(PAYLOAD)
URL = re.compile(r"http://127\.0\.0\.1:(\d+)/")


class Listener:
    """A running `hookspool listen`; `lines` is what it printed behind its URL."""

    def __init__(self, *args, as_json=True):
        self.json = as_json
        args = [*args, "--json"] if as_json else args
        self.process = subprocess.Popen(
            [str(a) for a in (programs.CONTROL, "listen", *args)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=programs.environment())
        self.lines, self.incoming, self.errors = [], queue.Queue(), []
        self.threads = [threading.Thread(target=self.read, daemon=True),
                        threading.Thread(target=self.read_errors, daemon=True)]
        for thread in self.threads:
            thread.start()
        first = self.incoming.get(timeout=DEADLINE)
        assert first, self.errors
        self.url = json.loads(first)["listening"] if as_json else first
        self.port = int(URL.fullmatch(self.url).group(1))

    def read(self):
        for line in self.process.stdout:
            self.incoming.put(line.rstrip("\n"))
        self.incoming.put(None)

    def read_errors(self):
        self.errors += self.process.stderr.readlines()

    def next(self, timeout=DEADLINE):
        line = self.incoming.get(timeout=timeout)
        assert line is not None, "it has ended"
        self.lines.append(json.loads(line) if self.json else line)
        return self.lines[-1]

    def all(self, count):
        return [self.next() for _ in range(count)]

    def wait(self):
        code = self.process.wait(DEADLINE)
        for thread in self.threads:
            thread.join(DEADLINE)
        return code

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()

    def post(self, body=BODY, signature=None, method="POST", path="/", event=None,
             timeout=DEADLINE, **headers):
        """Send one request; (status, headers, text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if signature is not False:
            headers["X-StatusPageOne-Signature"] = signature or signature_of(body)
        if event:
            headers["X-Hookspool-Delivery"] = event
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read().decode()


@pytest.fixture
def listen(hooks):
    """Start one that checks with the tests' secret, unless told otherwise."""
    made = []

    def make(*args, secret=True, **options):
        files = ("--secret-file", hooks.secret) if secret else ()
        made.append(Listener(*files, *args, **options))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        one.process.stdout.close()
        one.process.stderr.close()


def test_what_hookspoold_sends(hooks, listen):
    """Events that were put by hand come here, signed, in order."""
    listener = listen("--count", 20)
    hooks.endpoint("main", url=listener.url, standard_webhooks=True).init().start()
    lines = [json.dumps({"monitor": {"name": f"m{i % 4}",
                                     "status": "DOWN" if i // 4 % 2 == 0 else "UP"},
                         "check_result": {"error_message": f"n{i}"}}) for i in range(20)]
    done = hooks.control("enqueue", "--json", stdin=None, input="\n".join(lines))
    assert done.returncode == 0, done
    seen = listener.all(20)
    assert listener.wait() == 0
    assert {line["signature"] for line in seen} == {"valid"}
    assert sorted(line["delivery"] for line in seen) == sorted(done.stdout.split())
    for name in ("m0", "m1", "m2", "m3"):
        states = [line["status"] for line in seen if line["monitor"] == name]
        assert states == ["DOWN", "UP", "DOWN", "UP", "DOWN"]
    hooks.wait_settled()
    assert len(hooks.journal("delivered")) == 20


def test_secrets_of_an_endpoint(hooks, listen):
    hooks.endpoint("main", url="http://127.0.0.1:1/").init()
    listener = listen("-c", hooks.config, "--endpoint", "main", secret=False)
    assert listener.post()[0] == 200
    assert listener.post(signature="sha256=" + "0" * 64)[0] == 401
    assert [line["signature"] for line in listener.all(2)] == ["valid", "invalid"]
    assert listener.end() == 1


def test_lines_for_people(listen):
    listener = listen(as_json=False)
    listener.post(event="id-1")
    listener.post(event="id-1")
    listener.post(signature=signature_of(BODY, "other"))
    first, again, wrong = listener.all(3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z  signature valid +DOWN  API Server  "
                        r"incident  id-1  Connection timeout after 30 seconds", first)
    assert "id-1  again  Connection" in again
    assert "signature INVALID" in wrong and "signed with another secret" in wrong
    assert listener.end() == 1
    assert "this machine only" in "".join(listener.errors)


def test_body(listen):
    listener = listen("--body")
    listener.post()
    listener.post(b"\xff\x1b")
    assert listener.next()["body"] == BODY.decode()
    assert listener.next()["body"] == "\ufffd\x1b"
    people = listen("--body", as_json=False)
    people.post()
    people.next()
    shown = []
    while not shown or shown[-1] != "    }":
        shown.append(people.next())
    assert json.loads("".join(shown)) == PAYLOAD


CONTROL = "\x1b[2J\x1b]0;x\x07\u202e\x9b"


def test_nothing_reaches_the_terminal(listen):
    """Whatever a request holds, no control character gets out."""
    listener = listen("--body", secret=False, as_json=False)
    nasty = json.loads(BODY)
    nasty["monitor"]["name"] = nasty["check_result"]["error_message"] = CONTROL + "\n\r"
    nasty["check_result"]["status"] = nasty["context"]["notification_type"] = CONTROL
    for body in (canonical(nasty), CONTROL.encode(), b"\x9b\xc2\x9b\0"):
        listener.post(body, event="a\x7fb", path="/%1b[2J")
    with socket.create_connection(("127.0.0.1", listener.port)) as client:
        client.sendall(b"POST /\x7f\x9b HTTP/1.1\r\nHost: x\r\nX-Hookspool-Delivery: \x1b"
                       b"\xc2\x9b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        assert client.recv(100)
    assert listener.end() == 1
    left = []
    while (line := listener.incoming.get(timeout=DEADLINE)) is not None:
        left.append(line)
    assert len(left) > 4
    for line in left:
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", line), repr(line)


def standard(secret, body=BODY, event="msg_1"):
    at = str(int(time.time()))
    made = hmac.new(secret.encode(), f"{event}.{at}.".encode() + body, hashlib.sha256)
    return {"webhook-id": event, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(made.digest()).decode()}


def test_both_schemes_must_be_good(listen):
    listener = listen()
    headers = standard(SECRET)
    assert listener.post(signature=False, **headers)[0] == 200
    assert listener.post(**headers)[0] == 200
    assert listener.post(**standard("other"))[0] == 401
    assert listener.post(signature=signature_of(BODY, "x"), **headers)[0] == 401
    del headers["webhook-id"]
    assert listener.post(**headers)[0] == 401
    seen = listener.all(5)
    assert [s["signature"] for s in seen] == ["valid"] * 2 + ["invalid"] * 3
    assert seen[0]["delivery"] == "msg_1" and seen[1]["again"]


@pytest.mark.parametrize("options, status, retry", [
    ((), 200, None), (("--status", 503), 503, None),
    (("--status", 429, "--retry-after", 7), 429, "7"), (("--retry-after", 0), 200, "0")])
def test_answers(listen, options, status, retry):
    listener = listen(*options)
    code, headers, _ = listener.post()
    assert (code, headers.get("Retry-After")) == (status, retry)
    assert listener.next()["answer"] == status


def test_answer_that_makes_hookspoold_wait(hooks, listen):
    listener = listen("--status", 500)
    hooks.endpoint("main", url=listener.url, retries=2).init().start()
    hooks.generate(1)
    first, again = listener.all(2)
    assert not first["again"] and again["again"]
    assert first["delivery"] == again["delivery"]


def test_delay(listen):
    """Each answer waits, and no request waits for another's answer."""
    listener = listen("--delay", "700ms", "--count", 8)
    took = []

    def one():
        began = time.monotonic()
        assert listener.post()[0] == 200
        took.append(time.monotonic() - began)
    threads = [threading.Thread(target=one) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(took) == 8 and min(took) >= 0.69
    assert time.monotonic() - began < 8 * 0.7
    assert listener.wait() == 0  # and all answers were sent before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("good, args, code", [(True, (), 0), (False, (), 1),
                                              (True, ("--count", 3), 1)])
def test_signals_end_it(listen, number, good, args, code):
    listener = listen(*args)
    listener.post(signature=None if good else "sha256=00")
    listener.next()
    assert listener.end(number) == code


def test_end_within_a_delay(listen):
    listener = listen("--delay", "1h")
    with socket.create_connection(("127.0.0.1", listener.port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        listener.next()
        assert listener.end() == 1  # it has no signature


def test_count_is_exact(listen):
    """Of many requests at once as many are taken as were asked for; the others are told
    to come again."""
    listener = listen("--count", 5)
    answers = []

    def one():
        try:
            answers.append(listener.post()[0])
        except OSError:
            answers.append(None)
    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert listener.wait() == 0
    assert answers.count(200) == 5
    assert set(answers) <= {200, 503, None}
    assert len(listener.all(5)) == 5 and listener.incoming.get(timeout=DEADLINE) is None


def test_two_thousand_requests(listen):
    """Quickly, each with its own id; then the same ids again."""
    listener = listen("--count", 4000)
    head = (f"POST / HTTP/1.1\r\nHost: x\r\nX-StatusPageOne-Signature: "
            f"{signature_of(BODY)}\r\nContent-Length: {len(BODY)}\r\n")
    began = time.monotonic()
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.settimeout(DEADLINE)
            answers = client.makefile("rb")
            for i in range(0, 2000, 20):
                client.sendall(b"".join(
                    f"{head}X-Hookspool-Delivery: id-{n}\r\n\r\n".encode() + BODY
                    for n in range(i, i + 20)))
                for _ in range(20):
                    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                    while answers.readline() != b"\r\n":
                        pass
    seen = listener.all(4000)
    assert listener.wait() == 0 and time.monotonic() - began < 20
    assert [line["again"] for line in seen] == [False] * 2000 + [True] * 2000
    assert len({line["delivery"] for line in seen}) == 2000


GARBAGE = {
    "nothing": b"", "noise": bytes(range(256)) * 20, "half a head": b"POST / HTT",
    "no length": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nxx",
    "huge length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999"
                   b"\r\n\r\nxx",
    "huge header": b"POST / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "cut body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
    "bad chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


def test_garbage(listen):
    listener = listen()
    for data in GARBAGE.values():
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.settimeout(0.2)
            client.sendall(data)
            client.recv(4096)
    assert listener.post(event="behind it all")[0] == 200
    while (line := listener.next()).get("delivery") != "behind it all":
        assert not line["good"], line
    assert line["good"]
    assert listener.end() == 1


def test_slow_clients_hold_up_nobody(listen):
    listener = listen()
    slow = []
    try:
        for _ in range(200):
            slow.append(socket.create_connection(("127.0.0.1", listener.port)))
            slow[-1].sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        began = time.monotonic()
        assert listener.post()[0] == 200
        assert time.monotonic() - began < 5
    finally:
        for client in slow:
            client.close()
    assert listener.next()["good"]
    assert listener.end() == 0


def test_large_bodies(listen):
    """1 MB and more is taken, what is too much is refused and not kept."""
    listener = listen()
    large = b'"' + b"x" * 1_100_000 + b'"'
    assert listener.post(large)[0] == 200
    assert listener.post(b"x" * 5_000_000)[0] == 413
    fine, refused = listener.all(2)
    assert fine["good"] and fine["bytes"] == len(large)
    assert not refused["good"] and refused["bytes"] == 0 and "more than" in refused["reason"]


def test_other_methods(listen):
    listener = listen()
    status, headers, _ = listener.post(b"", method="GET", path="/favicon.ico")
    assert status == 405 and headers["Allow"] == "POST"
    line = listener.next()
    assert (line["method"], line["path"], line["good"]) == ("GET", "/favicon.ico", False)


def test_loopback_only(listen):
    listener = listen()
    addresses = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None)}
    table = open("/proc/net/tcp", encoding="ascii").read()
    assert re.search(rf" 0100007F:{listener.port:04X} 00000000:0000 0A ", table), table
    assert not re.search(rf" 00000000:{listener.port:04X} ", table), addresses


def test_port(listen):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = programs.run(programs.CONTROL, "listen", "--port", port)
        assert done.returncode == 2 and f"port {port}: Address already" in done.stderr
    listener = listen("--port", port)
    assert listener.port == port and listener.post()[0] == 200


WRONG = {
    "port": (("--port", "65536"), 64, "--port: from 0"),
    "word": (("--port", "http"), 64, "--port: 'http' is not a number"),
    "status": (("--status", "100"), 64, "--status: from 200 to 599"),
    "delay": (("--delay", "5"), 64, "--delay: '5' is not"),
    "two": (("--secret-file", "a", "--endpoint", "b"), 64, "not both"),
    "operand": (("8080",), 64, "wrong number of operands"),
    "secret": (("--secret-file", "/nonexistent/a"), 2, "secret file /nonexistent/a: No"),
    "configuration": (("-c", "/nonexistent", "--endpoint", "x"), 2, "/nonexistent: No su"),
}


@pytest.mark.parametrize("args, code, said", WRONG.values(), ids=WRONG)
def test_wrong_use(args, code, said):
    done = programs.run(programs.CONTROL, "listen", *args)
    assert (done.returncode, done.stdout) == (code, "") and said in done.stderr, done


def test_standard_output_that_goes(hooks):
    """A pipe that is closed ends it, rather than a receiver that nobody hears."""
    process = subprocess.Popen([programs.CONTROL, "listen"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True,
                               env=programs.environment())
    try:
        port = int(URL.fullmatch(process.stdout.readline().strip()).group(1))
        process.stdout.close()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            wait_for("the end", lambda: process.poll() is not None)
        assert process.returncode == 2
    finally:
        process.kill()
        process.wait()
    assert os.path.exists(hooks.secret)
