# SPDX-License-Identifier: MIT
"""A webhook receiver that writes everything down, checks it, and misbehaves on demand.

It listens on 127.0.0.1, HTTP or TLS, on a port of its own that it keeps while it is down.
Every request is recorded with its time, headers and raw body; signature, payload schema
and canonical form are checked at once, and `problems` collects what was wrong. Rules
added with `answer` say how requests are answered; without one it is 200."""

import dataclasses
import hashlib
import hmac
import http.server
import json
import pathlib
import socket
import socketserver
import ssl
import threading
import time

import jsonschema

import programs

SECRET = "s3cret/with+odd=characters"


@dataclasses.dataclass
class Answer:
    """How one request is answered. `mode` is what happens after the head was read:
    "answer"; "silent" (say nothing until the client goes); "drip" (a byte at a time);
    "cut" (close within the answer's body); "hangup" (close without a word)."""
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)
    body: bytes = b"{}"
    delay: float = 0.0
    mode: str = "answer"


@dataclasses.dataclass
class Request:
    """One recorded request. `at` and `ended` are monotonic seconds."""
    at: float
    path: str
    headers: dict
    raw: bytes
    payload: dict
    status: object = None
    ended: float = None

    @property
    def id(self):
        return self.headers.get("x-hookspool-delivery")

    @property
    def monitor(self):
        return self.payload["monitor"]["name"]

    @property
    def state(self):
        return self.payload["check_result"]["status"]

    @property
    def kind(self):
        return self.payload["context"]["notification_type"]

    @property
    def number(self):
        """What putter and the kill tests number events with."""
        return self.payload["check_result"]["response_time_ms"]


@dataclasses.dataclass
class Rule:
    answer: Answer
    monitor: object
    kind: object
    times: object

    def fits(self, request):
        return (self.times != 0
                and self.monitor in (None, request.monitor)
                and self.kind in (None, request.kind))


def load_validator():
    path = pathlib.Path(programs.SOURCE, "docs", "payload.schema.json")
    schema = json.loads(path.read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def signature_of(raw, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def canonical(payload):
    """What JSON.stringify(payload) gives; Python's json writes strings and integers the
    same way when it is told to leave non-ASCII alone."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        owner = self.server.owner
        at = time.monotonic()
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request, answer = owner.record(at, self.path, self.headers, raw)
        try:
            self.obey(answer)
        except OSError:
            self.close_connection = True
        finally:
            request.ended = time.monotonic()

    def obey(self, answer):
        if answer.delay:
            self.server.owner.stopping.wait(answer.delay)
        {"answer": self.say, "silent": self.keep_silent, "drip": self.drip,
         "cut": self.cut, "hangup": self.hang_up}[answer.mode](answer)

    def head(self, answer, length):
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def say(self, answer):
        self.head(answer, len(answer.body))
        self.wfile.write(answer.body)

    def keep_silent(self, _answer):
        self.close_connection = True
        self.connection.settimeout(60)
        self.connection.recv(1)

    def drip(self, answer):
        """The whole answer, a byte each 50 ms: longer than any timeout of these tests."""
        self.close_connection = True
        text = f"HTTP/1.1 {answer.status} Slowly\r\nX-Filler: {'x' * 4000}\r\n\r\n"
        for byte in text.encode():
            self.connection.sendall(bytes([byte]))
            if self.server.owner.stopping.wait(0.05):
                return

    def cut(self, answer):
        self.close_connection = True
        self.head(answer, len(answer.body) + 1000)
        self.wfile.write(answer.body)
        self.wfile.flush()

    def hang_up(self, _answer):
        self.close_connection = True

    def log_message(self, *_args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, owner, port, context):
        self.owner, self.context = owner, context
        super().__init__(("127.0.0.1", port), Handler)

    def process_request_thread(self, request, client_address):
        # The handshake belongs to the connection's thread: a client that refuses the
        # certificate must not stop the others.
        if self.context is not None:
            try:
                request.settimeout(10)
                request = self.context.wrap_socket(request, server_side=True)
                request.settimeout(None)
            except OSError as error:
                self.owner.refused_handshakes.append(str(error))
                request.close()
                return
        self.owner.connected(request)
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request):
        self.owner.disconnected(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # broken connections are what these tests are about


class Receiver:
    def __init__(self, secret=SECRET, certificate=None, client_ca=None):
        self.secret = secret
        self.validator = load_validator()
        self.context = tls_context(certificate, client_ca) if certificate else None
        self.lock = threading.Lock()
        self.requests, self.rules, self.problems = [], [], []
        self.refused_handshakes = []
        self.sockets = set()
        self.connections = 0
        self.stopping = threading.Event()
        self.server = None
        # Bound, never listening: the port stays ours, and refuses, while we are down.
        self.reserve = socket.socket()
        self.reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserve.bind(("127.0.0.1", 0))
        self.port = self.reserve.getsockname()[1]

    def url(self, path="/hook", host="127.0.0.1"):
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def up(self):
        self.stopping.clear()
        self.server = Server(self, self.port, self.context)
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()
        return self

    def down(self):
        """Refuse connections and drop those that stand."""
        if self.server is None:
            return
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        with self.lock:
            for sock in self.sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.down()
        self.reserve.close()

    def connected(self, sock):
        with self.lock:
            self.sockets.add(sock)
            self.connections += 1

    def disconnected(self, sock):
        with self.lock:
            self.sockets.discard(sock)

    def answer(self, answer=None, *, monitor=None, kind=None, times=None, **fields):
        """Answer requests that fit so from now on, `times` times or for ever. The rule
        added last is looked at first."""
        rule = Rule(answer or Answer(**fields), monitor, kind, times)
        with self.lock:
            self.rules.insert(0, rule)
        return rule

    def forget_rules(self):
        with self.lock:
            self.rules.clear()

    def record(self, at, path, headers, raw):
        request = Request(at, path, {k.lower(): v for k, v in headers.items()}, raw, None)
        self.check(request)
        with self.lock:
            rule = next((r for r in self.rules
                         if request.payload and r.fits(request)), None)
            if rule is not None and rule.times is not None:
                rule.times -= 1
            answer = rule.answer if rule else Answer()
            request.status = answer.status if answer.mode == "answer" else answer.mode
            self.requests.append(request)
        return request, answer

    def check(self, request):
        """Write down every way in which the request is not what it should be."""
        try:
            # A float is never canonical: read as null, it differs below.
            request.payload = json.loads(request.raw, parse_float=lambda text: None)
        except ValueError as error:
            self.problems.append(f"no JSON: {error}: {request.raw[:200]!r}")
            return
        for error in self.validator.iter_errors(request.payload):
            self.problems.append(f"schema: {error.message[:300]}")
        if canonical(request.payload) != request.raw:
            self.problems.append(f"not canonical: {request.raw[:200]!r}")
        signature = request.headers.get("x-statuspageone-signature")
        if signature != signature_of(request.raw, self.secret):
            self.problems.append(f"wrong signature {signature}")
        if request.headers.get("content-type") != "application/json":
            self.problems.append(f"content type {request.headers.get('content-type')}")
        if not request.id:
            self.problems.append("no X-Hookspool-Delivery")

    def snapshot(self):
        with self.lock:
            return list(self.requests)

    def accepted(self):
        """Requests that were answered with a 2xx."""
        return [r for r in self.snapshot()
                if isinstance(r.status, int) and 200 <= r.status < 300]

    def of(self, monitor):
        return [r for r in self.snapshot() if r.monitor == monitor]


def tls_context(certificate, client_ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context
